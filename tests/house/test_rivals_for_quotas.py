"""Of 16 who ask at once for the last of a quota one gets it, on PostgreSQL, where they truly overlap. Asked by HTTP.

Each kind of quota has a line in HELD: one rival for every way to use more of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

import pileus.world  # noqa: F401 (with it come all services, and their quotas)
from house.test_rivals import RIVALS
from pileus.kernel.operations import Worker
from pileus.kernel.quota import QuotaKind
from pileus.services.compute.flavors import service as flavors
from pileus.services.compute.flavors.service import Flavor
from pileus.services.identity.registered_limits import service as registered_limits
from pileus.services.identity.services import service as services
from support.block_storage import unlimited
from support.cloud import Client, RunningCloud
from support.computed import at
from support.imaged import IMAGES, OCTETS, registered, staged
from support.served import SERVERS, TINY, an_image

NETWORK, VOLUME = "/network/v2.0", "/volume/v3"
MIB = 1 << 20

Ask = Callable[[int], Awaitable[httpx.Response]]
"""What one of the rivals asks for, by its number."""
Rivalry = Callable[[RunningCloud], Awaitable[Ask]]
"""Makes what the rivals need before there is a limit."""


def there(answer: httpx.Response) -> Any:
    """What was made."""
    assert answer.is_success, answer.text
    (body,) = answer.json().values()
    return body


def made(path: str, noun: str, wanted: Callable[[int], dict[str, Any]]) -> Rivalry:
    """Something for which nothing else need be there."""

    async def rivalry(cloud: RunningCloud) -> Ask:
        return lambda n: cloud.post(path, json={noun: wanted(n)})

    return rivalry


# Compute


def server(image_id: str, n: int) -> dict[str, Any]:
    return {"name": f"s{n}", "flavorRef": TINY, "imageRef": image_id, "networks": "none"}


async def boot(cloud: RunningCloud) -> Ask:
    image_id = await an_image(cloud)
    return lambda n: cloud.post(SERVERS, json={"server": server(image_id, n)}, headers=at("2.37"))


async def boot_in_a_group(cloud: RunningCloud) -> Ask:
    image_id = await an_image(cloud)
    named = {"server_group": {"name": "g", "policies": ["affinity"]}}
    hints = {"group": there(await cloud.post("/compute/v2.1/os-server-groups", json=named))["id"]}

    def ask(n: int) -> Awaitable[httpx.Response]:
        body = {"server": server(image_id, n), "os:scheduler_hints": hints}
        return cloud.post(SERVERS, json=body, headers=at("2.37"))

    return ask


async def resize(cloud: RunningCloud) -> Ask:
    """To one CPU and 64 MiB more."""
    await limit(cloud, "compute", instances=-1, cores=-1, ram=-1)
    await flavors.create(cloud.ctx(), Flavor(id="more", name="more", memory_mib=256, vcpus=2, disk_gib=1))
    boots = await boot(cloud)
    ids = [there(await boots(n))["id"] for n in range(RIVALS)]
    await cloud.settle()
    return lambda n: cloud.post(f"{SERVERS}/{ids[n]}/action", json={"resize": {"flavorRef": "more"}})


# Networking


async def a_network(cloud: RunningCloud, **more: Any) -> str:
    return str(there(await cloud.post(f"{NETWORK}/networks", json={"network": more}))["id"])


async def subnet(cloud: RunningCloud) -> Ask:
    place = {"network_id": await a_network(cloud), "ip_version": 4}
    return lambda n: cloud.post(f"{NETWORK}/subnets", json={"subnet": {**place, "cidr": f"10.0.{n}.0/24"}})


async def port(cloud: RunningCloud) -> Ask:
    network_id = await a_network(cloud)
    return lambda _: cloud.post(f"{NETWORK}/ports", json={"port": {"network_id": network_id}})


async def floating_ip(cloud: RunningCloud) -> Ask:
    outside = await a_network(cloud, **{"router:external": True})
    place = {"network_id": outside, "ip_version": 4, "cidr": "203.0.113.0/24"}
    there(await cloud.post(f"{NETWORK}/subnets", json={"subnet": place}))
    return lambda _: cloud.post(f"{NETWORK}/floatingips", json={"floatingip": {"floating_network_id": outside}})


async def security_group(cloud: RunningCloud) -> Ask:
    """There is the default one."""
    assert len(there(await cloud.get(f"{NETWORK}/security-groups?project_id={cloud.project_id}"))) == 1
    return lambda n: cloud.post(f"{NETWORK}/security-groups", json={"security_group": {"name": f"g{n}"}})


async def security_group_rule(cloud: RunningCloud) -> Ask:
    """There are the four of the default group."""
    [group] = there(await cloud.get(f"{NETWORK}/security-groups?project_id={cloud.project_id}"))
    assert len(group["security_group_rules"]) == 4
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}

    def ask(n: int) -> Awaitable[httpx.Response]:
        ports = {"port_range_min": n + 1, "port_range_max": n + 1}
        return cloud.post(f"{NETWORK}/security-group-rules", json={"security_group_rule": {**rule, **ports}})

    return ask


async def rbac_policy(cloud: RunningCloud) -> Ask:
    what = {"object_type": "network", "object_id": await a_network(cloud), "action": "access_as_shared"}
    return lambda n: cloud.post(
        f"{NETWORK}/rbac-policies", json={"rbac_policy": {**what, "target_tenant": f"{n:032x}"}}
    )


# Image


async def register(cloud: RunningCloud) -> Ask:
    return lambda n: cloud.post(IMAGES, json={"name": f"i{n}"})


def write(where: str, size: int) -> Rivalry:
    async def rivalry(cloud: RunningCloud) -> Ask:
        ids = [(await registered(cloud))["id"] for _ in range(RIVALS)]
        return lambda n: cloud.put(f"{IMAGES}/{ids[n]}/{where}", content=bytes(size), headers=OCTETS)

    return rivalry


# Block Storage


async def volumes(cloud: RunningCloud, who: Client, many: int = RIVALS) -> list[str]:
    await unlimited(cloud)
    ids = [there(await who.post(f"{VOLUME}/volumes", json={"volume": {"size": 1}}))["id"] for _ in range(many)]
    await cloud.settle()
    return ids


async def snapshot(cloud: RunningCloud) -> Ask:
    ids = await volumes(cloud, cloud)
    return lambda n: cloud.post(f"{VOLUME}/snapshots", json={"snapshot": {"volume_id": ids[n]}})


async def extend(cloud: RunningCloud) -> Ask:
    ids = await volumes(cloud, cloud)
    return lambda n: cloud.post(f"{VOLUME}/volumes/{ids[n]}/action", json={"os-extend": {"new_size": 2}})


async def another_type(cloud: RunningCloud) -> None:
    there(await cloud.post(f"{VOLUME}/types", json={"volume_type": {"name": "other"}}))


async def volume_of_a_type(cloud: RunningCloud) -> Ask:
    await another_type(cloud)
    return lambda _: cloud.post(f"{VOLUME}/volumes", json={"volume": {"size": 1, "volume_type": "other"}})


async def retype(cloud: RunningCloud) -> Ask:
    await another_type(cloud)
    ids = await volumes(cloud, cloud)
    body = {"os-retype": {"new_type": "other", "migration_policy": "never"}}
    return lambda n: cloud.post(f"{VOLUME}/volumes/{ids[n]}/action", json=body)


async def accept(cloud: RunningCloud) -> Ask:
    """Volumes that somebody gives away, each with a snapshot."""
    giver, newest = cloud.as_("member"), {"OpenStack-API-Version": "volume 3.55"}
    offered = []
    for volume_id in await volumes(cloud, giver):
        there(await giver.post(f"{VOLUME}/snapshots", json={"snapshot": {"volume_id": volume_id}}))
        await cloud.settle()
        body = {"transfer": {"volume_id": volume_id}}
        offered.append(there(await giver.post(f"{VOLUME}/volume-transfers", json=body, headers=newest)))

    def ask(n: int) -> Awaitable[httpx.Response]:
        path = f"{VOLUME}/volume-transfers/{offered[n]['id']}/accept"
        return cloud.post(path, json={"accept": {"auth_key": offered[n]["auth_key"]}}, headers=newest)

    return ask


volume = made(f"{VOLUME}/volumes", "volume", lambda _: {"size": 1})
KEYPAIRS, GROUPS = "/compute/v2.1/os-keypairs", "/compute/v2.1/os-server-groups"

HELD: dict[str, list[tuple[Rivalry, int]] | str] = {
    "compute instances": [(boot, 1)],
    "compute cores": [(boot, 1), (resize, RIVALS + 1)],
    "compute ram": [(boot, 192), (resize, RIVALS * 192 + 64)],
    "compute key_pairs": [(made(KEYPAIRS, "keypair", lambda n: {"name": f"k{n}"}), 1)],
    "compute server_groups": [(made(GROUPS, "server_group", lambda n: {"name": f"g{n}", "policies": ["affinity"]}), 1)],
    "compute server_group_members": [(boot_in_a_group, 1)],
    "network network": [(made(f"{NETWORK}/networks", "network", lambda _: {}), 1)],
    "network subnet": [(subnet, 1)],
    "network port": [(port, 1)],
    "network router": [(made(f"{NETWORK}/routers", "router", lambda _: {}), 1)],
    "network floatingip": [(floating_ip, 1)],
    "network security_group": [(security_group, 2)],
    "network security_group_rule": [(security_group_rule, 5)],
    "network rbac_policy": [(rbac_policy, 1)],
    "network subnetpool": "there are none",
    "image image_count_total": [(register, 1)],
    "image image_count_uploading": [(write("stage", 1), 1)],
    "image image_size_total": [(write("file", MIB), 1)],
    "image image_stage_total": [(write("stage", MIB), 1)],
    "volume volumes": [(volume, 1), (accept, 1)],
    "volume gigabytes": [(volume, 1), (extend, RIVALS + 1), (snapshot, RIVALS + 1), (accept, 2)],
    "volume snapshots": [(snapshot, 1), (accept, 1)],
    "volume per_volume_gigabytes": "of one volume alone: nothing is counted",
    "volume backups": "there are none",
    "volume backup_gigabytes": "there are none",
    "volume groups": "there are none",
    # of one type, which are made for it
    "volume volumes___DEFAULT__": [(accept, 1)],
    "volume gigabytes___DEFAULT__": [(extend, RIVALS + 1), (snapshot, RIVALS + 1), (accept, 2)],
    "volume snapshots___DEFAULT__": [(snapshot, 1), (accept, 1)],
    "volume volumes_other": [(volume_of_a_type, 1), (retype, 1)],
    "volume gigabytes_other": [(volume_of_a_type, 1), (retype, 1)],
}
"""Every kind of quota, what tries it with rivals, and the limit at which one of them gets what it asks for."""

REFUSALS = {"compute": 403, "network": 409, "image": 413, "volume": 413}
TRIED = [(kind, *one) for kind, ways in HELD.items() if not isinstance(ways, str) for one in ways]


def test_every_kind_of_quota_is_tried_by_rivals() -> None:
    modules = [module for name, module in sys.modules.items() if name.startswith("pileus.services.")]
    kinds = {f"{k.service} {k.resource}" for m in modules for k in vars(m).values() if isinstance(k, QuotaKind)}
    assert kinds == {kind for kind in HELD if not kind.endswith(("__", "_other"))}


@pytest.mark.database("postgresql")
@pytest.mark.parametrize(("kind", "rivalry", "most"), TRIED)
async def test_of_16_who_ask_for_the_last_of_a_quota_one_gets_it(
    cloud: RunningCloud, kind: str, rivalry: Rivalry, most: int
) -> None:
    ask = await rivalry(cloud)
    service, _, resource = kind.partition(" ")
    await limit(cloud, service, **{resource: most})
    started = asyncio.Barrier(RIVALS)

    async def rival(n: int) -> httpx.Response:
        await started.wait()
        return await ask(n)

    answers = await asyncio.gather(*map(rival, range(RIVALS)))
    lost = [answer for answer in answers if not answer.is_success]
    assert len(lost) == RIVALS - 1
    assert {answer.status_code for answer in lost} == {REFUSALS[service]}, {answer.text for answer in lost}
    assert all(resource in answer.text for answer in lost)


@pytest.mark.database("postgresql")
async def test_of_16_imports_that_end_at_once_no_more_bring_data_than_may_be(cloud: RunningCloud) -> None:
    """Each may begin, as how much the others bring is not known then: they are counted when their data is there."""
    ids = [(await staged(cloud, bytes(MIB)))["id"] for _ in range(RIVALS)]
    await limit(cloud, "image", image_size_total=1)
    for image_id in ids:
        body = {"method": {"name": "glance-direct"}}
        assert (await cloud.post(f"{IMAGES}/{image_id}/import", json=body)).status_code == 202
    await asyncio.gather(*(Worker(cloud.ctx()).drain() for _ in range(4)))
    states = [(await cloud.get(f"{IMAGES}/{image_id}")).json()["status"] for image_id in ids]
    assert sorted(states) == ["active"] + ["queued"] * (RIVALS - 1)


async def limit(cloud: RunningCloud, service: str, **most: int) -> None:
    """Of the admin's project, where the rivals are."""
    project_id = cloud.project_id
    if service == "compute":
        done = await cloud.put(f"/compute/v2.1/os-quota-sets/{project_id}", json={"quota_set": {**most, "force": True}})
    elif service == "network":
        done = await cloud.put(f"{NETWORK}/quotas/{project_id}", json={"quota": most})
    elif service == "volume":
        done = await cloud.put(f"{VOLUME}/os-quota-sets/{project_id}", json={"quota_set": most})
    else:
        return await registered_limit(cloud, **most)
    assert done.status_code == 200, done.text
    return None


async def registered_limit(cloud: RunningCloud, **most: int) -> None:
    """For every project: Image has no quotas of its own."""
    async with cloud.ctx().transaction() as ctx:
        service_id = (await services.ensure(ctx, "image", "glance")).id
    place = {"service_id": service_id, "region_id": None, "description": None}
    wanted = [{**place, "resource_name": name, "default_limit": limit} for name, limit in most.items()]
    await registered_limits.create(cloud.ctx(), wanted)
