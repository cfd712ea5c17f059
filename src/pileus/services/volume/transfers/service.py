"""Transfers: what the API may ask for."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.quota import Claim
from pileus.services.identity.projects import service as projects
from pileus.services.volume.http import missing, seen, visible
from pileus.services.volume.lists import Asked, Found
from pileus.services.volume.quotas import SNAPSHOTS
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.transfers import store
from pileus.services.volume.transfers.store import Transfer
from pileus.services.volume.types import service as types
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes import service_quota as quota
from pileus.services.volume.volumes.service import VOLUME, Loose, Volume

__all__ = ["LISTED", "Transfer", "accept", "create", "delete", "get", "page"]

KIND = "volume.transfer"
LISTED = store.LISTED
KEY_BYTES = 16


async def page(ctx: Ctx, asked: Asked) -> Found[Transfer]:
    """The transfers that the query string asks for. Raises BadRequest."""
    return await store.page(ctx, asked, visible(ctx, store.transfers.c.project_id, all_projects=asked.all_projects))


async def get(ctx: Ctx, transfer_id: UUID) -> Transfer:
    """A transfer of the caller's project. Raises NotFound."""
    found = await store.find(ctx, transfer_id)
    if found is None or not seen(ctx, found.project_id):
        raise missing("transfer_id", transfer_id)
    return found


def digest(transfer_id: UUID, key: str) -> str:
    return hashlib.sha256(f"{transfer_id}:{key}".encode()).hexdigest()


async def create(ctx: Ctx, volume: Volume, name: str | None, *, no_snapshots: bool) -> tuple[Transfer, str]:
    """Offer the volume to whoever knows the key that is returned with it. Raises BadRequest."""
    key = ctx.world.ids.bytes(KEY_BYTES).hex()
    async with ctx.transaction() as ctx:
        held = await volumes.hold(ctx, volume.id)
        if held.status != "available":
            raise volumes.invalid("status must be available")
        transfer_id = ctx.world.ids.uuid()
        transfer = Transfer(
            id=transfer_id,
            volume_id=volume.id,
            project_id=volume.project_id,
            name=name,
            digest=digest(transfer_id, key),
            no_snapshots=no_snapshots,
            created_at=ctx.now(),
        )
        await store.add(ctx, transfer)
        await volumes.set_status(ctx, held, "awaiting-transfer")
        await changed(ctx, KIND, "created", transfer_id, project_id=volume.project_id)
    return transfer, key


async def delete(ctx: Ctx, transfer: Transfer) -> None:
    """The volume stays where it is. May be repeated."""
    async with ctx.transaction() as ctx:
        if await store.remove(ctx, transfer.id):
            held = await volumes.hold(ctx, transfer.volume_id)
            if held.status == "awaiting-transfer":
                await volumes.set_status(ctx, held, "available")
            await changed(ctx, KIND, "deleted", transfer.id, project_id=transfer.project_id)


async def accept(ctx: Ctx, transfer_id: UUID, key: str) -> Transfer:
    """The volume is the caller's project's from now on. Raises NotFound, BadRequest, VolumeOverQuota."""
    project_id = ctx.caller.project_id
    if project_id is None:
        raise BadRequest("A volume belongs to a project: ask with a token for one.")
    async with ctx.transaction() as ctx:
        transfer = await store.find(ctx, transfer_id)
        volume = await volumes.find(ctx, transfer.volume_id) if transfer else None
        if transfer is None or volume is None:
            raise missing("transfer_id", transfer_id)
        if not hmac.compare_digest(transfer.digest, digest(transfer_id, key)):
            raise BadRequest(f"Invalid auth key: Attempt to transfer {transfer_id} with invalid auth key.")
        await _claim(ctx, volume, project_id, with_snapshots=not transfer.no_snapshots)
        await projects.hold(ctx, project_id)
        if not await store.remove(ctx, transfer_id):
            raise missing("transfer_id", transfer_id)
        held = await volumes.find_held(ctx, volume.id)
        if held is None or held.status != "awaiting-transfer":
            raise volumes.invalid(f"Transfer {transfer_id}: Volume id {volume.id} expected in state awaiting-transfer")
        await volumes.hand_over(ctx, held, project_id, ctx.caller.user_id)
        if not transfer.no_snapshots:
            await snapshots.hand_over(ctx, volume.id, project_id, ctx.caller.user_id)
        await changed(ctx, KIND, "deleted", transfer_id, project_id=transfer.project_id)
    return transfer


async def _claim(ctx: Ctx, volume: Volume, project_id: str, *, with_snapshots: bool) -> None:
    type_ = (await types.by_ids(ctx, [volume.type_id])).get(volume.type_id, types.DEFAULT)
    claims = quota.a_volume(type_, volume.size_gib)
    found = await snapshots.of_volume(ctx, volume.id) if with_snapshots else []
    if found:
        claims = quota.a_volume(type_, volume.size_gib + sum(each.size_gib for each in found))
        claims.append(Claim(SNAPSHOTS, len(found), snapshots.used()))
        claims.append(Claim(quota.of_type(SNAPSHOTS, type_), len(found), snapshots.used(type_)))
    await quota.claim(ctx, project_id, claims, size_gib=volume.size_gib)


class OfVolumes(Loose):
    """What transfers have to say when a volume shall go."""

    those = store.transfers.c.volume_id == VOLUME

    async def forget(self, ctx: Ctx, volume_id: UUID) -> None:
        await store.remove_of(ctx, volume_id)


volumes.part(OfVolumes())
