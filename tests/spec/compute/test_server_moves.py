"""Servers that go to another host: what may be asked, what is shown of it, and where the guest is."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from pileus.engines.hypervisor import DomainFacts, Power
from pileus.engines.troubles import Trouble
from pileus.kernel import hosts
from pileus.kernel.verify import verify
from support.cloud import Client, RunningCloud
from support.computed import at
from support.served import SERVERS, made

NEWEST = "2.104"
MIGRATIONS = "/compute/v2.1/os-migrations"


async def act(client: Client, server_id: object, name: str, body: Any = None, version: str = "2.1") -> Any:
    return await client.post(f"{SERVERS}/{server_id}/action", json={name: body}, headers=at(version))


async def shown(client: Client, server_id: object) -> dict[str, Any]:
    answer = await client.get(f"{SERVERS}/{server_id}", headers=at(NEWEST))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["server"])


async def guests(cloud: RunningCloud, server_id: UUID) -> dict[str, DomainFacts]:
    """By host, what there is of it."""
    found = {host: await cloud.world.engine("hypervisor", host).observe() for host in ("h1", "h2")}
    return {host: there[server_id] for host, there in found.items() if server_id in there}


async def migrations(cloud: RunningCloud, server_id: object, version: str = NEWEST) -> list[dict[str, Any]]:
    answer = await cloud.get(f"{MIGRATIONS}?instance_uuid={server_id}", headers=at(version))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["migrations"])


async def is_whole(cloud: RunningCloud) -> None:
    assert not (await verify(cloud.ctx())).differences


async def test_a_server_is_migrated_and_confirmed_or_taken_back(cloud: RunningCloud) -> None:
    server = await made(cloud)
    before = await used(cloud, server.id)
    for name, host, ended in (("revertResize", "h1", "reverted"), ("confirmResize", "h2", "confirmed")):
        assert (await act(cloud, server.id, "migrate")).status_code == 202
        moving = await shown(cloud, server.id)
        assert (moving["status"], moving["OS-EXT-STS:task_state"]) == ("RESIZE", "resize_prep")
        assert (await act(cloud, server.id, "migrate")).status_code == 409
        await cloud.settle()
        moved = await shown(cloud, server.id)
        assert (moved["status"], moved["OS-EXT-SRV-ATTR:host"]) == ("VERIFY_RESIZE", "h2")
        there = await guests(cloud, server.id)
        assert {at: each.power for at, each in there.items()} == {"h1": Power.OFF, "h2": Power.ON}
        assert there["h2"].disks == ("root",)
        assert await used(cloud, server.id) == {"h1": before["h1"], "h2": before["h1"]}
        (found, *_) = await migrations(cloud, server.id)
        assert (found["status"], found["source_compute"], found["dest_compute"]) == ("finished", "h1", "h2")
        await is_whole(cloud)
        assert (await act(cloud, server.id, name)).status_code in (202, 204)
        await cloud.settle()
        after = await shown(cloud, server.id)
        assert (after["status"], after["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", host)
        assert list(await guests(cloud, server.id)) == [host]
        assert await used(cloud, server.id) == {host: before["h1"]}
        assert (await migrations(cloud, server.id))[0]["status"] == ended
        await is_whole(cloud)
    hidden = await cloud.get("/image/v2/images?os_hidden=true")
    assert hidden.json()["images"] == [], "what carried the disk is gone"
    history = await cloud.get(f"{SERVERS}/{server.id}/os-instance-actions")
    names = [each["action"] for each in history.json()["instanceActions"]]
    assert sorted(names[:4]) == ["confirmResize", "migrate", "migrate", "revertResize"]


async def used(cloud: RunningCloud, server_id: UUID) -> dict[str, dict[str, int]]:
    """By host, what Placement has of it."""
    names = {each["uuid"]: each["name"] for each in await providers(cloud)}
    found = (await cloud.get(f"/placement/allocations/{server_id}")).json()["allocations"]
    return {names[id_]: dict(each["resources"]) for id_, each in found.items()}


async def providers(cloud: RunningCloud) -> list[dict[str, Any]]:
    return list((await cloud.get("/placement/resource_providers")).json()["resource_providers"])


async def test_a_stopped_server_stays_off_where_it_goes(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await act(cloud, server.id, "os-stop")
    await cloud.settle()
    assert (await act(cloud, server.id, "migrate", {"host": "h2"}, "2.56")).status_code == 202
    await cloud.settle()
    assert {each.power for each in (await guests(cloud, server.id)).values()} == {Power.OFF}
    await act(cloud, server.id, "confirmResize")
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == "SHUTOFF"


async def test_one_that_was_moved_goes_from_both_hosts(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await act(cloud, server.id, "migrate")
    await cloud.settle()
    assert len(await guests(cloud, server.id)) == 2
    assert (await cloud.delete(f"{SERVERS}/{server.id}")).status_code == 204
    await cloud.settle()
    assert await guests(cloud, server.id) == {}
    await is_whole(cloud)


@pytest.mark.parametrize(
    ("body", "version", "status", "says"),
    [
        ({"host": "h1"}, "2.56", 400, "Cannot migrate to the host where the server exists."),
        ({"host": "nowhere"}, "2.56", 400, "Compute host nowhere not found."),
        ({"host": "a/b"}, "2.56", 400, "host"),
        ({"host": ""}, "2.56", 400, "host"),
        ({"colour": "red"}, "2.56", 400, "colour"),
        ({"host": None}, "2.56", 202, ""),
        ({"host": "nowhere"}, "2.55", 202, ""),
    ],
)
async def test_where_it_may_be_migrated_to(
    cloud: RunningCloud, body: dict[str, Any], version: str, status: int, says: str
) -> None:
    server = await made(cloud)
    answer = await act(cloud, server.id, "migrate", body, version)
    assert answer.status_code == status
    assert says in answer.text


async def test_only_administrators_name_the_host(cloud: RunningCloud) -> None:
    manager = cloud.as_("manager")
    server = await made(cloud, manager)
    assert (await act(cloud.as_("member"), server.id, "migrate")).status_code == 403
    assert (await act(manager, server.id, "migrate", {"host": "h2"}, "2.56")).status_code == 403
    assert (await act(manager, server.id, "migrate", None, "2.56")).status_code == 202
    await cloud.settle()
    own = f"{MIGRATIONS}?project_id={manager.project_id}"
    (found,) = (await manager.get(own, headers=at("2.80"))).json()["migrations"]
    assert (found["instance_uuid"], found["project_id"]) == (str(server.id), manager.project_id)
    assert {found[name] for name in ("source_compute", "dest_compute", "dest_host", "source_node")} == {None}
    assert (await act(cloud, uuid4(), "migrate")).status_code == 404


async def test_without_another_host_it_says_so_at_once(cloud: RunningCloud) -> None:
    server = await made(cloud)
    service = {"host": "h2", "binary": "nova-compute"}
    assert (await cloud.put("/compute/v2.1/os-services/disable", json=service)).status_code == 200
    answer = await act(cloud, server.id, "migrate")
    assert answer.status_code == 400
    assert "HostFilter took 1 (is where it is now)" in answer.text
    assert "taken out of use" in answer.text
    assert (await shown(cloud, server.id))["status"] == "ACTIVE"


async def test_a_migration_that_fails_leaves_the_server_as_it_was(cloud: RunningCloud) -> None:
    server = await made(cloud)
    before = await used(cloud, server.id)
    cloud.world.rims["hypervisor", "h2"]._behind.troubles.add(Trouble(kind="fail", cause="no way"), verb="ensure_disks")
    await act(cloud, server.id, "migrate")
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == "ACTIVE"
    assert await used(cloud, server.id) == before
    assert (await guests(cloud, server.id))["h1"] == DomainFacts(defined=True, power=Power.ON, disks=("root",))
    (found,) = await migrations(cloud, server.id)
    assert (found["status"], found["dest_compute"]) == ("error", "h2")
    await is_whole(cloud)


async def test_migrations_are_listed_as_their_version_knows_them(cloud: RunningCloud) -> None:
    server = await made(cloud)
    for name in ("migrate", "confirmResize"):
        await act(cloud, server.id, name)
        await cloud.settle()
    await act(cloud, server.id, "resize", {"flavorRef": "84"})
    await cloud.settle()
    resized, migrated = await migrations(cloud, server.id)
    assert (resized["migration_type"], resized["status"], resized["source_compute"]) == ("resize", "finished", "h2")
    assert (resized["old_instance_type_id"], resized["new_instance_type_id"]) == (42, 84)
    assert (migrated["migration_type"], migrated["user_id"]) == ("migration", cloud.user_id)
    assert {"uuid", "project_id"} <= migrated.keys()
    (_, oldest) = await migrations(cloud, server.id, "2.1")
    assert not {"uuid", "project_id", "migration_type", "links"} & oldest.keys()
    page = (await cloud.get(f"{MIGRATIONS}?limit=1", headers=at("2.59"))).json()
    assert [each["uuid"] for each in page["migrations"]] == [resized["uuid"]]
    more = await cloud.get(page["migrations_links"][0]["href"], headers=at("2.59"))
    assert migrated["uuid"] in [each["uuid"] for each in more.json()["migrations"]]
    for query, number in (
        ("host=h1&migration_type=migration", 1),
        ("host=h1&migration_type=resize", 0),
        ("status=confirmed", 1),
        ("source_compute=h2", 1),
        ("instance_uuid=none", 0),
        ("changes-before=2020-01-01T00:00:00Z", 0),
    ):
        found = await cloud.get(f"{MIGRATIONS}?{query}", headers=at("2.66"))
        assert len(found.json()["migrations"]) == number, query


# evacuation


async def forced_down(cloud: RunningCloud, host: str, *, down: bool = True) -> None:
    body = {"host": host, "binary": "nova-compute", "forced_down": down}
    answer = await cloud.put("/compute/v2.1/os-services/force-down", json=body, headers=at("2.11"))
    assert answer.status_code == 200, answer.text


async def test_a_host_that_is_up_is_not_evacuated(cloud: RunningCloud) -> None:
    server = await made(cloud)
    answer = await act(cloud, server.id, "evacuate", {}, "2.68")
    assert answer.status_code == 400
    assert "Compute service of h1 is still in use" in answer.text
    assert "pileus host fence h1" in answer.text
    assert (await shown(cloud, server.id))["status"] == "ACTIVE"


@pytest.mark.parametrize(("version", "status", "power"), [("2.68", "ACTIVE", Power.ON), ("2.95", "SHUTOFF", Power.OFF)])
async def test_a_server_is_evacuated(cloud: RunningCloud, version: str, status: str, power: Power) -> None:
    server = await made(cloud)
    before = await used(cloud, server.id)
    await forced_down(cloud, "h1")
    answer = await act(cloud, server.id, "evacuate", {"host": "h2", "adminPass": "new"}, version)
    assert (answer.status_code, answer.text) == (200, "")
    assert (await shown(cloud, server.id))["status"] == "REBUILD"
    await cloud.settle()
    found = await shown(cloud, server.id)
    assert (found["status"], found["OS-EXT-SRV-ATTR:host"]) == (status, "h2")
    there = await guests(cloud, server.id)
    assert {host: each.power for host, each in there.items()} == {"h2": power}, "a host that still answers loses it"
    assert await used(cloud, server.id) == {"h2": before["h1"]}
    (migration,) = await migrations(cloud, server.id)
    assert (migration["migration_type"], migration["status"]) == ("evacuation", "done")
    await forced_down(cloud, "h1", down=False)
    (migration,) = await migrations(cloud, server.id)
    assert migration["status"] == "completed"
    await is_whole(cloud)


async def test_a_host_that_was_stated_dead_loses_the_guest_when_it_is_let_back(cloud: RunningCloud) -> None:
    """It was not dead: the old copy runs there, and is gone before the host gets another."""
    server, known = await made(cloud), cloud.world.hosts
    await hosts.fence(cloud.ctx(), "h1")
    await known.look(cloud.ctx())
    assert (await act(cloud, server.id, "evacuate", {"onSharedStorage": False})).status_code == 200
    await cloud.settle()
    assert (await shown(cloud, server.id))["OS-EXT-SRV-ATTR:host"] == "h2"
    await hosts.lift_fence(cloud.ctx(), "h1")
    await known.look(cloud.ctx())
    assert list(await guests(cloud, server.id)) == ["h1", "h2"]
    assert not (await hosts.get(cloud.ctx(), "h1")).usable
    assert (await migrations(cloud, server.id))[0]["status"] == "done"
    await known.settled()
    assert list(await guests(cloud, server.id)) == ["h2"]
    assert (await hosts.get(cloud.ctx(), "h1")).usable
    assert (await migrations(cloud, server.id))[0]["status"] == "completed"
    await is_whole(cloud)


@pytest.mark.parametrize(
    ("body", "version", "status"),
    [
        ({}, "2.13", 400),
        ({"onSharedStorage": "maybe"}, "2.13", 400),
        ({"onSharedStorage": True}, "2.13", 400),
        ({"onSharedStorage": True, "adminPass": "x"}, "2.13", 400),
        ({"onSharedStorage": False}, "2.14", 400),
        ({"force": True}, "2.28", 400),
        ({"force": True}, "2.29", 400),
        ({"force": True, "host": "h2"}, "2.68", 400),
        ({"host": "h1"}, "2.68", 400),
        ({"host": "nowhere"}, "2.68", 404),
        ({"force": "yes", "host": "h2"}, "2.67", 200),
        ({}, "2.14", 200),
    ],
)
async def test_what_may_be_asked_of_an_evacuation(
    cloud: RunningCloud, body: dict[str, Any], version: str, status: int
) -> None:
    server = await made(cloud)
    await forced_down(cloud, "h1")
    assert (await act(cloud, server.id, "evacuate", body, version)).status_code == status


async def test_before_2_14_the_password_comes_back(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await forced_down(cloud, "h1")
    answer = await act(cloud, server.id, "evacuate", {"onSharedStorage": "False", "adminPass": "new"}, "2.13")
    assert answer.json() == {"adminPass": "new"}
    assert (await act(cloud.as_("manager"), server.id, "evacuate", {}, "2.14")).status_code in (403, 404)


# volumes


async def attached(cloud: RunningCloud, server_id: UUID) -> str:
    """A volume that is about to be the server's."""
    made_of = await cloud.post("/volume/v3/volumes", json={"volume": {"size": 1}})
    await cloud.settle()
    volume_id = str(made_of.json()["volume"]["id"])
    path = f"{SERVERS}/{server_id}/os-volume_attachments"
    answer = await cloud.post(path, json={"volumeAttachment": {"volumeId": volume_id}})
    assert answer.status_code == 200, answer.text
    return volume_id


async def opened_to(cloud: RunningCloud, volume_id: str) -> list[str]:
    """The hosts that may open it."""
    shown = (await cloud.get(f"/volume/v3/volumes/{volume_id}")).json()["volume"]
    return [each["host_name"] for each in shown["attachments"]]


@pytest.mark.parametrize("action", ["migrate", "evacuate"])
async def test_volumes_go_along_and_are_open_to_one_host(cloud: RunningCloud, action: str) -> None:
    server = await made(cloud)
    volume_id = await attached(cloud, server.id)
    await cloud.settle()
    assert await opened_to(cloud, volume_id) == ["h1"]
    if action == "evacuate":
        await forced_down(cloud, "h1")
    body = {} if action == "evacuate" else None
    assert (await act(cloud, server.id, action, body, "2.68")).status_code in (200, 202)
    await cloud.settle()
    assert await opened_to(cloud, volume_id) == ["h2"]
    assert len((await guests(cloud, server.id))["h2"].volumes) == 1
    if action == "evacuate":
        await forced_down(cloud, "h1", down=False)
    else:
        await act(cloud, server.id, "revertResize")
        await cloud.settle()
        assert await opened_to(cloud, volume_id) == ["h1"]
    await is_whole(cloud)


async def test_it_stays_where_it_is_while_a_volume_comes(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await attached(cloud, server.id)
    answer = await act(cloud, server.id, "migrate")
    assert answer.status_code == 409
    assert "is being attached or detached" in answer.text
    await cloud.settle()
    assert (await act(cloud, server.id, "migrate")).status_code == 202


@pytest.mark.parametrize("state", ["active", "error"])
@pytest.mark.parametrize("action", ["migrate", "resize"])
async def test_one_whose_state_is_reset_stays_where_it_is_and_nothing_is_left_behind(
    cloud: RunningCloud, action: str, state: str
) -> None:
    server = await made(cloud)
    await act(cloud, server.id, action, {"flavorRef": "84"} if action == "resize" else None)
    await cloud.settle()
    assert (await act(cloud, server.id, "os-resetState", {"state": state})).status_code == 202
    reset = await shown(cloud, server.id)
    assert (reset["status"], reset["OS-EXT-STS:task_state"]) == (state.upper(), None)
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == state.upper()
    assert (await act(cloud, server.id, "revertResize")).status_code == 409
    host = "h2" if action == "migrate" else "h1"
    there = await guests(cloud, server.id)
    assert {at: each.disks for at, each in there.items()} == {host: ("root",)}
    assert list(await used(cloud, server.id)) == [host]
    assert (await migrations(cloud, server.id))[0]["status"] == "confirmed"
    await act(cloud, server.id, "os-resetState", {"state": "active"})
    await is_whole(cloud)
    assert (await act(cloud, server.id, "migrate")).status_code == 202
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == "VERIFY_RESIZE"


async def test_one_that_is_being_reverted_is_not_cleared_by_a_reset(cloud: RunningCloud) -> None:
    """The only copy is where it was."""
    server = await made(cloud)
    await act(cloud, server.id, "migrate")
    await cloud.settle()
    await act(cloud, server.id, "revertResize")
    await act(cloud, server.id, "os-resetState", {"state": "error"})
    await cloud.settle()
    found = await shown(cloud, server.id)
    assert (found["status"], found["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", "h1")
    await is_whole(cloud)
