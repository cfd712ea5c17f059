"""What `pileus verify` says of servers: each way in which hosts and other services can disagree with their rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from pileus.engines.hypervisor import Domain, Power
from pileus.kernel.db import metadata
from pileus.kernel.verify import verify
from support.cloud import RunningCloud
from support.networks import network
from support.served import HOST, SERVERS, made

CHECKS = [f"compute.{name}" for name in ("guests", "tasks", "interfaces", "attachments", "allocations", "quotas")]
FENCE = 10**9  # of nobody: newer than any operation's


@dataclass
class Scene:
    """A server that runs, with a NIC and a volume."""

    cloud: RunningCloud
    server_id: UUID
    port_id: UUID
    volume_id: UUID

    @property
    def host(self) -> Any:
        return self.cloud.world.engine("hypervisor", HOST)

    async def write(self, name: str, where: str, value: Any, **columns: Any) -> None:
        """Change rows behind everybody's back."""
        table = metadata.tables[name]
        async with self.cloud.ctx().transaction() as ctx:
            done = await ctx.execute(table.update().where(table.c[where] == value).values(**columns))
            assert done.rowcount >= 1

    async def told(self) -> dict[tuple[str, str], str]:
        found = (await verify(self.cloud.ctx(), CHECKS)).differences
        told: dict[tuple[str, str], str] = {}
        for each in found:
            told[each.subject, each.subject_id] = told.get((each.subject, each.subject_id), "") + each.cause
        return told


async def scene(cloud: RunningCloud) -> Scene:
    member = cloud.as_("member")
    network_id, _ = await network(member)
    server = await made(cloud, member, networks=None)
    volume = (await member.post("/volume/v3/volumes", json={"volume": {"size": 1}})).json()["volume"]
    await cloud.settle()
    body = {"volumeAttachment": {"volumeId": volume["id"]}}
    answer = await member.post(f"{SERVERS}/{server.id}/os-volume_attachments", json=body)
    assert answer.status_code == 200, answer.text
    await cloud.settle()
    (port,) = (await member.get(f"/network/v2.0/ports?device_id={server.id}")).json()["ports"]
    assert port["network_id"] == network_id
    return Scene(cloud, server.id, UUID(port["id"]), UUID(volume["id"]))


async def a_guest_that_nobody_knows(on: Scene) -> tuple[str, object]:
    stray = Domain(id=uuid4(), vcpus=1, memory_mib=64)
    await on.host.ensure_defined(stray, fence=FENCE)
    return "guest", stray.id


async def a_guest_that_is_missing(on: Scene) -> tuple[str, object]:
    await on.host.ensure_gone(on.server_id, fence=FENCE)
    return "server", on.server_id


async def a_guest_of_which_disks_are_left(on: Scene) -> tuple[str, object]:
    (on.cloud.world.state / "hosts" / HOST / "domains" / f"{on.server_id}.json").unlink()
    return "server", on.server_id


async def a_guest_that_stands_still(on: Scene) -> tuple[str, object]:
    await on.host.ensure_power(on.server_id, Power.PAUSED, fence=FENCE)
    return "server", on.server_id


async def a_guest_with_a_disk_that_was_kept(on: Scene) -> tuple[str, object]:
    await on.host.ensure_disk_kept(on.server_id, "root", "resize", fence=FENCE)
    return "server", on.server_id


async def a_guest_without_its_nic_and_volume(on: Scene) -> tuple[str, object]:
    (disk,) = (await on.host.observe())[on.server_id].disks
    assert disk == "root"
    await on.host.ensure_defined(Domain(id=on.server_id, vcpus=1, memory_mib=192), fence=FENCE)
    return "server", on.server_id


async def a_task_that_nobody_does(on: Scene) -> tuple[str, object]:
    await on.write("compute_server", "id", on.server_id, task_state="rebuilding")
    return "server", on.server_id


async def a_shape_that_is_never_left(on: Scene) -> tuple[str, object]:
    await on.write("compute_server", "id", on.server_id, shaper=uuid4())
    return "server", on.server_id


async def a_port_that_is_bound_elsewhere(on: Scene) -> tuple[str, object]:
    await on.write("network_port", "id", on.port_id, host="h2")
    return "server", on.server_id


async def a_port_of_another_device(on: Scene) -> tuple[str, object]:
    await on.write("network_port", "id", on.port_id, device_id="x")
    return "server", on.server_id


async def a_port_that_is_not_there(on: Scene) -> tuple[str, object]:
    await on.write("network_port", "id", on.port_id, deleted=True)
    return "server", on.server_id


async def a_port_of_a_server_without_such_an_interface(on: Scene) -> tuple[str, object]:
    table = metadata.tables["compute_nic"]
    async with on.cloud.ctx().transaction() as ctx:
        await ctx.execute(table.delete())
    return "port", on.port_id


async def attachment_id(on: Scene) -> UUID:
    (found,) = (await on.host.observe())[on.server_id].volumes
    return UUID(str(found))


async def a_volume_that_is_attached_to_another(on: Scene) -> tuple[str, object]:
    await on.write("volume_attachment", "volume_id", on.volume_id, server_id=uuid4())
    return "attachment", await attachment_id(on)


async def a_volume_that_is_still_reserved(on: Scene) -> tuple[str, object]:
    await on.write("volume_attachment", "volume_id", on.volume_id, status="reserved")
    return "attachment", await attachment_id(on)


async def a_volume_without_an_attachment(on: Scene) -> tuple[str, object]:
    table = metadata.tables["volume_attachment"]
    async with on.cloud.ctx().transaction() as ctx:
        await ctx.execute(table.delete())
    return "attachment", await attachment_id(on)


async def a_volume_of_a_deleted_server(on: Scene) -> tuple[str, object]:
    found = await attachment_id(on)
    await on.write("compute_server", "id", on.server_id, deleted_at=1.0)
    return "attachment", found


async def room_that_was_not_promised(on: Scene) -> tuple[str, object]:
    await on.write("placement_allocation", "consumer_id", str(on.server_id), used=5)
    return "server", on.server_id


async def room_for_nobody(on: Scene) -> tuple[str, object]:
    await on.write("compute_server", "id", on.server_id, deleted_at=1.0)
    return "allocation", on.server_id


async def cores_that_no_flavor_has(on: Scene) -> tuple[str, object]:
    await on.write("compute_server", "id", on.server_id, vcpus=7)
    return "project", on.cloud.as_("member").project_id


KINDS: list[tuple[Callable[[Scene], Awaitable[tuple[str, object]]], str]] = [
    (a_guest_that_nobody_knows, "No row says that it is there, and it is off. No server is to have a guest there"),
    (a_guest_that_is_missing, "its guest is there, and it is not. Rebuild it"),
    (a_guest_of_which_disks_are_left, "the host has only disks of it. Reboot it hard"),
    (a_guest_that_stands_still, "The rows say that it is on, and it is paused. Start or stop it"),
    (a_guest_with_a_disk_that_was_kept, "it has the disks root, and it has root, root@resize."),
    (a_guest_without_its_nic_and_volume, ", and it has none. Reboot it hard"),
    (a_task_that_nobody_does, "The row says rebuilding, and no operation is at work on it. Reset its state"),
    (a_shape_that_is_never_left, "which is at work no more. Reboot it hard"),
    (a_port_that_is_bound_elsewhere, "is bound to h2. Detach it and attach it again"),
    (a_port_of_another_device, "which says device x. Detach it"),
    (a_port_that_is_not_there, "and there is no such port. Detach"),
    (a_port_of_a_server_without_such_an_interface, "which has no such interface. Clear its device_id"),
    (a_volume_that_is_attached_to_another, "by it, which says otherwise. Detach it"),
    (a_volume_that_is_still_reserved, "and it is reserved. Detach it"),
    (a_volume_without_an_attachment, "which has no such attachment. Detach it"),
    (a_volume_of_a_deleted_server, "is deleted, and volume"),
    (room_that_was_not_promised, "and Placement has 5 DISK_GB"),
    (room_for_nobody, "and there is no such server. Free that with"),
    (cores_that_no_flavor_has, "Its quota counts 7 of cores, and its servers have 1. Resize"),
]


@pytest.mark.parametrize(("plant", "words"), [pytest.param(*kind, id=kind[0].__name__) for kind in KINDS])
async def test_each_disagreement_is_told(
    cloud: RunningCloud, plant: Callable[[Scene], Awaitable[tuple[str, object]]], words: str
) -> None:
    on = await scene(cloud)
    assert await on.told() == {}
    subject, subject_id = await plant(on)
    told = await on.told()
    assert words in told[subject, str(subject_id)]


async def test_a_cloud_in_which_all_is_well_has_none(cloud: RunningCloud) -> None:
    await scene(cloud)
    report = await verify(cloud.ctx())
    assert (report.clean, report.differences, report.unseen) == (True, [], {})
    assert set(CHECKS) < set(report.checks)


async def test_a_server_that_is_worked_on_is_none(cloud: RunningCloud) -> None:
    """Until its operation has ended nobody knows what its guest shall be."""
    on = await scene(cloud)
    answer = await cloud.as_("member").post(f"{SERVERS}/{on.server_id}/action", json={"os-stop": None})
    assert answer.status_code == 202
    (cloud.world.state / "hosts" / HOST / "domains" / f"{on.server_id}.power").write_text(Power.PAUSED)
    assert await on.told() == {}
    await cloud.settle()
    assert await on.told() == {}


async def test_what_an_operation_was_at_work_on_meanwhile_is_none(cloud: RunningCloud) -> None:
    on = await scene(cloud)
    await a_guest_that_stands_still(on)
    later = cloud.ctx().now() + 1
    await on.write("operation", "subject_id", on.server_id, ended_at=later)
    assert await on.told() == {}


async def test_a_resize_that_waits_and_a_volume_to_boot_from_are_what_they_shall_be(cloud: RunningCloud) -> None:
    on = await scene(cloud)
    for action in ({"resize": {"flavorRef": "1"}}, {"revertResize": None}, {"suspend": None}, {"resume": None}):
        answer = await cloud.post(f"{SERVERS}/{on.server_id}/action", json=action)
        assert answer.status_code == 202, answer.text
        await cloud.settle()
        assert await on.told() == {}


async def test_twenty_times_as_many_servers_cost_no_more_than_their_pages(cloud: RunningCloud) -> None:
    on = await scene(cloud)
    table = metadata.tables["compute_server"]
    async with cloud.ctx().transaction() as ctx:
        row = dict((await ctx.execute(table.select())).one()._mapping)
        rows = [{**row, "id": uuid4(), "host": None, "vm_state": "error", "project_id": "p"} for _ in range(1200)]
        await ctx.execute(table.insert(), rows)
    told = await on.told()
    assert {subject for subject, _ in told} <= {"project"}
