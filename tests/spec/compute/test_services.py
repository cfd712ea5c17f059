"""Compute services, and hosts as they were shown until 2.42."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from pileus.kernel import hosts
from pileus.services.compute.hypervisors import service
from pileus.services.compute.hypervisors.service import Guest
from pileus.services.placement.traits import service as traits
from support.cloud import RunningCloud
from support.computed import Guests, a_compute_host, an_aggregate, at

SERVICES = "/compute/v2.1/os-services"


async def of(cloud: RunningCloud, name: str = "h1") -> service.Hypervisor:
    return (await service.named(cloud.ctx(), [name]))[name]


async def test_each_host_has_its_service(cloud: RunningCloud) -> None:
    found = (await cloud.get(SERVICES)).json()["services"]
    first = {"id": 1, "binary": "nova-compute", "host": "h1", "zone": "nova", "status": "enabled", "state": "up"}
    assert found[0] == {**first, "updated_at": found[0]["updated_at"], "disabled_reason": None}
    assert [each["host"] for each in found] == ["h1", "h2"]
    newer = (await cloud.get(SERVICES, headers=at("2.53"))).json()["services"][0]
    assert (newer["id"], newer["forced_down"]) == ((await of(cloud)).service_id, False)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("host=h2", ["h2"]),
        ("host=none", []),
        ("binary=nova-compute", ["h1", "h2"]),
        ("binary=nova-scheduler", []),
        ("host=h1&binary=nova-compute", ["h1"]),
        ("xxx=h1", ["h1", "h2"]),
    ],
)
async def test_services_are_found_by_host_and_binary(cloud: RunningCloud, query: str, names: list[str]) -> None:
    found = (await cloud.get(f"{SERVICES}?{query}")).json()["services"]
    assert [each["host"] for each in found] == names


async def test_unknown_parameters_are_refused_from_2_75_on(cloud: RunningCloud) -> None:
    assert (await cloud.get(f"{SERVICES}?xxx=h1", headers=at("2.75"))).status_code == 400


async def test_a_service_is_changed_by_its_id_from_2_53_on(cloud: RunningCloud) -> None:
    host = await of(cloud)
    url = f"/compute/v2.1/os-services/{host.service_id}"

    async def changed(**body: Any) -> Any:
        return await cloud.put(url, json=body, headers=at("2.53"))

    off = (await changed(status="disabled", disabled_reason="mending")).json()["service"]
    assert (off["status"], off["disabled_reason"], off["id"], off["zone"]) == (
        "disabled",
        "mending",
        host.service_id,
        "nova",
    )
    assert "COMPUTE_STATUS_DISABLED" in await traits.of(cloud.ctx(), host.id)
    assert (await changed(forced_down="true")).json()["service"]["state"] == "down"
    on = (await changed(status="enabled", forced_down=False)).json()["service"]
    assert (on["status"], on["disabled_reason"], on["state"]) == ("enabled", None, "up")
    assert "COMPUTE_STATUS_DISABLED" not in await traits.of(cloud.ctx(), host.id)
    for wrong in ({}, {"disabled_reason": "x"}, {"status": "enabled", "disabled_reason": "x"}, {"status": "gone"}):
        assert (await changed(**wrong)).status_code == 400
    for id_, status in (("x", 400), (str(uuid4()), 404)):
        answer = await cloud.put(f"/compute/v2.1/os-services/{id_}", json={"status": "enabled"}, headers=at("2.53"))
        assert answer.status_code == status


async def test_a_service_was_changed_by_its_name_until_2_52(cloud: RunningCloud) -> None:
    named = {"host": "h1", "binary": "nova-compute"}

    async def said(action: str, version: str = "2.1", **more: Any) -> Any:
        url = f"/compute/v2.1/os-services/{action}"
        return await cloud.put(url, json={**named, **more}, headers=at(version))

    assert (await said("disable")).json() == {"service": {**named, "status": "disabled"}}
    reason = {"disabled_reason": "mending"}
    answer = await said("disable-log-reason", **reason)
    assert answer.json() == {"service": {**named, "status": "disabled", **reason}}
    assert (await of(cloud)).disabled_reason == "mending"
    assert (await said("enable")).json() == {"service": {**named, "status": "enabled"}}
    down = await said("force-down", "2.11", forced_down=True)
    assert down.json() == {"service": {**named, "forced_down": True}}
    assert not (await of(cloud)).up
    assert (await said("force-down", "2.11")).status_code == 400
    assert (await said("force-down", "2.10")).status_code == 404
    assert (await said("disable-log-reason")).status_code == 400
    assert (await said("mend")).status_code == 404
    assert (await said("enable", host="none")).status_code == 404
    assert (await said("enable", binary="nova-scheduler")).status_code == 400


async def test_a_service_without_servers_can_be_deleted(cloud: RunningCloud) -> None:
    name = await a_compute_host(cloud)
    aggregate_id = await an_aggregate(cloud)
    url = f"/compute/v2.1/os-aggregates/{aggregate_id}"
    await cloud.post(f"{url}/action", json={"add_host": {"host": name}})
    host = await of(cloud, name)
    service_url = f"/compute/v2.1/os-services/{host.service_id}"
    cloud.world.memory[Guests] = Guests([Guest(id="s1", name="web", host=name)])
    assert (await cloud.delete(service_url, headers=at("2.53"))).status_code == 409
    del cloud.world.memory[Guests]
    assert (await cloud.delete(service_url, headers=at("2.53"))).status_code == 204
    assert (await cloud.get(url)).json()["aggregate"]["hosts"] == []
    assert (await cloud.get(f"/placement/resource_providers/{host.id}")).status_code == 404
    assert (await cloud.delete(service_url, headers=at("2.53"))).status_code == 404
    assert (await cloud.delete("/compute/v2.1/os-services/x")).status_code == 400
    assert (await cloud.delete("/compute/v2.1/os-services/99")).status_code == 404


async def test_a_host_whose_lease_has_run_out_is_down(cloud: RunningCloud) -> None:
    name = await a_compute_host(cloud)
    assert (await of(cloud, name)).up
    await hosts.fence(cloud.ctx(), name)
    (found,) = (await cloud.get(f"{SERVICES}?host={name}")).json()["services"]
    assert found["state"] == "down"


async def test_only_administrators_see_services(cloud: RunningCloud) -> None:
    member = cloud.as_("manager")
    assert (await member.get(SERVICES)).status_code == 403
    body = {"host": "h1", "binary": "nova-compute"}
    assert (await member.put("/compute/v2.1/os-services/disable", json=body)).status_code == 403
    assert (await member.delete("/compute/v2.1/os-services/1")).status_code == 403


# hosts


async def test_hosts_are_listed_until_2_42(cloud: RunningCloud) -> None:
    url = "/compute/v2.1/os-hosts"
    found = (await cloud.get(url)).json()["hosts"]
    assert found[0] == {"host_name": "h1", "service": "compute", "zone": "nova"}
    for zone, count in (("nova", 2), ("", 2), ("none", 0)):
        assert len((await cloud.get(f"{url}?zone={zone}")).json()["hosts"]) == count
    assert (await cloud.get(url, headers=at("2.43"))).status_code == 404


async def test_a_host_shows_what_it_has(cloud: RunningCloud) -> None:
    told = (await cloud.get("/compute/v2.1/os-hosts/h1")).json()["host"]
    assert told[0] == {
        "resource": {"host": "h1", "project": "(total)", "cpu": 64, "memory_mb": 262144, "disk_gb": 4096}
    }
    assert [each["resource"]["project"] for each in told] == ["(total)", "(used_now)", "(used_max)"]
    assert (await cloud.get("/compute/v2.1/os-hosts/none")).status_code == 404


async def test_a_host_is_switched_on_and_off_for_new_servers_only(cloud: RunningCloud) -> None:
    answer = await cloud.put("/compute/v2.1/os-hosts/h1", json={"status": "disable"})
    assert answer.json() == {"host": "h1", "status": "disabled"}
    assert not (await of(cloud)).enabled
    assert (await cloud.put("/compute/v2.1/os-hosts/h1", json={"status": "enable"})).json()["status"] == "enabled"
    assert (await cloud.put("/compute/v2.1/os-hosts/h1", json={})).status_code == 400
    assert (await cloud.put("/compute/v2.1/os-hosts/no", json={"status": "enable"})).status_code == 404
    assert (await cloud.put("/compute/v2.1/os-hosts/h1", json={"maintenance_mode": "enable"})).status_code == 501
    assert (await cloud.get("/compute/v2.1/os-hosts/h1/reboot")).status_code == 501
    assert (await cloud.get("/compute/v2.1/os-hosts/h1/shutdown")).status_code == 501
    assert (await cloud.get("/compute/v2.1/os-hosts/h1/startup")).status_code == 501
    assert (await cloud.get("/compute/v2.1/os-hosts/no/startup")).status_code == 404
