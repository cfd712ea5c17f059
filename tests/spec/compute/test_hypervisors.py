"""Hypervisors: hosts as they say they are, and their resource providers."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from pileus.kernel import hosts
from pileus.services.compute.hypervisors import service
from pileus.services.compute.hypervisors.service import Guest
from pileus.services.placement.allocations import service as allocations
from pileus.services.placement.allocations.service import Claim
from support.cloud import RunningCloud
from support.computed import HOST, Guests, a_compute_host, at

HYPERVISORS = "/compute/v2.1/os-hypervisors"
PROVIDERS = "/placement/resource_providers"


async def of(cloud: RunningCloud, name: str) -> service.Hypervisor:
    return (await service.named(cloud.ctx(), [name]))[name]


async def promise(cloud: RunningCloud, name: str, vcpus: int, memory_mib: int, disk_gib: int) -> None:
    """As a server of that size would have it."""
    resources = {(await of(cloud, name)).id: {"VCPU": vcpus, "MEMORY_MB": memory_mib, "DISK_GB": disk_gib}}
    claim = Claim(resources=resources, project_id="p" * 32, user_id="u" * 32)
    await allocations.replace(cloud.ctx(), {str(uuid4()): claim})


async def test_simulated_hosts_are_there_from_the_start(cloud: RunningCloud) -> None:
    found = (await cloud.get(HYPERVISORS)).json()["hypervisors"]
    assert [(each["id"], each["hypervisor_hostname"]) for each in found] == [(1, "h1"), (2, "h2")]
    assert {(each["state"], each["status"]) for each in found} == {("up", "enabled")}


async def test_a_host_is_shown_as_each_microversion_has_it(cloud: RunningCloud) -> None:
    name = await a_compute_host(cloud)
    await promise(cloud, name, 2, 1024, 10)
    cloud.world.memory[Guests] = Guests([Guest(id="s1", name="web", host=name, busy=True)])
    host = await of(cloud, name)
    oldest = (await cloud.get(f"/compute/v2.1/os-hypervisors/{host.number}")).json()["hypervisor"]
    assert json.loads(oldest["cpu_info"]) == {}
    numbers = {
        "vcpus": 2,
        "memory_mb": 4096,
        "local_gb": 50,
        "vcpus_used": 2,
        "memory_mb_used": 1024,
        "local_gb_used": 10,
        "free_ram_mb": 3072,
        "free_disk_gb": 40,
        "disk_available_least": 40,
        "current_workload": 1,
        "running_vms": 1,
    }
    own = {"hypervisor_hostname": name, "hypervisor_type": "QEMU", "hypervisor_version": 7002022}
    state = {"state": "up", "status": "enabled", "host_ip": "192.0.2.7"}
    then = (await cloud.get(f"/compute/v2.1/os-hypervisors/{host.id}", headers=at("2.53"))).json()["hypervisor"]
    behind = {"id": host.service_id, "host": name, "disabled_reason": None}
    assert then == {"id": host.id, **own, **state, **numbers, "cpu_info": {}, "service": behind}
    now = (await cloud.get(f"/compute/v2.1/os-hypervisors/{host.id}", headers=at("2.88"))).json()["hypervisor"]
    assert now == {"id": host.id, **own, **state, "service": behind, "uptime": None}


async def test_servers_are_shown_when_asked_for(cloud: RunningCloud) -> None:
    cloud.world.memory[Guests] = Guests([Guest(id="s1", name="web", host="h1")])
    url = f"{HYPERVISORS}/detail?with_servers=true"
    old, new = [(await cloud.get(url, headers=at(v))).json()["hypervisors"] for v in ("2.53", "2.75")]
    assert [each.get("servers") for each in old] == [[{"uuid": "s1", "name": "web"}], None]
    assert [each.get("servers") for each in new] == [[{"uuid": "s1", "name": "web"}], []]
    found = (await cloud.get("/compute/v2.1/os-hypervisors/h/servers")).json()["hypervisors"]
    assert found[0]["servers"] == [{"uuid": "s1", "name": "web"}]
    one = await cloud.get(f"{HYPERVISORS}/{(await of(cloud, 'h1')).id}?with_servers=1", headers=at("2.53"))
    assert one.json()["hypervisor"]["servers"] == [{"uuid": "s1", "name": "web"}]


async def test_hosts_are_found_by_a_part_of_their_name(cloud: RunningCloud) -> None:
    found = (await cloud.get("/compute/v2.1/os-hypervisors/1/search")).json()["hypervisors"]
    assert [each["hypervisor_hostname"] for each in found] == ["h1"]
    assert (await cloud.get("/compute/v2.1/os-hypervisors/none/search")).status_code == 404
    assert (await cloud.get("/compute/v2.1/os-hypervisors/none/servers")).status_code == 404
    assert (await cloud.get("/compute/v2.1/os-hypervisors/1/search", headers=at("2.53"))).status_code == 404
    later = await cloud.get(f"{HYPERVISORS}?hypervisor_hostname_pattern=2", headers=at("2.53"))
    assert [each["hypervisor_hostname"] for each in later.json()["hypervisors"]] == ["h2"]
    for query, status in (("hypervisor_hostname_pattern=no", 404), ("hypervisor_hostname_pattern=1&limit=1", 400)):
        assert (await cloud.get(f"{HYPERVISORS}?{query}", headers=at("2.53"))).status_code == status


async def test_the_list_is_paged_from_2_33_on(cloud: RunningCloud) -> None:
    for version in ("2.33", "2.53"):
        first = (await cloud.get(f"{HYPERVISORS}?limit=1", headers=at(version))).json()
        (link,) = first["hypervisors_links"]
        rest = (await cloud.get(link["href"], headers=at(version))).json()
        names = [each["hypervisor_hostname"] for each in first["hypervisors"] + rest["hypervisors"]]
        assert names == ["h1", "h2"]
        assert "hypervisors_links" not in rest
        assert (await cloud.get(f"{HYPERVISORS}?marker=none", headers=at(version))).status_code == 400
    assert (await cloud.get(f"{HYPERVISORS}?colour=red", headers=at("2.53"))).status_code == 400


async def test_statistics_add_all_hosts_up_until_2_87(cloud: RunningCloud) -> None:
    await promise(cloud, "h1", 2, 1024, 10)
    answer = await cloud.get("/compute/v2.1/os-hypervisors/statistics", headers=at("2.87"))
    total = answer.json()["hypervisor_statistics"]
    assert (total["count"], total["vcpus"], total["vcpus_used"], total["free_ram_mb"]) == (2, 128, 2, 2 * 262144 - 1024)
    assert (await cloud.get("/compute/v2.1/os-hypervisors/statistics", headers=at("2.88"))).status_code == 404


async def test_uptime_is_told_by_no_engine(cloud: RunningCloud) -> None:
    assert (await cloud.get("/compute/v2.1/os-hypervisors/1/uptime")).status_code == 501
    assert (await cloud.get("/compute/v2.1/os-hypervisors/99/uptime")).status_code == 404


@pytest.mark.parametrize(("id_", "version", "status"), [("99", "2.1", 404), ("x", "2.1", 404), ("1", "2.53", 400)])
async def test_an_id_that_is_none(cloud: RunningCloud, id_: str, version: str, status: int) -> None:
    answer = await cloud.get(f"/compute/v2.1/os-hypervisors/{id_}", headers=at(version))
    assert answer.status_code == status


async def test_only_administrators_see_hosts(cloud: RunningCloud) -> None:
    for path in ("", "/detail", "/1", "/statistics", "/1/uptime", "/h/search", "/h/servers"):
        assert (await cloud.as_("manager").get(f"{HYPERVISORS}{path}")).status_code == 403


# resource providers


async def provider(cloud: RunningCloud, name: str) -> dict[str, Any]:
    """What Placement says of the host."""
    newest = {"OpenStack-API-Version": "placement latest"}
    (found,) = (await cloud.get(f"{PROVIDERS}?name={name}", headers=newest)).json()["resource_providers"]
    url = f"{PROVIDERS}/{found['uuid']}"
    inventories = (await cloud.get(f"{url}/inventories", headers=newest)).json()["inventories"]
    traits = (await cloud.get(f"{url}/traits", headers=newest)).json()["traits"]
    return {"id": found["uuid"], "inventories": inventories, "traits": set(traits)}


async def report(cloud: RunningCloud, name: str, **facts: Any) -> None:
    said = {"described": {"hypervisor": {**HOST, **facts}}}
    await cloud.world.hosts.renew(cloud.ctx(), name, address="192.0.2.7:8790", facts=said)


async def test_a_host_that_reports_has_a_provider_that_follows(cloud: RunningCloud) -> None:
    name = await a_compute_host(cloud)
    before = await provider(cloud, name)
    assert before["id"] == (await of(cloud, name)).id
    amounts = {"min_unit": 1, "step_size": 1}
    cpus = {"total": 2, "reserved": 0, "max_unit": 2, "allocation_ratio": 4.0, **amounts}
    memory = {"total": 4096, "reserved": 512, "max_unit": 4096, "allocation_ratio": 1.0, **amounts}
    disk = {"total": 50, "reserved": 0, "max_unit": 50, "allocation_ratio": 1.0, **amounts}
    assert before["inventories"] == {"VCPU": cpus, "MEMORY_MB": memory, "DISK_GB": disk}
    assert before["traits"] == {"COMPUTE_NODE", "HW_CPU_X86_AVX2", "CUSTOM_FAST"}
    await report(cloud, name, vcpus=4, traits=["HW_CPU_X86_VMX"])
    after = await provider(cloud, name)
    assert after["inventories"]["VCPU"]["total"] == 4
    assert after["traits"] == {"COMPUTE_NODE", "HW_CPU_X86_VMX"}


async def test_what_an_operator_adds_to_the_provider_stays(cloud: RunningCloud) -> None:
    name = await a_compute_host(cloud)
    id_ = (await of(cloud, name)).id
    newest = {"OpenStack-API-Version": "placement latest"}
    more = {"resource_class": "PCI_DEVICE", "total": 1}
    assert (await cloud.post(f"{PROVIDERS}/{id_}/inventories", json=more, headers=newest)).status_code == 201
    generation = (await cloud.get(f"{PROVIDERS}/{id_}")).json()["generation"]
    traits = {"traits": ["COMPUTE_NODE", "STORAGE_DISK_SSD"], "resource_provider_generation": generation}
    assert (await cloud.put(f"{PROVIDERS}/{id_}/traits", json=traits, headers=newest)).status_code == 200
    await report(cloud, name, vcpus=8)
    after = await provider(cloud, name)
    assert after["inventories"].keys() == {"VCPU", "MEMORY_MB", "DISK_GB", "PCI_DEVICE"}
    assert {"STORAGE_DISK_SSD", "HW_CPU_X86_AVX2", "COMPUTE_NODE"} <= after["traits"]


async def test_a_report_that_says_nothing_new_changes_nothing(cloud: RunningCloud) -> None:
    name = await a_compute_host(cloud)
    url = f"{PROVIDERS}/{(await of(cloud, name)).id}"
    before = (await cloud.get(url)).json()["generation"]
    await report(cloud, name)
    assert (await cloud.get(url)).json()["generation"] == before


async def test_a_provider_that_was_deleted_comes_back_with_the_next_report(cloud: RunningCloud) -> None:
    name = await a_compute_host(cloud)
    id_ = (await of(cloud, name)).id
    assert (await cloud.delete(f"{PROVIDERS}/{id_}")).status_code == 204
    await report(cloud, name)
    after = await provider(cloud, name)
    assert (after["id"], len(after["inventories"])) == (id_, 3)


async def test_many_reports_at_once_make_one_host(cloud: RunningCloud) -> None:
    name = f"n{uuid4().hex}"
    async with cloud.ctx().transaction() as ctx:
        await hosts.join(ctx, name, serial=name, address="192.0.2.7:8790")
    await asyncio.gather(*(report(cloud, name) for _ in range(8)))
    assert len([host for host in await service.list_(cloud.ctx()) if host.name == name]) == 1


async def test_a_machine_takes_the_name_of_one_that_is_no_more(cloud: RunningCloud) -> None:
    name = await a_compute_host(cloud)
    before = (await of(cloud, name)).id
    await promise(cloud, name, 1, 64, 1)
    await hosts.fence(cloud.ctx(), name)
    await hosts.delete(cloud.ctx(), name)
    async with cloud.ctx().transaction() as ctx:
        await hosts.join(ctx, name, serial="another", address="192.0.2.8:8790")
    await report(cloud, name)
    assert (await of(cloud, name)).id == before, "what it had promised is not given up yet"
    for consumer in await allocations.of_provider(cloud.ctx(), before):
        await allocations.release(cloud.ctx(), [consumer.consumer_id])
    await report(cloud, name)
    assert (await provider(cloud, name))["id"] == (await of(cloud, name)).id != before


@pytest.mark.parametrize("said", [{}, {"described": {}}, {"described": {"hypervisor": {"vcpus": "many"}}}])
async def test_a_host_that_says_nothing_of_use_gets_no_provider(cloud: RunningCloud, said: dict[str, Any]) -> None:
    name = f"n{uuid4().hex}"
    async with cloud.ctx().transaction() as ctx:
        await hosts.join(ctx, name, serial=name, address="192.0.2.7:8790")
    await cloud.world.hosts.renew(cloud.ctx(), name, address="192.0.2.7:8790", facts=said)
    assert name not in await service.named(cloud.ctx(), [name])
