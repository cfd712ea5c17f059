"""Servers that go to another host while they run: what may be asked, what is shown of it, and where the guest is."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pileus.engines.hypervisor import Power
from pileus.engines.troubles import Trouble
from pileus.kernel.operations import Worker
from spec.compute.test_server_moves import act, forced_down, guests, is_whole, migrations, shown, used
from support.cloud import PASSWORD, Client, RunningCloud
from support.computed import at
from support.people import Login
from support.served import made

NEWEST = "2.104"
SERVERS = "/compute/v2.1/servers"
AUTO = {"host": None, "block_migration": "auto"}
OLD = {"host": None, "block_migration": True, "disk_over_commit": False}


async def live(client: Client, server_id: object, version: str = NEWEST, **more: Any) -> Any:
    return await act(client, server_id, "os-migrateLive", {**AUTO, **more}, version)


async def slowly(cloud: RunningCloud, server_id: object, verb: str = "ensure_sent", host: str = "h1") -> None:
    """It is on its way, and takes its time."""
    trouble = Trouble(kind="delay", seconds=600)
    cloud.world.rims["hypervisor", host]._behind.troubles.add(trouble, verb=verb)
    assert (await live(cloud, server_id)).status_code == 202
    worker = Worker(cloud.ctx())
    await worker.renew()
    while rows := await worker.take(8):  # until nothing is due now
        await asyncio.gather(*(worker.carry(row) for row in rows))


async def test_a_server_goes_to_another_host_and_runs_on(cloud: RunningCloud) -> None:
    server = await made(cloud)
    before = await used(cloud, server.id)
    boots = await cloud.world.engine("hypervisor", "h1").console_log(server.id, None)
    assert (await live(cloud, server.id)).status_code == 202
    moving = await shown(cloud, server.id)
    assert (moving["status"], moving["OS-EXT-STS:task_state"]) == ("MIGRATING", "migrating")
    assert (await live(cloud, server.id)).status_code == 409
    await cloud.settle()
    after = await shown(cloud, server.id)
    assert (after["status"], after["OS-EXT-SRV-ATTR:host"], after.get("fault")) == ("ACTIVE", "h2", None)
    assert {host: each.power for host, each in (await guests(cloud, server.id)).items()} == {"h2": Power.ON}
    assert await cloud.world.engine("hypervisor", "h2").console_log(server.id, None) == boots
    assert await used(cloud, server.id) == {"h2": before["h1"]}
    (found,) = await migrations(cloud, server.id)
    assert (found["migration_type"], found["status"]) == ("live-migration", "completed")
    assert (found["source_compute"], found["dest_compute"]) == ("h1", "h2")
    history = (await cloud.get(f"{SERVERS}/{server.id}/os-instance-actions")).json()["instanceActions"]
    assert "live-migration" in [each["action"] for each in history]
    await is_whole(cloud)


async def test_what_is_paused_stays_so(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await act(cloud, server.id, "pause")
    await cloud.settle()
    answer = await live(cloud, server.id, host="h2")
    assert answer.status_code == 202, answer.text
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == "PAUSED"
    assert {host: each.power for host, each in (await guests(cloud, server.id)).items()} == {"h2": Power.PAUSED}


@pytest.mark.parametrize(
    ("body", "version", "status", "says"),
    [
        (OLD, "2.24", 202, ""),
        ({**OLD, "disk_over_commit": "True"}, "2.1", 202, ""),
        ({"host": None, "block_migration": True}, "2.24", 400, "disk_over_commit"),
        ({**OLD, "block_migration": "auto"}, "2.24", 400, "block_migration"),
        (OLD, "2.25", 400, "disk_over_commit"),
        ({"host": None}, "2.25", 400, "block_migration"),
        ({"block_migration": "auto"}, "2.25", 400, "host"),
        ({**AUTO, "block_migration": "maybe"}, "2.25", 400, "block_migration"),
        ({**AUTO, "block_migration": None}, "2.25", 400, "block_migration"),
        ({**AUTO, "force": True}, "2.29", 400, "force"),
        ({**AUTO, "force": True}, "2.30", 400, "Can't force to a non-provided destination"),
        ({**AUTO, "host": "h2", "force": True}, "2.67", 202, ""),
        ({**AUTO, "force": False}, "2.68", 400, "force"),
        ({**AUTO, "host": "a/b"}, "2.25", 400, "host"),
        ({**AUTO, "host": "nowhere"}, "2.68", 400, "Compute host nowhere not found."),
        ({**AUTO, "host": "h1"}, "2.33", 400, "Unable to migrate instance"),
        ({**AUTO, "block_migration": False}, "2.33", 400, "boot-from-volume with no local disks"),
        ({**AUTO, "host": "h2", "block_migration": "true"}, "2.33", 202, ""),
    ],
)
async def test_what_may_be_asked_at_which_version(
    cloud: RunningCloud, body: dict[str, Any], version: str, status: int, says: str
) -> None:
    server = await made(cloud)
    answer = await act(cloud, server.id, "os-migrateLive", body, version)
    assert answer.status_code == status, answer.text
    assert says in answer.text


async def test_from_2_34_what_stands_against_it_is_told_by_the_action(cloud: RunningCloud) -> None:
    server = await made(cloud)
    service = {"host": "h2", "binary": "nova-compute"}
    await cloud.put("/compute/v2.1/os-services/disable", json=service)
    refused = await live(cloud, server.id, "2.33")
    assert refused.status_code == 400
    assert "HostFilter took 1 (is where it is now)" in refused.text
    assert "taken out of use" in refused.text
    assert (await live(cloud, server.id, "2.34")).status_code == 202
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == "ACTIVE"
    (found,) = await migrations(cloud, server.id)
    assert found["status"] == "error"
    actions = (await cloud.get(f"{SERVERS}/{server.id}/os-instance-actions")).json()["instanceActions"]
    (action,) = [each for each in actions if each["action"] == "live-migration"]
    assert action["message"] == "Error"
    detail = await cloud.get(f"{SERVERS}/{server.id}/os-instance-actions/{action['request_id']}", headers=at("2.84"))
    assert "is where it is now" in str(detail.json()["instanceAction"]["events"])


async def test_a_server_that_does_not_run_is_not_moved_so(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await act(cloud, server.id, "os-stop")
    await cloud.settle()
    answer = await live(cloud, server.id)
    assert answer.status_code == 409
    assert "Cannot 'os-migrateLive' instance" in answer.text
    assert (await live(cloud, uuid4())).status_code == 404


async def test_only_administrators_name_the_host(cloud: RunningCloud) -> None:
    manager = cloud.as_("manager")
    server = await made(cloud, manager)
    assert (await live(cloud.as_("member"), server.id)).status_code == 403
    assert (await live(manager, server.id, host="h2")).status_code == 403
    assert (await live(manager, server.id)).status_code == 202


async def test_how_far_it_is_can_be_seen(cloud: RunningCloud) -> None:
    manager = cloud.as_("manager")
    server = await made(cloud, manager)
    await slowly(cloud, server.id)
    (found,) = (await cloud.get(f"{SERVERS}/{server.id}/migrations", headers=at("2.80"))).json()["migrations"]
    assert (found["status"], found["source_compute"], found["dest_compute"]) == ("running", "h1", "h2")
    assert (found["user_id"], found["server_uuid"]) == (cloud.user_id, str(server.id))
    assert found["memory_total_bytes"] == found["memory_processed_bytes"] + found["memory_remaining_bytes"] > 0
    assert found["disk_total_bytes"] == 1 << 30
    one = await cloud.get(f"{SERVERS}/{server.id}/migrations/{found['id']}", headers=at("2.23"))
    assert {"uuid", "user_id", "project_id"} & one.json()["migration"].keys() == set()
    assert one.json()["migration"]["id"] == found["id"]
    (hidden,) = (await manager.get(f"{SERVERS}/{server.id}/migrations", headers=at("2.59"))).json()["migrations"]
    assert {hidden[name] for name in ("source_compute", "dest_compute", "dest_host", "dest_node")} == {None}
    assert hidden["uuid"] == found["uuid"]
    (listed,) = await migrations(cloud, server.id)
    assert listed["links"][0]["href"].endswith(f"/servers/{server.id}/migrations/{found['id']}")
    assert (await cloud.get(f"{SERVERS}/{server.id}/migrations", headers=at("2.22"))).status_code == 404
    for number in (found["id"] + 1, "none"):
        assert (await cloud.get(f"{SERVERS}/{server.id}/migrations/{number}", headers=at("2.23"))).status_code == 404


async def test_it_may_be_forced_to_its_end(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await slowly(cloud, server.id)
    (found,) = (await cloud.get(f"{SERVERS}/{server.id}/migrations", headers=at("2.23"))).json()["migrations"]
    assert (
        await cloud.post(
            f"{SERVERS}/{server.id}/migrations/{found['id']}/action", json={"force_complete": None}, headers=at("2.21")
        )
    ).status_code == 404
    answer = await cloud.post(
        f"{SERVERS}/{server.id}/migrations/{found['id']}/action", json={"force_complete": None}, headers=at("2.22")
    )
    assert (answer.status_code, answer.text) == (202, "")
    await cloud.settle()
    assert (await shown(cloud, server.id))["OS-EXT-SRV-ATTR:host"] == "h2"
    assert (await cloud.get(f"{SERVERS}/{server.id}/migrations", headers=at("2.23"))).json()["migrations"] == []
    gone = await cloud.get(f"{SERVERS}/{server.id}/migrations/{found['id']}", headers=at("2.23"))
    assert "is not in progress" in gone.text
    late = await cloud.post(
        f"{SERVERS}/{server.id}/migrations/{found['id']}/action", json={"force_complete": None}, headers=at("2.22")
    )
    assert late.status_code == 409
    await is_whole(cloud)


@pytest.mark.parametrize(("verb", "host", "version"), [("ensure_sent", "h1", "2.24"), ("ensure_awaited", "h2", "2.65")])
async def test_it_may_be_called_off(cloud: RunningCloud, verb: str, host: str, version: str) -> None:
    server = await made(cloud)
    before = await used(cloud, server.id)
    await slowly(cloud, server.id, verb, host)
    (found,) = (await cloud.get(f"{SERVERS}/{server.id}/migrations", headers=at("2.23"))).json()["migrations"]
    if verb == "ensure_awaited":
        early = await cloud.delete(f"{SERVERS}/{server.id}/migrations/{found['id']}", headers=at("2.64"))
        assert early.status_code == 400
        assert "Cannot abort live migration while the migration is in this state." in early.text
    assert (
        await cloud.delete(f"{SERVERS}/{server.id}/migrations/{found['id'] + 1}", headers=at(version))
    ).status_code == 404
    answer = await cloud.delete(f"{SERVERS}/{server.id}/migrations/{found['id']}", headers=at(version))
    assert (answer.status_code, answer.text) == (202, "")
    await cloud.settle()
    after = await shown(cloud, server.id)
    assert (after["status"], after["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", "h1")
    assert {at: each.power for at, each in (await guests(cloud, server.id)).items()} == {"h1": Power.ON}
    assert await used(cloud, server.id) == before
    assert (await migrations(cloud, server.id))[0]["status"] == "cancelled"
    await is_whole(cloud)


async def test_one_that_is_deleted_on_its_way_goes_from_both_hosts(cloud: RunningCloud) -> None:
    server = await made(cloud)
    await slowly(cloud, server.id)
    assert (await cloud.delete(f"{SERVERS}/{server.id}")).status_code == 204
    await cloud.settle()
    assert await guests(cloud, server.id) == {}
    await is_whole(cloud)


async def test_one_of_which_nobody_knows_where_it_is_goes_from_both_hosts_when_it_is_deleted(
    cloud: RunningCloud,
) -> None:
    server = await made(cloud)
    left, there = (cloud.world.rims["hypervisor", host]._behind.troubles for host in ("h1", "h2"))
    left.add(Trouble(kind="mute"), verb="ensure_sent")
    assert (await live(cloud, server.id)).status_code == 202
    there.add(Trouble(kind="deaf"), verb="observe")
    await cloud.settle()
    transport, auth = httpx.ASGITransport(app=cloud.world.app), Login("admin", PASSWORD, "admin")  # hours have passed
    async with httpx.AsyncClient(transport=transport, base_url=cloud.http.base_url, auth=auth) as admin:
        assert (await admin.get(f"{SERVERS}/{server.id}")).json()["server"]["status"] == "ERROR"
        assert (await admin.delete(f"{SERVERS}/{server.id}")).status_code == 204
    for troubles in (left, there):
        troubles.clear()
    assert list(await guests(cloud, server.id)) == ["h1", "h2"]
    await cloud.settle()
    assert await guests(cloud, server.id) == {}
    await is_whole(cloud)


async def test_one_that_is_stuck_between_two_hosts_and_deleted_goes_from_both(cloud: RunningCloud) -> None:
    """It has been made there, and the host before, which was let back too early, does not answer."""
    server, troubles = await made(cloud), cloud.world.rims["hypervisor", "h1"]._behind.troubles
    await forced_down(cloud, "h1")
    assert (await act(cloud, server.id, "evacuate", {}, "2.68")).status_code == 200
    troubles.add(Trouble(kind="deaf"))
    await forced_down(cloud, "h1", down=False)
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == "ERROR"
    assert (await cloud.delete(f"{SERVERS}/{server.id}")).status_code == 204
    troubles.clear()
    assert list(await guests(cloud, server.id)) == ["h1", "h2"]
    await cloud.settle()
    assert await guests(cloud, server.id) == {}
    await is_whole(cloud)


async def test_one_that_cannot_be_sent_stays_as_it_was(cloud: RunningCloud) -> None:
    server = await made(cloud)
    cloud.world.rims["hypervisor", "h1"]._behind.troubles.add(Trouble(kind="fail", cause="no way"), verb="ensure_sent")
    assert (await live(cloud, server.id)).status_code == 202
    await cloud.settle()
    assert (await shown(cloud, server.id))["status"] == "ACTIVE"
    assert {at: each.power for at, each in (await guests(cloud, server.id)).items()} == {"h1": Power.ON}
    (found,) = await migrations(cloud, server.id)
    assert (found["status"], found["dest_compute"]) == ("error", "h2")
    await is_whole(cloud)
