"""What an attachment goes through, step by step: rows, and what its volume's host is told. Entered by service.py."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from pileus.engines.blocks import Export
from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict
from pileus.kernel.operations import Op
from pileus.services.volume.attachments import store
from pileus.services.volume.attachments.store import Attachment
from pileus.services.volume.http import missing
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes.service import Volume

KIND = "volume.attachment"
WAYS = {"attached": "in-use", "detaching": "detaching", "attaching": "attaching", "reserved": "reserved"}
"""The status of a volume by that of its attachments; the first that one of them has."""


async def of_volume(ctx: Ctx, volume_id: UUID) -> list[Attachment]:
    """Those of one volume, oldest first."""
    return (await store.of_volumes(ctx, [volume_id]))[volume_id]


async def reserve(
    ctx: Ctx,
    volume_id: UUID,
    *,
    server_id: UUID | None = None,
    mode: str | None = None,
    attachment_id: UUID | None = None,
) -> Attachment:
    """Claim the volume for somebody, in the caller's transaction: from now on nobody else attaches it, unless it may be
    attached several times. Raises NotFound, BadRequest."""
    async with ctx.transaction() as ctx:
        volume = await volumes.hold(ctx, volume_id)
        if "error" in volume.status:
            raise volumes.invalid(
                f"Volume attachments can not be created if the volume is in an error state. The Volume {volume.id} "
                f"currently has a status of: {volume.status} "
            )
        others = await of_volume(ctx, volume_id)
        expected = ["available", "in-use", "downloading"] if volume.multiattach else ["available", "downloading"]
        again = server_id is not None and any(each.server_id == server_id for each in others)
        if others and volume.status == "downloading":  # for a server that has it made anew
            expected.remove("downloading")
        if volume.status not in expected and not (again and volume.status in {"in-use", "reserved"}):
            raise volumes.invalid(
                f"Volume {volume.id} status must be {words(expected)} to reserve, but the current status is "
                f"{volume.status}."
            )
        attachment = Attachment(
            id=attachment_id or ctx.world.ids.uuid(),
            volume_id=volume_id,
            project_id=volume.project_id,
            server_id=server_id,
            mode="ro" if volume.read_only else mode or "rw",
            created_at=ctx.now(),
        )
        await store.add(ctx, attachment)
        await volumes.set_status(ctx, volume, "reserved")
        await changed(ctx, KIND, "created", attachment.id, project_id=volume.project_id)
    return attachment


def words(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


async def connect(op: Op, attachment_id: UUID, host: str, *, also: str | None = None) -> Any:
    """In a step that acts: that host may open the volume, and nobody else but `also`, as before. Done with the facts of its
    Connection, Going or Failed."""
    attachment, volume = await _both(op.ctx, attachment_id)
    if volume.host is None:
        raise Conflict(f"Volume {volume.id} is on no host.")
    read_only = attachment.mode == "ro"
    export = Export(id=attachment_id, volume_id=volume.id, host=host, read_only=read_only, also=also)
    return await op.engine("blocks", volume.host).ensure_exported(export)


async def _both(ctx: Ctx, attachment_id: UUID) -> tuple[Attachment, Volume]:
    """Raises NotFound."""
    attachment = await store.find(ctx, attachment_id)
    volume = await volumes.find(ctx, attachment.volume_id) if attachment else None
    if attachment is None or volume is None:
        raise missing("attachment_id", attachment_id)
    return attachment, volume


async def disconnect(op: Op, attachment_id: UUID) -> Any:
    """In an undo, or a step of a deletion: no host may open the volume by this attachment. A debt, if its host is down."""
    attachment = await store.find(op.ctx, attachment_id)
    volume = await volumes.find(op.ctx, attachment.volume_id) if attachment else None
    if volume is None or volume.host is None:
        return None
    return await op.settle(volume.host, "blocks", "ensure_unexported", attachment_id)


async def connected(ctx: Ctx, attachment_id: UUID, host: str, connector: dict[str, Any], facts: Any) -> None:
    """In a rows step: note from where the volume is used, and how it is opened there."""
    attachment, volume = await _both(ctx, attachment_id)
    noted: dict[str, Any] = {"host": host, "connector": connector, "connection": facts}
    if connector.get("mountpoint"):
        noted["mountpoint"] = str(connector["mountpoint"])[:255]
    await store.change(ctx, attachment_id, status="attaching", **noted)
    await _tell(ctx, attachment)
    held = await volumes.hold(ctx, volume.id)
    if held.status == "reserved":
        await volumes.set_status(ctx, held, "attaching")


async def complete(
    ctx: Ctx, attachment_id: UUID, *, mountpoint: str | None = None, host: str | None = None, connection: Any = None
) -> None:
    """In a rows step, or a transaction: the volume is in use, once what is done to it just now is done. What is None stays as
    it was noted. Raises NotFound."""
    async with ctx.transaction() as ctx:
        attachment, volume = await _both(ctx, attachment_id)
        given = {"mountpoint": mountpoint, "host": host, "connection": connection}
        noted = {name: value for name, value in given.items() if value is not None}
        await store.change(ctx, attachment_id, status="attached", attached_at=ctx.now(), **noted)
        await _tell(ctx, attachment)
        await settle_status(ctx, volume.id)


async def _tell(ctx: Ctx, attachment: Attachment) -> None:
    await changed(ctx, KIND, "updated", attachment.id, project_id=attachment.project_id)


async def begin_detaching(ctx: Ctx, attachment_id: UUID) -> None:
    """In the request's transaction: the volume is about to be detached. Raises NotFound, BadRequest."""
    async with ctx.transaction() as ctx:
        attachment, volume = await _both(ctx, attachment_id)
        held = await volumes.hold(ctx, volume.id)
        if held.status != "in-use" or attachment.status != "attached":
            raise volumes.invalid(
                f"Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach. "
                f"It is {held.status}, and {attachment.status}."
            )
        await store.change(ctx, attachment_id, status="detaching")
        await _tell(ctx, attachment)
        await volumes.set_status(ctx, held, "detaching")


async def roll_detaching(ctx: Ctx, attachment_id: UUID) -> None:
    """It stays attached after all. Accepts that nothing was begun."""
    async with ctx.transaction() as ctx:
        attachment = await store.find(ctx, attachment_id)
        if attachment is None or attachment.status != "detaching":
            return
        await store.change(ctx, attachment_id, status="attached")
        await _tell(ctx, attachment)
        held = await volumes.hold(ctx, attachment.volume_id)
        if held.status == "detaching":
            await volumes.set_status(ctx, held, "in-use")


async def release(ctx: Ctx, attachment_id: UUID) -> None:
    """In a rows step: the attachment is gone, and the volume what its other attachments make of it. May be repeated."""
    async with ctx.transaction() as ctx:
        attachment = await store.find(ctx, attachment_id)
        if attachment is None:
            return
        volume = await volumes.find(ctx, attachment.volume_id)
        await store.remove(ctx, attachment_id)
        await changed(ctx, KIND, "deleted", attachment_id, project_id=attachment.project_id)
        if volume is not None:
            await settle_status(ctx, volume.id, mended=True)


async def settle_status(ctx: Ctx, volume_id: UUID, *, mended: bool = False) -> None:
    """The status of a volume after one of its attachments has come or gone; while something is done to it, that which it
    goes back to. `mended`: one that had an error then has none."""
    async with ctx.transaction() as ctx:
        held = await volumes.hold(ctx, volume_id)
        left = {each.status for each in await of_volume(ctx, volume_id)}
        status = next((way for status, way in WAYS.items() if status in left), "available")
        if held.status in {"available", *WAYS.values()} or (
            mended and held.status == "error" and held.previous_status is None
        ):
            await volumes.set_status(ctx, held, status)
        elif held.previous_status in WAYS.values():
            await volumes.set_status(ctx, held, held.status, previous_status=status)


async def set_aside(ctx: Ctx, attachment_id: UUID, snapshot_id: UUID | None) -> None:
    """In the transaction that starts an operation which makes the volume anew for the only server that uses it: nothing else
    is done to it meanwhile. `snapshot_id`: what it will be made of, if it is one.

    Raises NotFound; BadRequest unless it is in use; Conflict when others use it, too."""
    _, volume = await _both(ctx, attachment_id)
    if volume.status != "in-use":
        raise volumes.invalid(f"Volume {volume.id} status must be in-use, and it is {volume.status}.")
    await volumes.begin_filling(ctx, volume, "downloading", snapshot_id)
    if len(await of_volume(ctx, volume.id)) > 1:  # nobody comes along any more: the row is held
        raise Conflict("Cannot re-image a volume which is attached to more than one server.")


async def opened_again(ctx: Ctx, attachment_id: UUID, connection: Any) -> None:
    """In a transaction: the host has the volume by this connection now. Raises NotFound."""
    attachment, _ = await _both(ctx, attachment_id)
    await store.change(ctx, attachment_id, connection=connection)
    await _tell(ctx, attachment)


async def attach_at_once(ctx: Ctx, volume: Volume, attachment: Attachment) -> None:
    """Note what somebody says who has attached it by other means: an older client. Raises BadRequest."""
    async with ctx.transaction() as ctx:
        held = await volumes.hold(ctx, volume.id)
        if held.status not in {"available", "attaching", "reserved"} and not (
            held.multiattach and held.status == "in-use"
        ):
            raise volumes.invalid(
                f"Volume {volume.id} status must be 'available' or 'attaching' to attach, currently {held.status}."
            )
        if held.read_only and attachment.mode == "rw":
            raise volumes.invalid(f"Invalid attaching mode 'rw' for volume {volume.id}.")
        waiting = [each for each in await of_volume(ctx, volume.id) if each.status in {"reserved", "attaching"}]
        if waiting:
            noted = ("server_id", "status", "mode", "mountpoint", "attached_at")
            await store.change(ctx, waiting[0].id, **{name: getattr(attachment, name) for name in noted})
            await _tell(ctx, waiting[0])
        else:
            await store.add(ctx, attachment)
            await changed(ctx, KIND, "created", attachment.id, project_id=volume.project_id)
        await volumes.set_status(ctx, held, "in-use")


async def begin(ctx: Ctx, volume: Volume) -> Attachment:
    """An attachment of an older client, which has said os-reserve or says nothing before it connects. Raises BadRequest."""
    async with ctx.transaction() as ctx:
        held = await volumes.hold(ctx, volume.id)
        if held.status not in {"available", "attaching", "in-use"}:
            raise volumes.invalid(f"Volume {volume.id} cannot be connected: its status is {held.status}.")
        attachment = Attachment(
            id=ctx.world.ids.uuid(), volume_id=volume.id, project_id=volume.project_id, created_at=ctx.now()
        )
        await store.add(ctx, attachment)
        await changed(ctx, KIND, "created", attachment.id, project_id=volume.project_id)
    return attachment


async def move(ctx: Ctx, volume: Volume, expected: Sequence[str], status: str, otherwise: str) -> None:
    """From one status to the next. Raises BadRequest, whose words have room for what is expected and what is."""
    async with ctx.transaction() as ctx:
        held = await volumes.hold(ctx, volume.id)
        if held.status not in expected:
            raise volumes.invalid(otherwise.format(words(expected), held.status))
        await volumes.set_status(ctx, held, status)


def by_id(attachments: Collection[Attachment], attachment_id: UUID | None) -> Attachment | None:
    """The one that is meant; without an id, the only one. Raises BadRequest when that is not said."""
    if attachment_id is None and len(attachments) > 1:
        raise BadRequest(
            "Invalid volume: Detach volume failed: More than one attachment, but no attachment_id provided."
        )
    return next((each for each in attachments if attachment_id in (None, each.id)), None)
