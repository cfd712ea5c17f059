"""What a server may be asked, and what it answers in which state."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from pileus.engines.hypervisor import DomainFacts, Power
from pileus.engines.troubles import Trouble
from pileus.kernel.verify import verify
from pileus.services.compute.flavors import service as flavors
from pileus.services.compute.flavors.service import Flavor
from support.cloud import Client, RunningCloud
from support.computed import PUBLIC_KEY, at
from support.imaged import uploaded
from support.served import SERVERS, an_image, made

NEWEST = "2.104"


async def act(client: Client, server_id: object, name: str, body: Any = None, version: str = "2.1") -> Any:
    path = f"/compute/v2.1/servers/{server_id}/action"
    return await client.post(path, json={name: body}, headers=at(version))


async def shown(client: Client, server_id: object) -> dict[str, Any]:
    answer = await client.get(f"{SERVERS}/{server_id}", headers=at(NEWEST))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["server"])


async def facts(cloud: RunningCloud, server_id: UUID) -> DomainFacts:
    found = {}
    for host in ("h1", "h2"):
        found |= await cloud.world.engine("hypervisor", host).observe()
    return found[server_id]


def trouble(cloud: RunningCloud, verb: str) -> None:
    for host in ("h1", "h2"):
        cloud.world.rims["hypervisor", host]._behind.troubles.add(Trouble(kind="fail", cause="no way"), verb=verb)


POWERS = [
    ("os-stop", None, "powering-off", "SHUTOFF", Power.OFF),
    ("os-start", None, "powering-on", "ACTIVE", Power.ON),
    ("reboot", {"type": "SOFT"}, "reboot_started", "ACTIVE", Power.ON),
    ("reboot", {"type": "Hard"}, "reboot_started_hard", "ACTIVE", Power.ON),
    ("pause", None, "pausing", "PAUSED", Power.PAUSED),
    ("unpause", None, "unpausing", "ACTIVE", Power.ON),
    ("suspend", None, "suspending", "SUSPENDED", Power.SUSPENDED),
    ("resume", None, "resuming", "ACTIVE", Power.ON),
    ("os-stop", None, "powering-off", "SHUTOFF", Power.OFF),
    ("reboot", {"type": "HARD"}, "reboot_started_hard", "ACTIVE", Power.ON),
]


async def test_power_comes_and_goes(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    for name, body, task, status, power in POWERS:
        assert (await act(member, server.id, name, body)).status_code == 202
        assert (await shown(member, server.id))["OS-EXT-STS:task_state"] == task
        assert (await act(member, server.id, "os-start")).status_code == 409
        await cloud.settle()
        assert (await shown(member, server.id))["status"] == status
        assert (await facts(cloud, server.id)).power is power
    for name, body in (
        ("os-start", None),
        ("unpause", None),
        ("resume", None),
        ("confirmResize", None),
        ("unrescue", None),
    ):
        answer = await act(member, server.id, name, body)
        assert answer.status_code == 409
        assert answer.json()["conflictingRequest"]["message"].startswith("Cannot '")
    assert (await act(cloud.as_("reader"), server.id, "os-stop")).status_code == 403
    assert (await act(member, uuid4(), "os-stop")).status_code == 404
    assert (await act(member, server.id, "levitate")).status_code == 400
    assert (await act(member, server.id, "reboot", {"type": "GENTLE"})).status_code == 400


async def test_what_fails_leaves_the_server_as_it_was(cloud: RunningCloud) -> None:
    server = await made(cloud)
    trouble(cloud, "ensure_power")
    await act(cloud, server.id, "os-stop")
    await cloud.settle()
    now = await shown(cloud, server.id)
    assert (now["status"], now["OS-EXT-STS:task_state"]) == ("ACTIVE", None)


async def test_a_locked_server_obeys_administrators_alone(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    assert (await act(member, server.id, "lock", {"locked_reason": "busy"}, "2.73")).status_code == 202
    locked = await shown(member, server.id)
    assert (locked["locked"], locked["locked_reason"]) == (True, "busy")
    assert (await act(member, server.id, "os-stop")).status_code == 409
    assert (await member.delete(f"{SERVERS}/{server.id}")).status_code == 409
    listed = await member.get(f"{SERVERS}?locked=true", headers=at("2.73"))
    assert len(listed.json()["servers"]) == 1
    assert (await act(member, server.id, "unlock")).status_code == 202
    assert (await act(cloud, server.id, "lock")).status_code == 202
    assert (await act(member, server.id, "unlock")).status_code == 403
    assert (await act(cloud, server.id, "os-stop")).status_code == 202
    assert (await act(member, server.id, "lock", {"locked_reason": ""}, "2.73")).status_code == 400


async def test_an_administrator_says_what_state_it_is_in(cloud: RunningCloud) -> None:
    server = await made(cloud)
    for state in ("error", "active"):
        assert (await act(cloud, server.id, "os-resetState", {"state": state})).status_code == 202
        assert (await shown(cloud, server.id))["OS-EXT-STS:vm_state"] == state
    assert (await act(cloud.as_("member"), server.id, "os-resetState", {"state": "error"})).status_code == 403
    assert (await act(cloud, server.id, "os-resetState", {"state": "odd"})).status_code == 400
    assert (await act(cloud, server.id, "forceDelete")).status_code == 202
    await cloud.settle()
    assert (await cloud.get(f"{SERVERS}/{server.id}")).status_code == 404


async def used(cloud: RunningCloud, server_id: UUID) -> dict[str, int]:
    answer = await cloud.get(f"/placement/allocations/{server_id}")
    (found,) = answer.json()["allocations"].values()
    return dict(found["resources"])


async def test_a_resize_is_confirmed_or_taken_back(cloud: RunningCloud) -> None:
    server = await made(cloud)
    before = await used(cloud, server.id)
    for name, flavor, uses in (("revertResize", "42", before), ("confirmResize", "84", None)):
        assert (await act(cloud, server.id, "resize", {"flavorRef": "84"})).status_code == 202
        assert (await shown(cloud, server.id))["status"] == "RESIZE"
        await cloud.settle()
        resized = await shown(cloud, server.id)
        assert (resized["status"], resized["flavor"]["original_name"]) == ("VERIFY_RESIZE", "m1.micro")
        assert (await facts(cloud, server.id)).disks == ("root", "root@resize")
        assert (await act(cloud, server.id, "os-stop")).status_code == 409
        assert (await act(cloud, server.id, name)).status_code in (202, 204)
        await cloud.settle()
        assert (await shown(cloud, server.id))["status"] == "ACTIVE"
        assert (await cloud.get(f"{SERVERS}/{server.id}")).json()["server"]["flavor"]["id"] == flavor
        assert (await facts(cloud, server.id)).disks == ("root",)
        assert (await facts(cloud, server.id)).power is Power.ON
        assert uses is None or await used(cloud, server.id) == uses
    assert (await used(cloud, server.id))["MEMORY_MB"] == 256


@pytest.mark.parametrize(
    ("body", "status"),
    [({"flavorRef": "42"}, 400), ({"flavorRef": "none"}, 400), ({"flavorRef": "5"}, 403), ({}, 400)],
)
async def test_a_resize_that_cannot_be_is_refused(cloud: RunningCloud, body: dict[str, Any], status: int) -> None:
    limit = await cloud.get("/compute/v2.1/flavors/5")
    assert limit.json()["flavor"]["vcpus"] == 8
    servers = [await made(cloud, name=f"n{n}", flavor_id="4") for n in range(5)] if status == 403 else []
    server = servers[0] if servers else await made(cloud)
    assert (await act(cloud, server.id, "resize", body)).status_code == status


async def test_a_resize_that_fails_leaves_the_server_as_it_was(cloud: RunningCloud) -> None:
    server = await made(cloud)
    before = await used(cloud, server.id)
    trouble(cloud, "ensure_disks")
    await act(cloud, server.id, "resize", {"flavorRef": "84"})
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == "ACTIVE"
    assert await used(cloud, server.id) == before
    assert await facts(cloud, server.id) == DomainFacts(defined=True, power=Power.ON, disks=("root",))


async def test_a_server_is_rebuilt_from_another_image(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    await member.post("/compute/v2.1/os-keypairs", json={"keypair": {"name": "mine", "public_key": PUBLIC_KEY}})
    image = await an_image(cloud)
    body = {"imageRef": image, "name": "anew", "metadata": {"a": "b"}, "adminPass": "pass", "key_name": "mine"}
    answer = await act(member, server.id, "rebuild", body, "2.93")
    assert answer.status_code == 202, answer.text
    found = answer.json()["server"]
    assert (found["status"], found["adminPass"], found["name"]) == ("REBUILD", "pass", "anew")
    assert found["image"]["id"] == image, "which it will have"
    await cloud.settle()
    rebuilt = await shown(member, server.id)
    assert (rebuilt["status"], rebuilt["image"]["id"], rebuilt["key_name"]) == ("ACTIVE", image, "mine")
    assert await facts(cloud, server.id) == DomainFacts(defined=True, power=Power.ON, disks=("root",))
    assert (await act(member, server.id, "rebuild", {"imageRef": image, "description": "x"})).status_code == 400
    trouble(cloud, "ensure_disks")
    await act(member, server.id, "rebuild", {"imageRef": await an_image(cloud)})
    await cloud.settle()
    failed = await shown(member, server.id)
    assert (failed["status"], failed["image"]["id"]) == ("ERROR", image)
    assert (await act(member, server.id, "reboot", {"type": "HARD"})).status_code == 202
    await cloud.settle()
    assert (await shown(member, server.id))["status"] == "ACTIVE"


async def test_an_image_that_needs_more_room_gets_it_when_its_flavor_leaves_that_open(cloud: RunningCloud) -> None:
    name = uuid4().hex
    await flavors.create(cloud.ctx(), Flavor(id=name, name=name, memory_mib=64, vcpus=1, disk_gib=0))
    server = await made(cloud, flavor_id=name)
    large, small = [(await uploaded(cloud, min_disk=gib))["id"] for gib in (3, 2)]
    for image, gib in ((large, 3), (small, 2)):
        assert (await act(cloud, server.id, "rebuild", {"imageRef": image})).status_code == 202
        await cloud.settle()
        assert (await used(cloud, server.id))["DISK_GB"] == gib
    trouble(cloud, "ensure_disks")
    await act(cloud, server.id, "rebuild", {"imageRef": large})
    await cloud.settle()
    assert ((await shown(cloud, server.id))["status"], (await used(cloud, server.id))["DISK_GB"]) == ("ERROR", 2)
    assert (await verify(cloud.ctx(), ["compute.allocations"])).differences == []


async def test_a_server_is_rescued(cloud: RunningCloud) -> None:
    server = await made(cloud)
    answer = await act(cloud, server.id, "rescue", {"adminPass": "pass", "rescue_image_ref": await an_image(cloud)})
    assert (answer.status_code, answer.json()) == (200, {"adminPass": "pass"})
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == "RESCUE"
    assert (await facts(cloud, server.id)).disks == ("rescue", "root")
    assert (await act(cloud, server.id, "unrescue")).status_code == 202
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == "ACTIVE"
    assert (await facts(cloud, server.id)).disks == ("root",)


async def test_it_tells_what_it_wrote(cloud: RunningCloud) -> None:
    server = await made(cloud)
    whole = (await act(cloud, server.id, "os-getConsoleOutput", {})).json()["output"]
    assert "login:" in whole
    for length in (3, "3"):  # as Nova counts: what is behind the last newline is a line
        answer = await act(cloud, server.id, "os-getConsoleOutput", {"length": length})
        assert answer.json()["output"].split("\n") == whole.split("\n")[-3:]
    assert (await act(cloud, server.id, "os-getConsoleOutput", {"length": "two"})).status_code == 400


async def test_its_disk_becomes_an_image_to_boot_from(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    answer = await act(member, server.id, "createImage", {"name": "snap", "metadata": {"a": "b"}}, "2.45")
    assert answer.status_code == 202, answer.text
    image_id = answer.json()["image_id"]
    assert (await shown(member, server.id))["OS-EXT-STS:task_state"] == "image_snapshot"
    assert (await member.get(f"/image/v2/images/{image_id}")).json()["status"] == "queued"
    await cloud.settle()
    image = (await member.get(f"/image/v2/images/{image_id}")).json()
    assert (image["status"], image["disk_format"], image["visibility"]) == ("active", "qcow2", "private")
    assert (image["instance_uuid"], image["image_type"], image["a"], image["min_disk"]) == (
        str(server.id),
        "snapshot",
        "b",
        1,
    )
    second = await made(cloud, member, image_id=UUID(image_id))
    assert (await shown(member, second.id))["status"] == "ACTIVE"
    answer = await act(member, server.id, "createImage", {"name": "snap"})
    assert answer.headers["location"].startswith("http://cloud.test/image/v2/images/")
    await cloud.settle()
    assert (await act(member, server.id, "createImage", {"name": ""})).status_code == 400


async def test_an_image_that_cannot_be_made_is_not_there(cloud: RunningCloud) -> None:
    server = await made(cloud)
    trouble(cloud, "ensure_uploaded")
    answer = await act(cloud, server.id, "createImage", {"name": "snap"}, "2.45")
    await cloud.settle()
    assert (await cloud.get(f"/image/v2/images/{answer.json()['image_id']}")).status_code == 404
    assert (await shown(cloud, server.id))["status"] == "ACTIVE"


async def test_backups_are_rotated(cloud: RunningCloud) -> None:
    server = await made(cloud)
    for n in range(3):
        body = {"name": f"b{n}", "backup_type": "daily", "rotation": 2}
        assert (await act(cloud, server.id, "createBackup", body)).status_code == 202
        await cloud.settle()
    listed = (await cloud.get(f"/image/v2/images?instance_uuid={server.id}")).json()["images"]
    assert sorted(image["name"] for image in listed) == ["b1", "b2"]


async def test_no_deleted_server_waits_to_be_restored(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    answer = await act(member, server.id, "restore")
    assert answer.status_code == 409
    assert "vm_state active" in answer.text
    assert (await act(cloud.as_("reader"), server.id, "restore")).status_code == 403
    assert (await member.delete(f"/compute/v2.1/servers/{server.id}")).status_code == 204
    await cloud.settle()
    assert (await act(member, server.id, "restore")).status_code == 404
