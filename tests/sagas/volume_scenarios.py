"""How each operation of Block Storage starts, and where it ends."""

from __future__ import annotations

from collections import Counter
from uuid import UUID, uuid4

import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.kernel import hosts
from pileus.kernel.context import Caller, Ctx
from pileus.kernel.operations import Worker
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.volume import images
from pileus.services.volume.attachments import sagas as attachment_sagas
from pileus.services.volume.attachments import service as attachments
from pileus.services.volume.attachments.store import attachments as attachment_table
from pileus.services.volume.snapshots import sagas as snapshot_sagas
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.snapshots.store import snapshots as snapshot_table
from pileus.services.volume.volumes import sagas, service
from pileus.services.volume.volumes.service import Wanted
from pileus.services.volume.volumes.store import volumes as volume_table
from sagas.scenario import Scenario, Snapshot

PROJECT = "block storage"
CONNECTOR = {"host": "h1"}


async def seen(world: DemoWorld) -> dict[str, str]:
    """Rows, and what hosts hold."""
    found: dict[str, str] = {}
    volumes = volume_table.c
    async with world.db.read() as read:
        for name, query in (
            ("blocks", sa.select(volumes.status + " " + sa.cast(volumes.size_gib, sa.Text))),
            ("snapshot", sa.select(snapshot_table.c.status)),
            ("attachment", sa.select(attachment_table.c.status)),
        ):
            found[name] = ", ".join(sorted((await read.execute(query)).scalars()))
    held: Counter[str] = Counter()
    for host in ("h1", "h2"):
        facts = await world.blocks(host).observe()
        held.update({"volume": len(facts.volumes), "snapshot": len(facts.snapshots), "export": len(facts.exports)})
    found["held"] = ", ".join(f"{n} {what}" for what, n in sorted(held.items()) if n)
    return found


async def member(world: DemoWorld) -> Ctx:
    """A member of a project, with hosts that may be used."""
    ctx = world.ctx()
    await hosts.ensure_local(ctx, {"h1": {}, "h2": {}})
    found = await projects.named(ctx, PROJECT)
    if found is None:
        async with ctx.transaction() as writing:
            await revision.begin(writing)
        found = await projects.create(ctx, PROJECT, parent_id=None, domain_id=None, facts={})
    caller = Caller(user_id="u" * 32, project_id=found.id, roles=frozenset({"member", "reader"}))
    return world.ctx(caller)


async def create_volume(world: DemoWorld) -> UUID:
    volume, _ = await service.create(await member(world), Wanted(size_gib=1))
    return volume.id


async def existing(world: DemoWorld) -> tuple[Ctx, service.Volume]:
    volume_id = await create_volume(world)
    await Worker(world.ctx()).drain()
    ctx = await member(world)
    return ctx, await service.get(ctx, volume_id)


async def delete_volume(world: DemoWorld) -> UUID:
    """One that is reserved for somebody, and has a snapshot that goes along."""
    ctx, volume = await existing(world)
    await snapshots.create(ctx, snapshots.Wanted(volume_id=volume.id))
    await Worker(world.ctx()).drain()
    await service.delete(ctx, volume.id, cascade=True)
    return volume.id


async def extend_volume(world: DemoWorld) -> UUID:
    ctx, volume = await existing(world)
    await service.extend(ctx, volume, 2, in_use=False)
    return volume.id


async def refill_volume(world: DemoWorld) -> UUID:
    ctx, volume = await existing(world)
    snapshot = await snapshots.create(ctx, snapshots.Wanted(volume_id=volume.id))
    await Worker(world.ctx()).drain()
    await service.revert(ctx, await service.get(ctx, volume.id), snapshot.id)
    return volume.id


async def upload_volume(world: DemoWorld) -> UUID:
    ctx, volume = await existing(world)
    image_id = await images.create_for(ctx, {"name": "copy", "disk_format": "raw", "container_format": "bare"})
    await service.upload(ctx, volume, image_id, "raw")
    return volume.id


async def create_snapshot(world: DemoWorld) -> UUID:
    ctx, volume = await existing(world)
    return (await snapshots.create(ctx, snapshots.Wanted(volume_id=volume.id))).id


async def delete_snapshot(world: DemoWorld) -> UUID:
    snapshot_id = await create_snapshot(world)
    await Worker(world.ctx()).drain()
    await snapshots.delete(await member(world), snapshot_id)
    return snapshot_id


async def connect_attachment(world: DemoWorld) -> UUID:
    ctx, volume = await existing(world)
    attachment = await attachments.reserve(ctx, volume.id, server_id=uuid4())
    async with ctx.transaction() as writing:
        start = attachment_sagas.connect_attachment.start
        await start(writing, attachment.id, host="h1", connector=CONNECTOR)
    return attachment.id


async def delete_attachment(world: DemoWorld) -> UUID:
    attachment_id = await connect_attachment(world)
    await Worker(world.ctx()).drain()
    async with (await member(world)).transaction() as writing:
        await attachment_sagas.delete_attachment.supersede(writing, attachment_id)
    return attachment_id


BASE: Snapshot = {}
AVAILABLE: Snapshot = {**BASE, "blocks": "available 1", "held": "1 volume"}
WITH_SNAPSHOT: Snapshot = {**BASE, "blocks": "available 1", "snapshot": "available", "held": "1 snapshot, 1 volume"}
RESERVED: Snapshot = {**BASE, "blocks": "reserved 1", "attachment": "reserved", "held": "1 volume"}

VOLUME_SCENARIOS = [
    Scenario(sagas.create_volume, create_volume, done=AVAILABLE, undone={**BASE, "blocks": "error 1"}),
    Scenario(sagas.delete_volume, delete_volume, done=BASE),
    Scenario(
        sagas.extend_volume,
        extend_volume,
        done={**AVAILABLE, "blocks": "available 2"},
        undone={**AVAILABLE, "blocks": "error_extending 1"},
    ),
    Scenario(sagas.refill_volume, refill_volume, done=WITH_SNAPSHOT, undone=WITH_SNAPSHOT),
    Scenario(sagas.upload_volume, upload_volume, done={**AVAILABLE, "image": "queued"}, undone=AVAILABLE),
    Scenario(
        snapshot_sagas.create_snapshot,
        create_snapshot,
        done=WITH_SNAPSHOT,
        undone={**AVAILABLE, "snapshot": "error"},
    ),
    Scenario(snapshot_sagas.delete_snapshot, delete_snapshot, done=AVAILABLE),
    Scenario(
        attachment_sagas.connect_attachment,
        connect_attachment,
        done={**BASE, "blocks": "attaching 1", "attachment": "attaching", "held": "1 export, 1 volume"},
        undone=RESERVED,
    ),
    Scenario(attachment_sagas.delete_attachment, delete_attachment, done=AVAILABLE),
]
