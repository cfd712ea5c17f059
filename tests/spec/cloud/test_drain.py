"""/pileus/v1/hosts/{name}/drain: a host that shall be empty."""

from __future__ import annotations

from typing import Any

from pileus.kernel import hosts
from pileus.kernel.verify import verify
from support.cloud import RunningCloud
from support.computed import at
from support.served import SERVERS, made

URL = "/pileus/v1/hosts"


async def planned(cloud: RunningCloud, host: str) -> dict[str, Any]:
    """By server, what would become of it."""
    answer = await cloud.get(f"{URL}/{host}/drain")
    assert answer.status_code == 200, answer.text
    return {each["server"]: each for each in answer.json()["drain"]}


async def begun(cloud: RunningCloud, host: str) -> dict[str, Any]:
    answer = await cloud.post(f"{URL}/{host}/action", json={"drain": None})
    assert answer.status_code == 202, answer.text
    return {each["server"]: each for each in answer.json()["drain"]}


async def test_it_is_said_what_goes_where_and_nothing_is_done(cloud: RunningCloud) -> None:
    server = await made(cloud, name="web")
    before = (await cloud.get(f"/placement/allocations/{server.id}")).json()["allocations"]
    found = await planned(cloud, "h1")
    assert found == {
        str(server.id): {
            "server": str(server.id),
            "name": "web",
            "status": "ACTIVE",
            "to": "h2",
            "how": "live",
            "why": "it runs",
            "why_not": None,
        }
    }
    assert (await cloud.get(f"/placement/allocations/{server.id}")).json()["allocations"] == before
    services = (await cloud.get("/compute/v2.1/os-services?host=h1")).json()["services"]
    assert services[0]["status"] == "enabled"
    assert await planned(cloud, "h2") == {}


async def test_what_can_move_does_and_needs_no_word_more(cloud: RunningCloud) -> None:
    runs, stopped, paused, asleep = [await made(cloud, name=name) for name in ("a", "b", "c", "d")]
    for server, action in ((stopped, "os-stop"), (paused, "pause"), (asleep, "suspend")):
        await cloud.post(f"{SERVERS}/{server.id}/action", json={action: None})
        await cloud.settle()
    found = await begun(cloud, "h1")
    how = [(found[str(each.id)]["to"], found[str(each.id)]["how"]) for each in (runs, paused, stopped, asleep)]
    assert how == [("h2", "live"), ("h2", "live"), ("h2", "cold"), (None, None)]
    assert "vm_state suspended" in found[str(asleep.id)]["why_not"]
    await cloud.settle()
    ends = ((runs, "h2", "ACTIVE"), (paused, "h2", "PAUSED"), (stopped, "h2", "SHUTOFF"), (asleep, "h1", "SUSPENDED"))
    for server, host, status in ends:
        shown = (await cloud.get(f"{SERVERS}/{server.id}")).json()["server"]
        assert (shown["OS-EXT-SRV-ATTR:host"], shown["status"]) == (host, status)
    there = {host: await cloud.world.engine("hypervisor", host).observe() for host in ("h1", "h2")}
    assert {host: set(each) for host, each in there.items()} == {
        "h1": {asleep.id},
        "h2": {runs.id, paused.id, stopped.id},
    }
    listed = (await cloud.get("/compute/v2.1/os-migrations", headers=at("2.59"))).json()["migrations"]
    assert sorted(each["status"] for each in listed) == ["completed", "completed", "confirmed"]
    (service,) = (await cloud.get("/compute/v2.1/os-services?host=h1")).json()["services"]
    assert (service["status"], service["disabled_reason"]) == ("disabled", "drained")
    assert list(await planned(cloud, "h1")) == [str(asleep.id)]
    assert not (await verify(cloud.ctx())).differences


async def test_each_has_its_place_before_the_next(cloud: RunningCloud) -> None:
    """What would not fit any more when others have moved is said before any does."""
    servers = [await made(cloud, name=name) for name in ("a", "b")]
    (provider,) = (await cloud.get("/placement/resource_providers?name=h2")).json()["resource_providers"]
    url = f"/placement/resource_providers/{provider['uuid']}/inventories/MEMORY_MB"
    now = (await cloud.get(url)).json()
    room = {**now, "total": 200, "reserved": 0, "allocation_ratio": 1.0, "max_unit": 200}
    assert (await cloud.put(url, json=room)).status_code == 200
    found = await planned(cloud, "h1")
    first, second = (found[str(each.id)] for each in servers)
    assert (first["to"], second["to"]) == ("h2", None)
    assert "Placement: h2 (has not 192 MiB of memory free)" in second["why_not"]


async def test_a_host_that_is_down_is_evacuated_instead(cloud: RunningCloud) -> None:
    server = await made(cloud)
    body = {"host": "h1", "binary": "nova-compute", "forced_down": True}
    await cloud.put("/compute/v2.1/os-services/force-down", json=body, headers=at("2.11"))
    found = await planned(cloud, "h1")
    assert found[str(server.id)]["why_not"] == "The host h1 is down: evacuate the server."


async def test_a_host_without_guests_has_nothing_to_move(cloud: RunningCloud) -> None:
    async with cloud.ctx().transaction() as ctx:
        await hosts.join(ctx, "disks", serial="1", address="")
    assert await planned(cloud, "disks") == await begun(cloud, "disks") == {}


async def test_only_administrators_drain(cloud: RunningCloud) -> None:
    assert (await cloud.get(f"{URL}/none/drain")).status_code == 404
    for client in (cloud.as_("manager"), cloud.as_("member")):
        assert (await client.get(f"{URL}/h1/drain")).status_code == 403
        assert (await client.post(f"{URL}/h1/action", json={"drain": None})).status_code == 403
