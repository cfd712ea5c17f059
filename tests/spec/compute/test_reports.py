"""What servers tell the rest of Compute: who is in a group, what a project uses, when they were there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pileus.kernel.clock import SteppingClock
from pileus.services.compute.server_groups import service as server_groups
from support.cloud import RunningCloud
from support.computed import at
from support.served import ctx_of, made

USAGES = "/compute/v2.1/os-simple-tenant-usage"
HOUR_S = 3600.0


def pass_by(cloud: RunningCloud, seconds: float) -> None:
    assert isinstance(cloud.world.clock, SteppingClock)
    cloud.world.clock.advance(seconds)


async def a_group(cloud: RunningCloud) -> str:
    return str((await server_groups.create(ctx_of(cloud), "g", "affinity", None)).id)


def span(cloud: RunningCloud) -> str:
    """The last day, up to now."""
    now = cloud.ctx().now()
    start, end = (datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") for t in (now - 86_400, now))
    return f"start={start}&end={end}"


async def test_a_group_shows_the_servers_in_it_until_they_go(cloud: RunningCloud) -> None:
    group_id = await a_group(cloud)
    server = await made(cloud, hints={"group": [group_id]})
    url = f"/compute/v2.1/os-server-groups/{group_id}"
    assert (await cloud.get(url)).json()["server_group"]["members"] == [str(server.id)]
    (listed,) = (await cloud.get("/compute/v2.1/os-server-groups")).json()["server_groups"]
    assert listed["members"] == [str(server.id)]
    assert (await cloud.delete(f"/compute/v2.1/servers/{server.id}")).status_code == 204
    await cloud.settle()
    assert (await cloud.get(url)).json()["server_group"]["members"] == []


async def test_a_group_that_is_deleted_leaves_its_servers(cloud: RunningCloud) -> None:
    group_id = await a_group(cloud)
    server = await made(cloud, hints={"group": [group_id]})
    assert (await cloud.delete(f"/compute/v2.1/os-server-groups/{group_id}")).status_code == 204
    shown = (await cloud.get(f"/compute/v2.1/servers/{server.id}", headers=at("2.71"))).json()["server"]
    assert shown["server_groups"] == []


async def test_quotas_and_limits_count_servers(cloud: RunningCloud) -> None:
    await made(cloud)
    url = f"/compute/v2.1/os-quota-sets/{cloud.project_id}/detail"
    found = (await cloud.get(url)).json()["quota_set"]
    used = {name: found[name]["in_use"] for name in ("instances", "cores", "ram")}
    assert used == {"instances": 1, "cores": 1, "ram": 192}
    absolute = (await cloud.get("/compute/v2.1/limits")).json()["limits"]["absolute"]
    assert (absolute["totalInstancesUsed"], absolute["totalRAMUsed"]) == (1, 192)


async def test_a_host_shows_what_its_servers_take(cloud: RunningCloud) -> None:
    await made(cloud)
    found = (await cloud.get("/compute/v2.1/os-hypervisors/detail", headers=at("2.53"))).json()["hypervisors"]
    assert sorted((host["vcpus_used"], host["memory_mb_used"]) for host in found) == [(0, 0), (1, 192)]


async def test_usage_is_that_of_the_servers_also_of_deleted_ones(cloud: RunningCloud) -> None:
    first, second = await made(cloud), await made(cloud, cloud.as_("member"))
    pass_by(cloud, HOUR_S)
    await cloud.delete(f"/compute/v2.1/servers/{first.id}")
    await cloud.settle()
    usage = (await cloud.get(f"{USAGES}/{cloud.project_id}?{span(cloud)}")).json()["tenant_usage"]
    assert usage["total_hours"] == pytest.approx(1.0, abs=0.1)
    assert usage["total_memory_mb_usage"] == pytest.approx(192 * usage["total_hours"])
    (one,) = usage["server_usages"]
    assert (one["instance_id"], one["state"], one["vcpus"]) == (str(first.id), "terminated", 1)
    assert one["ended_at"] is not None
    every = (await cloud.get(f"{USAGES}?{span(cloud)}&detailed=1")).json()["tenant_usages"]
    assert {each["tenant_id"] for each in every} == {cloud.project_id, cloud.as_("member").project_id}
    running = next(each for each in every if each["tenant_id"] != cloud.project_id)["server_usages"][0]
    assert (running["instance_id"], running["state"], running["ended_at"]) == (str(second.id), "active", None)
    brief = (await cloud.get(f"{USAGES}?{span(cloud)}")).json()["tenant_usages"]
    assert "server_usages" not in brief[0]


async def test_usage_is_paged_by_server_from_2_40_on(cloud: RunningCloud) -> None:
    servers = {str((await made(cloud)).id) for _ in range(3)}
    pass_by(cloud, 60.0)
    seen: list[str] = []
    url: str | None = f"{USAGES}/{cloud.project_id}?{span(cloud)}&limit=2"
    while url is not None:
        page: dict[str, Any] = (await cloud.get(url, headers=at("2.40"))).json()
        seen += [each["instance_id"] for each in page["tenant_usage"].get("server_usages", ())]
        url = page["tenant_usage_links"][0]["href"] if "tenant_usage_links" in page else None
    assert (len(seen), set(seen)) == (3, servers)


async def test_an_event_of_a_server_is_heard(cloud: RunningCloud) -> None:
    server = await made(cloud)
    event = {"name": "volume-extended", "server_uuid": str(server.id), "tag": "x"}
    url = "/compute/v2.1/os-server-external-events"
    answer = await cloud.post(url, json={"events": [event]}, headers=at("2.51"))
    assert (answer.status_code, answer.json()["events"]) == (200, [{**event, "status": "completed", "code": 200}])
    del event["tag"]
    answer = await cloud.post(url, json={"events": [event]}, headers=at("2.51"))
    assert (answer.status_code, answer.json()["events"][0]["code"]) == (207, 400)
