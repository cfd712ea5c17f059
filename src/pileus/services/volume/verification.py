"""What `pileus verify` looks at: the disks and exports that hosts have, the rows that name them, and what quotas count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from uuid import UUID

from pileus.engines.blocks import Blocks, Seen
from pileus.kernel import verify
from pileus.kernel.context import Ctx
from pileus.kernel.paging import one_by_one
from pileus.kernel.verify import Difference, Looking
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.attachments.service import Attachment
from pileus.services.volume.quota_sets import service as quota_sets
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes.service import Volume

STUCK = frozenset({"creating", "deleting", "extending", "downloading", "uploading", "retyping"})
LOST = "What was in it is not on that host: bring it back from a copy, or delete it."
STRAY = "No row has it: look at what is in it, then remove it from the host by hand."
AGAIN = "Detach it and attach it again."


class Told:
    """What rows want of the disks of each host, and what of that was seen by one round."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.named: dict[str, set[UUID]] = defaultdict(set)

    def differ(self, id_: UUID, host: str, wanted: object, found: object, way_out: str) -> Iterator[Difference]:
        """A thing that a row says to be on a host, and what that has of it."""
        self.named[host].add(id_)
        if found is None:
            cause = f"The rows say that it is there with {wanted}, and it is not. {way_out}"
        elif found != wanted:
            cause = f"The rows say {wanted}, and it is {found}. {way_out}"
        else:
            return
        yield Difference(subject=self.subject, subject_id=str(id_), cause=cause, host=host)

    def strays(self, host: str, there: Mapping[UUID, object]) -> Iterator[Difference]:
        """What a host has, and no row."""
        for id_ in there.keys() - self.named[host]:
            cause = f"It is there with {there[id_]}. {STRAY}"
            yield Difference(subject=self.subject, subject_id=str(id_), cause=cause, host=host)


def gib(size: int) -> str:
    return f"{size} GiB"


@verify.check("volume.volumes")
async def volumes_are_where_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Each volume is on its host, as large as its row says, and there is no other."""
    hosts: dict[str, Seen] = await looking.everywhere(Blocks.KIND)
    told = Told("volume")
    async for volume in one_by_one(volumes.in_pages(ctx)):
        if volume.host in hosts:
            disk = hosts[volume.host].volumes.get(volume.id)
            size_gib = max(volume.size_gib, disk.size_gib if disk and has_grown(volume) else 0)
            found = None if disk is None else gib(disk.size_gib)
            way_out = LOST if disk is None else "Extend it to what it is, or delete it."
            for each in told.differ(volume.id, volume.host, gib(size_gib), found, way_out):
                yield each
    for host, seen in hosts.items():
        for each in told.strays(host, {id_: gib(facts.size_gib) for id_, facts in seen.volumes.items()}):
            yield each


def has_grown(volume: Volume) -> bool:
    """Whether it may be larger than its row says: an extension came to nothing, and nobody shrinks a disk."""
    return volume.status == "error_extending"


@verify.check("volume.snapshots")
async def snapshots_are_where_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Each snapshot is on its host, but for those that were never taken, and there is no other."""
    hosts: dict[str, Seen] = await looking.everywhere(Blocks.KIND)
    told = Told("snapshot")
    async for snapshot in one_by_one(snapshots.in_pages(ctx)):
        told.named[snapshot.host].add(snapshot.id)
        if snapshot.host in hosts and snapshot.status != "error":
            of_volume = hosts[snapshot.host].snapshots.get(snapshot.id)
            found = None if of_volume is None else f"data of volume {of_volume}"
            wanted = f"data of volume {snapshot.volume_id}"
            for each in told.differ(snapshot.id, snapshot.host, wanted, found, LOST):
                yield each
    for host, seen in hosts.items():
        for each in told.strays(host, {id_: f"data of volume {of}" for id_, of in seen.snapshots.items()}):
            yield each


@verify.check("volume.exports")
async def exports_are_what_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """A host gives a volume away by each attachment that says how it is opened, and by no other."""
    hosts: dict[str, Seen] = await looking.everywhere(Blocks.KIND)
    told = Told("attachment")
    async for attachment, volume in one_by_one(attached(ctx)):
        if volume is None:
            cause = f"Its row says volume {attachment.volume_id}, and there is no such volume. Delete the attachment."
            yield Difference(subject="attachment", subject_id=str(attachment.id), cause=cause)
        elif volume.host in hosts and attachment.connection is not None:
            of_volume = hosts[volume.host].exports.get(attachment.id)
            found = None if of_volume is None else f"volume {of_volume}"
            for each in told.differ(attachment.id, volume.host, f"volume {volume.id}", found, AGAIN):
                yield verify.beside(each, volume.id, attachment.server_id)
    for host, seen in hosts.items():
        for each in told.strays(host, {id_: f"volume {of}" for id_, of in seen.exports.items()}):
            attachment_id = UUID(each.subject_id)
            mine = (await attachments.by_ids(ctx, [attachment_id])).get(attachment_id)
            yield verify.beside(each, seen.exports[attachment_id], mine.server_id if mine else None)


async def attached(ctx: Ctx) -> AsyncIterator[list[tuple[Attachment, Volume | None]]]:
    """All attachments with their volumes, some at a time."""
    async for some in attachments.in_pages(ctx):
        known = await volumes.by_ids(ctx, {each.volume_id for each in some})
        yield [(each, known.get(each.volume_id)) for each in some]


@verify.check("volume.states")
async def states_are_what_attachments_and_operations_make(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """A volume that is used has attachments, one that is available has none, and what is being done to it is being done."""
    async for some in volumes.in_pages(ctx):
        uses = await attachments.of_volumes(ctx, [volume.id for volume in some])
        for volume, cause in [(each, cause) for each in some for cause in unlikely(each, uses[each.id])]:
            found = Difference(subject="volume", subject_id=str(volume.id), cause=cause, host=volume.host)
            yield verify.beside(found, *(id_ for each in uses[volume.id] for id_ in (each.id, each.server_id)))
    async for snapshot in one_by_one(snapshots.in_pages(ctx)):
        if snapshot.status in STUCK:
            yield Difference(subject="snapshot", subject_id=str(snapshot.id), cause=idle(snapshot.status))


def unlikely(volume: Volume, attached: Sequence[Attachment]) -> Iterator[str]:
    way_out = "Reset its state to what it is."
    if volume.status in STUCK:
        yield idle(volume.status)
    if volume.status == "in-use" and not attached:
        yield f"The row says in-use, and nobody has it attached. {way_out}"
    if volume.status == "available" and any(each.status in ("attached", "detaching") for each in attached):
        yield f"The row says available, and {len(attached)} have it attached. {way_out}"


def idle(status: str) -> str:
    return f"The row says {status}, and no operation is at work on it. Reset its state, or delete it."


@verify.check("volume.quotas")
async def quotas_count_what_is_there(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Of each project: quotas count the volumes, snapshots and GiB that there are, on disks where there are disks."""
    hosts: dict[str, Seen] = await looking.everywhere(Blocks.KIND)
    there: dict[str, dict[str, int]] = defaultdict(lambda: {"volumes": 0, "snapshots": 0, "gigabytes": 0})
    odd: dict[str, list[UUID]] = defaultdict(list)
    async for volume in one_by_one(volumes.in_pages(ctx)):
        disk = hosts[volume.host].volumes.get(volume.id) if volume.host in hosts else None
        size_gib = volume.size_gib if disk is None or has_grown(volume) else disk.size_gib
        if size_gib != volume.target_gib:
            odd[volume.project_id].append(volume.id)
        _add(there[volume.project_id], "volumes", size_gib)
    async for snapshot in one_by_one(snapshots.in_pages(ctx)):
        _add(there[snapshot.project_id], "snapshots", snapshot.size_gib)
    for project_id, amounts in sorted(there.items()):
        counted = await quota_sets.used_by(ctx, project_id)
        for name, amount in amounts.items():
            if counted[name] != amount:
                cause = (
                    f"Its quota counts {counted[name]} of {name}, and there are {amount}: the other checks say which."
                )
                found = Difference(subject="project", subject_id=project_id, cause=cause)
                yield verify.beside(found, *odd[project_id])


def _add(amounts: dict[str, int], kind: str, size_gib: int) -> None:
    amounts[kind] += 1
    amounts["gigabytes"] += size_gib
