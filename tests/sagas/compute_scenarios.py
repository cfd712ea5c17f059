"""How each operation of Compute starts, and where it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.engines.hearing import tell
from pileus.engines.hypervisor import Power
from pileus.engines.hypervisor.sim import SIZE
from pileus.engines.verbs import Change, Done
from pileus.kernel import hosts
from pileus.kernel.context import Ctx
from pileus.kernel.operations import Saga, Worker
from pileus.services.compute.flavors.service import Flavor
from pileus.services.compute.servers import (
    actions,
    attaching,
    imaging,
    rebuilding,
    sagas,
    sagas_attach,
    sagas_disks,
    sagas_image,
    sagas_reimage,
    service,
    store,
)
from pileus.services.compute.servers import sagas_power as power
from pileus.services.compute.servers.attaching import WantedVolume
from pileus.services.compute.servers.rules import ImageFacts
from pileus.services.compute.servers.store import Device, NicRow, Server
from pileus.services.compute.servers.store import nics as nic_table
from pileus.services.compute.servers.store import servers as server_table
from pileus.services.image.images import service as images
from pileus.services.image.images.store import images as image_table
from pileus.services.placement.allocations.store import allocations as allocation_table
from pileus.services.volume.volumes import service as volumes
from pileus.services.volume.volumes.service import Wanted
from sagas.scenario import Scenario, Snapshot
from sagas.volume_scenarios import member

SAID = {"described": {"hypervisor": msgspec.to_builtins(SIZE)}}
SMALL = Flavor(id="s", name="small", memory_mib=64, vcpus=1, disk_gib=1)
LARGE = Flavor(id="l", name="large", memory_mib=128, vcpus=2, disk_gib=2)


async def seen(world: DemoWorld) -> dict[str, str]:
    """Servers and where they are, their NICs, what Placement has promised, what hosts hold of them, and images."""
    found: dict[str, str] = {}
    row = server_table.c
    state = (
        row.vm_state + sa.func.coalesce(" " + row.task_state, "") + sa.case((row.host.is_(None), ""), else_=" placed")
    )
    async with world.db.read() as read:
        for name, query in (
            ("server", sa.select(state).where(row.deleted_at.is_(None))),
            ("shaper", sa.select(sa.cast(row.shaper, sa.Text)).where(row.shaper.is_not(None))),
            ("nic", sa.select(sa.case((nic_table.c.plugged, "plugged"), else_=""))),
            ("image", sa.select(image_table.c.status).where(image_table.c.status != "deleted")),
        ):
            found[name] = ", ".join(sorted((await read.execute(query)).scalars()))
        promised = sa.select(allocation_table.c.resource_class, sa.func.sum(allocation_table.c.used))
        rows = (await read.execute(promised.group_by(allocation_table.c.resource_class))).all()
    found["promised"] = ", ".join(f"{int(amount)} {name}" for name, amount in sorted(rows) if amount)
    disks: Counter[str] = Counter()
    for host in ("h1", "h2"):
        for facts in (await world.hypervisor(host).observe()).values():
            disks.update([*(name for name in facts.disks if name != "root"), *("volume" for _ in facts.volumes)])
    found["guest"] = ", ".join(f"{n} {what}" for what, n in sorted(disks.items()))
    return found


async def owner(world: DemoWorld) -> Ctx:
    ctx = await member(world)
    await hosts.ensure_local(world.ctx(), {"h1": SAID, "h2": SAID})
    return ctx


async def create_server(world: DemoWorld) -> UUID:
    """With a disk of its own, and a volume that is made for it and goes with it."""
    ctx = await owner(world)
    return (await new_server(ctx, volume=True)).id


async def new_server(ctx: Ctx, *, volume: bool, local: bool = True) -> Server:
    server = Server(
        id=ctx.world.ids.uuid(),
        project_id=ctx.caller.project_id or "",
        user_id=ctx.caller.user_id,
        name="web",
        hostname="web",
        task_state="scheduling",
        flavor_id=SMALL.id,
        flavor=SMALL,
        vcpus=SMALL.vcpus,
        memory_mib=SMALL.memory_mib,
        image=ImageFacts(),
        reservation_id="r-1",
        created_at=ctx.now(),
        updated_at=ctx.now(),
    )
    facts = {"server_id": server.id, "boot_index": None}
    devices = []
    if local:
        made = {"source": "image", "destination": "local", "size_gib": 1}
        devices.append(Device(id=ctx.world.ids.uuid(), position=0, **made, **facts))
    if volume:
        made = {"source": "blank", "destination": "volume", "size_gib": 1, "delete_with_server": True}
        devices.append(
            Device(id=ctx.world.ids.uuid(), position=1, **made, **facts | {"boot_index": None if local else 0})
        )
    async with ctx.transaction() as writing:
        await sagas.create_server.start(writing, server.id, host=None, forced=False)
        await store.add(writing, [server])
        await store.add_devices(writing, devices)
    return server


async def existing(world: DemoWorld, *before: str, volume: bool = False) -> tuple[Ctx, Server]:
    """One that runs, after these actions."""
    ctx = await owner(world)
    server = await new_server(ctx, volume=volume)
    await Worker(world.ctx()).drain()
    for name in before:
        await actions.simple(ctx, await now(ctx, server), name)
        await Worker(world.ctx()).drain()
    return ctx, await now(ctx, server)


async def now(ctx: Ctx, server: Server) -> Server:
    found = await store.find(ctx, server.id)
    assert found is not None
    return found


async def again(world: DemoWorld, server_id: UUID) -> tuple[Ctx, Server]:
    """It as it is now, for its owner."""
    ctx = await owner(world)
    found = await store.find(ctx, server_id)
    assert found is not None
    return ctx, found


def went_off(*, volume: bool = False, **more: bool) -> Callable[[DemoWorld], Awaitable[UUID]]:
    """By itself, or with what more is told."""

    async def begin(world: DemoWorld) -> UUID:
        ctx, server = await existing(world, volume=volume)
        await world.hypervisor("h1").ensure_power(server.id, Power.OFF, fence=0)
        await tell(ctx, [Change("hypervisor", "power", str(server.id), Done(facts={"power": "off", **more}))])
        return server.id

    return begin


async def delete_server(world: DemoWorld) -> UUID:
    server_id = await create_server(world)
    await Worker(world.ctx()).drain()
    ctx, server = await again(world, server_id)
    await service.delete(ctx, server)
    return server_id


def acted(name: str, *before: str) -> Callable[[DemoWorld], Awaitable[UUID]]:
    async def begin(world: DemoWorld) -> UUID:
        ctx, server = await existing(world, *before)
        await actions.simple(ctx, server, name)
        return server.id

    return begin


async def resize_server(world: DemoWorld) -> UUID:
    ctx, server = await existing(world)
    await begun(ctx, server, sagas_disks.resize_server, {}, flavor=LARGE, flavor_id=LARGE.id, old_flavor=SMALL)
    return server.id


async def begun(ctx: Ctx, server: Server, saga: Saga, memo: dict[str, Any], **columns: Any) -> None:
    async with ctx.transaction() as writing:
        await saga.start(writing, server.id, **memo)
        await store.change(writing, server.id, task_state="busy", **columns)


def decided(move: Callable[[DemoWorld], Awaitable[UUID]], name: str) -> Callable[[DemoWorld], Awaitable[UUID]]:
    """After what leaves a server between two: confirmed, or taken back."""

    async def begin(world: DemoWorld) -> UUID:
        server_id = await move(world)
        await Worker(world.ctx()).drain()
        ctx, server = await again(world, server_id)
        await actions.simple(ctx, server, name)
        return server_id

    return begin


async def rebuild_server(world: DemoWorld) -> UUID:
    ctx, server = await existing(world)
    memo = {"new": ImageFacts(name="new"), "old": server.image, "edition": server.edition}
    await begun(ctx, server, sagas_disks.rebuild_server, memo)
    return server.id


async def rescue_server(world: DemoWorld) -> UUID:
    ctx, server = await existing(world)
    await begun(ctx, server, sagas_disks.rescue_server, {"new": ImageFacts(name="rescue"), "old": None})
    return server.id


async def unrescue_server(world: DemoWorld) -> UUID:
    server_id = await rescue_server(world)
    await Worker(world.ctx()).drain()
    ctx, server = await again(world, server_id)
    await actions.unrescue(ctx, server)
    return server_id


async def create_image(world: DemoWorld) -> UUID:
    ctx, server = await existing(world)
    image = await images.create_for(ctx, name="snap", disk_format="qcow2", container_format="bare")
    memo = {"image_id": image.id, "backup": None, "rotation": 0}
    await begun(ctx, server, sagas_image.create_image, memo)
    return server.id


async def from_a_volume(world: DemoWorld) -> tuple[Ctx, Server, Device]:
    """One that runs from a volume, which goes with it."""
    ctx = await owner(world)
    server = await new_server(ctx, volume=True, local=False)
    await Worker(world.ctx()).drain()
    (device,) = await store.devices_of(ctx, [server.id])
    return ctx, await now(ctx, server), device


async def create_image_of_volumes(world: DemoWorld) -> UUID:
    ctx, server, _ = await from_a_volume(world)
    await imaging.create_image(ctx, server, "snap", {})
    return server.id


async def reimage_server(world: DemoWorld) -> UUID:
    """With an image that stands for a snapshot: this world keeps no images."""
    ctx, server, _ = await from_a_volume(world)
    image_id = await imaging.create_image(ctx, server, "snap", {})
    await Worker(world.ctx()).drain()
    wanted = rebuilding.Rebuild(image_id=image_id, admin_pass="pass", columns={}, reimage=True)
    await rebuilding.rebuild(ctx, server, wanted)
    return server.id


async def attach_volume(world: DemoWorld) -> UUID:
    ctx, server = await existing(world)
    volume, _ = await volumes.create(ctx, Wanted(size_gib=1))
    await Worker(world.ctx()).drain()
    return (await attaching.attach_volume(ctx, server, WantedVolume(volume_id=volume.id))).id


async def attached(world: DemoWorld) -> tuple[Ctx, Device, UUID]:
    """A server's device, and the volume that it is."""
    device_id = await attach_volume(world)
    await Worker(world.ctx()).drain()
    ctx = await owner(world)
    device = await store.device(ctx, device_id)
    assert device is not None
    assert device.volume_id is not None
    return ctx, device, device.volume_id


async def detach_volume(world: DemoWorld) -> UUID:
    _, device, volume_id = await attached(world)
    ctx, server = await again(world, device.server_id)
    await attaching.detach_volume(ctx, server, volume_id)
    return device.id


async def grow_volume(world: DemoWorld) -> UUID:
    """Begun by the operation that makes the volume larger."""
    ctx, device, volume_id = await attached(world)
    await volumes.extend(ctx, await volumes.get(ctx, volume_id), 2, in_use=True)
    return device.id


async def attach_interface(world: DemoWorld) -> UUID:
    """Of a port that is nowhere: what it is in Networking is told there."""
    ctx, server = await existing(world)
    return await interface(ctx, server, sagas_attach.attach_interface)


async def detach_interface(world: DemoWorld) -> UUID:
    ctx, server = await existing(world)
    return await interface(ctx, server, sagas_attach.detach_interface)


async def interface(ctx: Ctx, server: Server, saga: Saga) -> UUID:
    nic_id, port_id = ctx.world.ids.uuid(), ctx.world.ids.uuid()
    async with ctx.transaction() as writing:
        await saga.start(writing, nic_id, server_id=str(server.id))
        await store.add_nics(writing, [NicRow(id=nic_id, port_id=port_id, server_id=server.id, position=0, ours=True)])
    return nic_id


USED = "1 DISK_GB, 64 MEMORY_MB, 1 VCPU"
ACTIVE: Snapshot = {"server": "active placed", "promised": USED, "h1": "guest+image on"}
STOPPED: Snapshot = {**ACTIVE, "server": "stopped placed", "h1": "guest+image off"}
PAUSED: Snapshot = {**ACTIVE, "server": "paused placed", "h1": "guest+image paused"}
SUSPENDED: Snapshot = {**ACTIVE, "server": "suspended placed", "h1": "guest+image suspended"}
IN_ERROR: Snapshot = {**ACTIVE, "server": "error placed"}
WITH_VOLUME: Snapshot = {**ACTIVE, "blocks": "in-use 1", "attachment": "attached", "guest": "1 volume"}
WITH_VOLUME["held"] = "1 export, 1 volume"
WITH_LARGER: Snapshot = {**WITH_VOLUME, "blocks": "in-use 2"}
VERIFIED: Snapshot = {
    **ACTIVE,
    "server": "resized placed",
    "promised": "2 DISK_GB, 128 MEMORY_MB, 2 VCPU",
    "guest": "1 root@resize",
}
FROM_VOLUME: Snapshot = {**WITH_VOLUME, "promised": "64 MEMORY_MB, 1 VCPU"}
IMAGED: Snapshot = {**FROM_VOLUME, "image": "active", "snapshot": "available"}
IMAGED["held"] = "1 export, 1 snapshot, 1 volume"
ATTACHABLE: Snapshot = {**ACTIVE, "blocks": "available 1", "held": "1 volume"}
GROWN: Snapshot = {**ACTIVE, "promised": "2 DISK_GB, 128 MEMORY_MB, 2 VCPU"}

COMPUTE_SCENARIOS = [
    Scenario(sagas.create_server, create_server, done=WITH_VOLUME, undone={"server": "error"}),
    Scenario(sagas.delete_server, delete_server, done={}),
    Scenario(power.stop_server, acted("stop"), done=STOPPED, undone=ACTIVE),
    Scenario(power.start_server, acted("start", "stop"), done=ACTIVE, undone=STOPPED),
    Scenario(power.reboot_server, acted("soft reboot"), done=ACTIVE, undone=ACTIVE),
    Scenario(power.hard_reboot_server, acted("hard reboot"), done=ACTIVE, undone=ACTIVE),
    Scenario(power.pause_server, acted("pause"), done=PAUSED, undone=ACTIVE),
    Scenario(power.unpause_server, acted("unpause", "pause"), done=ACTIVE, undone=PAUSED),
    Scenario(power.suspend_server, acted("suspend"), done=SUSPENDED, undone=ACTIVE),
    Scenario(power.resume_server, acted("resume", "suspend"), done=ACTIVE, undone=SUSPENDED),
    Scenario(power.notice_power, went_off(), done=STOPPED, undone=STOPPED),
    Scenario(
        power.notice_power,
        went_off(volume=True, lost=True),
        done=WITH_VOLUME,
        undone={**WITH_VOLUME, "server": "stopped placed", "h1": "guest+image off"},
    ),
    Scenario(sagas_disks.resize_server, resize_server, done=VERIFIED, undone=ACTIVE),
    Scenario(sagas_disks.confirm_resize, decided(resize_server, "confirmResize"), done=GROWN),
    Scenario(sagas_disks.revert_resize, decided(resize_server, "revertResize"), done=ACTIVE, undone=VERIFIED),
    Scenario(sagas_disks.rebuild_server, rebuild_server, done=ACTIVE, undone=IN_ERROR),
    Scenario(
        sagas_disks.rescue_server,
        rescue_server,
        done={**ACTIVE, "server": "rescued placed", "guest": "1 rescue"},
        undone=ACTIVE,
    ),
    Scenario(
        sagas_disks.unrescue_server,
        unrescue_server,
        done=ACTIVE,
        undone={**ACTIVE, "server": "rescued placed", "guest": "1 rescue"},
    ),
    Scenario(sagas_image.create_image, create_image, done={**ACTIVE, "image": "queued"}, undone=ACTIVE),
    Scenario(sagas_image.create_image_of_volumes, create_image_of_volumes, done=IMAGED, undone=FROM_VOLUME),
    Scenario(sagas_reimage.reimage_server, reimage_server, done=IMAGED, undone={**IMAGED, "server": "error placed"}),
    Scenario(sagas_attach.attach_volume, attach_volume, done=WITH_VOLUME, undone=ATTACHABLE),
    Scenario(sagas_attach.detach_volume, detach_volume, done=ATTACHABLE, undone=WITH_VOLUME),
    Scenario(sagas_attach.grow_volume, grow_volume, done=WITH_LARGER, undone=WITH_LARGER),
    Scenario(sagas_attach.attach_interface, attach_interface, done={**ACTIVE, "nic": "plugged"}, undone=ACTIVE),
    Scenario(sagas_attach.detach_interface, detach_interface, done=ACTIVE, undone={**ACTIVE, "nic": "plugged"}),
]
