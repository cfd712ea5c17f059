"""/v3/snapshots"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotImplementedHere
from pileus.kernel.http import Body, Here, Query
from pileus.services.volume.http import Flag, Name, Pairs, api, flag, is_admin, missing, own_project, time
from pileus.services.volume.lists import asked, document
from pileus.services.volume.snapshots import service
from pileus.services.volume.snapshots.service import Snapshot, Wanted

ONE = "/v3/snapshots/{snapshot_id}"
ACTION = f"{ONE}/action"
STATUSES = Literal["available", "creating", "deleting", "error", "error_deleting", "backing-up"]
FILTERS = frozenset({"name", "status", "volume_id", "availability_zone"})
SINCE = {"metadata": "3.22", "consumes_quota": "3.65"}
FORCED = (
    "Since microversion 3.66 the 'force' flag is invalid for this request.  For backward compatability, however, when the "
    "'force' flag is passed with a value evaluating to True, it is silently ignored."
)
CHANGES = {"creating": {"creating", "available", "error"}, "deleting": {"deleting", "error_deleting"}}


class CreateSnapshot(Body, frozen=True):
    volume_id: UUID | None
    name: Name = None
    display_name: Name = None
    description: Name = None
    force: Flag | None = None
    metadata: Pairs | None = None


class ChangeSnapshot(Body, frozen=True):
    name: Name | UnsetType = UNSET
    display_name: Name | UnsetType = UNSET
    description: Name | UnsetType = UNSET
    display_description: Name | UnsetType = UNSET


class Reset(Body, frozen=True):
    status: STATUSES


class Update(Body, frozen=True):
    status: STATUSES
    progress: Annotated[str, Meta(pattern=r"^([1-9]?[0-9]|100)%$")] | None = None


def summary(snapshot: Snapshot, pairs: dict[str, str]) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "description": snapshot.description,
        "created_at": time(snapshot.created_at),
        "updated_at": time(snapshot.updated_at),
        "volume_id": snapshot.volume_id,
        "status": snapshot.status,
        "size": snapshot.size_gib,
        "metadata": pairs,
    }


def detail(ctx: Ctx, snapshot: Snapshot, pairs: dict[str, str], *, extended: bool = True) -> dict[str, Any]:
    """`extended`: with what an extension of the first version adds, which the answer to a change does not have."""
    said = summary(snapshot, pairs)
    target = {"project_id": snapshot.project_id}
    if extended and ctx.world.policy.allows("volume_extension:extended_snapshot_attributes", ctx.caller, target):
        said |= {
            "os-extended-snapshot-attributes:project_id": snapshot.project_id,
            "os-extended-snapshot-attributes:progress": snapshot.progress,
        }
    if ctx.at("3.14"):
        said["group_snapshot_id"] = None
    if ctx.at("3.41"):
        said["user_id"] = snapshot.user_id
    if ctx.at("3.65"):
        said["consumes_quota"] = True
    return said


async def shown(ctx: Ctx, snapshot: Snapshot, *, extended: bool = False) -> dict[str, Any]:
    return detail(ctx, snapshot, await service.METADATA.of(ctx, snapshot.id), extended=extended)


async def listed(ctx: Ctx, query: Query, here: Here, *, in_detail: bool) -> dict[str, Any]:
    known = FILTERS | {name for name, version in SINCE.items() if ctx.at(version)}
    wish = asked(ctx, query, service.LISTED.names if is_admin(ctx) else known, lenient=is_admin(ctx))
    found = await service.page(ctx, wish)
    pairs = await service.METADATA.of_all(ctx, [each.id for each in found.items])
    if in_detail:
        return document(here, "snapshots", found, lambda each: detail(ctx, each, pairs[each.id]))
    return document(here, "snapshots", found, lambda each: summary(each, pairs[each.id]))


@api.get("/v3/snapshots", rule="volume:get_all_snapshots")
async def list_snapshots(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, in_detail=False)


@api.get("/v3/snapshots/detail", rule="volume:get_all_snapshots")
async def list_snapshots_in_detail(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, in_detail=True)


@api.post("/v3/snapshots", rule="volume:create_snapshot", wrap="snapshot", status=202)
async def create_snapshot(ctx: Ctx, body: CreateSnapshot) -> dict[str, Any]:
    ctx.require(own_project(ctx))
    if body.volume_id is None:
        raise missing("volume_id", None)
    force = body.force is not None and flag("force", body.force)
    if body.force is not None and not force and ctx.at("3.66"):
        raise BadRequest(FORCED)
    wanted = Wanted(
        volume_id=body.volume_id,
        name=stripped(body.display_name if body.name is None else body.name),
        description=stripped(body.description),
        metadata=body.metadata or {},
        in_use=force or ctx.at("3.66"),
    )
    return await shown(ctx, await service.create(ctx, wanted))


def stripped(text: str | None) -> str | None:
    return None if text is None else text.strip()


async def own(ctx: Ctx, snapshot_id: UUID) -> Snapshot:
    """The snapshot, for who may do with it what the route's rule says. Raises NotFound, Forbidden."""
    snapshot = await service.get(ctx, snapshot_id)
    ctx.require({"project_id": snapshot.project_id})
    return snapshot


@api.get(ONE, rule="volume:get_snapshot", wrap="snapshot")
async def show_snapshot(ctx: Ctx, snapshot_id: UUID) -> dict[str, Any]:
    return await shown(ctx, await own(ctx, snapshot_id), extended=True)


@api.put(ONE, rule="volume:update_snapshot", wrap="snapshot")
async def change_snapshot(ctx: Ctx, snapshot_id: UUID, body: ChangeSnapshot) -> dict[str, Any]:
    snapshot = await own(ctx, snapshot_id)
    sent = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
    if not sent:
        raise BadRequest("Invalid input for snapshot: it names nothing that shall change.")
    columns = {name.removeprefix("display_"): stripped(value) for name, value in sent.items()}
    return await shown(ctx, await service.change(ctx, snapshot, columns))


@api.delete(ONE, rule="volume:delete_snapshot", status=202)
async def delete_snapshot(ctx: Ctx, snapshot_id: UUID) -> None:
    await service.delete(ctx, (await own(ctx, snapshot_id)).id)


@api.action(ACTION, "os-force_delete", rule="volume_extension:snapshot_admin_actions:force_delete")
async def force_delete_snapshot(ctx: Ctx, snapshot_id: UUID, body: Any = None) -> None:
    await service.delete(ctx, (await own(ctx, snapshot_id)).id, force=True)


@api.action(ACTION, "os-reset_status", rule="volume_extension:snapshot_admin_actions:reset_status")
async def reset_snapshot(ctx: Ctx, snapshot_id: UUID, body: Reset) -> None:
    await service.reset(ctx, await own(ctx, snapshot_id), body.status)


@api.action(ACTION, "os-update_snapshot_status", rule="snapshot_extension:snapshot_actions:update_snapshot_status")
async def update_snapshot_status(ctx: Ctx, snapshot_id: UUID, body: Update) -> None:
    snapshot = await own(ctx, snapshot_id)
    if snapshot.status not in CHANGES:
        raise BadRequest(f"Snapshot status {snapshot.status} not allowed for update_snapshot_status")
    if body.status not in CHANGES[snapshot.status]:
        raise BadRequest(
            f"Provided snapshot status {body.status} not allowed for snapshot with status {snapshot.status}."
        )
    await service.reset(ctx, snapshot, body.status, body.progress)


@api.action(ACTION, "os-unmanage", rule="snapshot_extension:snapshot_unmanage")
async def unmanage_snapshot(ctx: Ctx, snapshot_id: UUID, body: Any = None) -> None:
    await own(ctx, snapshot_id)
    raise NotImplementedHere("Snapshots cannot be taken out of this cloud's hands: delete it, or keep it.")
