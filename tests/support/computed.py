"""Real things of Compute in a running cloud, and how its versions are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec

from pileus.kernel import hosts
from pileus.kernel.context import Ctx
from pileus.services.compute.aggregates import service as aggregates
from pileus.services.compute.flavors import service as flavors
from pileus.services.compute.flavors.service import Flavor
from pileus.services.compute.hypervisors import service as hypervisors
from pileus.services.compute.hypervisors.service import Guest
from pileus.services.compute.keypairs import service as keypairs
from pileus.services.compute.server_groups import store as server_group_rows
from pileus.services.compute.server_groups.service import Group
from support.cloud import RunningCloud

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILrTT08dIICgTMTgIhoXZZ+i4hAc6BjLuMsTZItMCBCO somebody@example"
FINGERPRINT = "6c:ad:cc:c5:75:f4:cd:47:12:1f:e5:4e:db:b4:5a:16"
SPEC = "hw:cpu_policy"
HOST = {"type": "QEMU", "version": 7002022, "hostname": "x", "vcpus": 2, "memory_mib": 4096, "disk_gib": 50}
HOST |= {"accelerator": "tcg", "traits": ["HW_CPU_X86_AVX2", "CUSTOM_FAST", "NO_SUCH_TRAIT"]}


def at(version: str) -> dict[str, str]:
    """The header that asks for this microversion."""
    return {"OpenStack-API-Version": f"compute {version}"}


async def a_flavor(cloud: RunningCloud) -> str:
    """That only the admin's own project may use."""
    name = uuid4().hex
    specs = {SPEC: "shared"}
    flavor = Flavor(id=name, name=name, memory_mib=64, vcpus=1, disk_gib=1, is_public=False, extra_specs=specs)
    await flavors.create(cloud.ctx(), flavor)
    await flavors.give_access(cloud.ctx(), name, cloud.project_id, to_public=False)
    return name


async def a_spec(cloud: RunningCloud) -> str:
    return SPEC  # which each sampled flavor has


async def a_keypair(cloud: RunningCloud) -> str:
    return (await keypairs.create(cloud.ctx(), cloud.user_id, uuid4().hex, "ssh", PUBLIC_KEY)).name


class Guests(list[Guest]):
    """Servers that a test says there are, in the memory of its cloud."""


@hypervisors.guests
async def said_to_be_there(ctx: Ctx, names: Sequence[str]) -> list[Guest]:
    return [guest for guest in ctx.world.memory.get(Guests, ()) if guest.host in names]


async def an_aggregate(cloud: RunningCloud) -> str:
    return str((await aggregates.create(cloud.ctx(), uuid4().hex, None)).id)


async def an_action(cloud: RunningCloud) -> str:
    return "enable"


async def a_number_of_a_service(cloud: RunningCloud) -> str:
    name = await a_compute_host(cloud)
    return str((await hypervisors.named(cloud.ctx(), [name]))[name].number)


async def a_compute_host(cloud: RunningCloud) -> str:
    """One that has reported once, and has nothing."""
    name = f"n{uuid4().hex}"
    facts = {"described": {"hypervisor": HOST}}
    async with cloud.ctx().transaction() as ctx:
        await hosts.join(ctx, name, serial=name, address="192.0.2.7:8790")
    await cloud.world.hosts.renew(cloud.ctx(), name, address="192.0.2.7:8790", facts=facts)
    return name


async def a_hypervisor(cloud: RunningCloud) -> str:
    name = await a_compute_host(cloud)
    return (await hypervisors.named(cloud.ctx(), [name]))[name].id


async def a_service_of_a_host(cloud: RunningCloud) -> str:
    name = await a_compute_host(cloud)
    return (await hypervisors.named(cloud.ctx(), [name]))[name].service_id


async def a_server_group(cloud: RunningCloud) -> str:
    """Of the admin; past the quota."""
    group = Group(id=uuid4(), project_id=cloud.project_id, user_id=cloud.user_id, name="g", policy="affinity")
    async with cloud.ctx().transaction() as ctx:
        await ctx.execute(server_group_rows.groups.insert().values(**msgspec.structs.asdict(group)))
    return str(group.id)


async def the_default(cloud: RunningCloud) -> str:
    return "default"


async def an_extension(cloud: RunningCloud) -> str:
    return "os-keypairs"


async def what_is_gone(cloud: RunningCloud) -> str:
    return "x"


async def a_moment(cloud: RunningCloud) -> str:
    return "2026-11-28 14:00:00"


async def a_new_aggregate(cloud: RunningCloud) -> Any:
    return {"aggregate": {"name": uuid4().hex}}


async def who_is_in_it(cloud: RunningCloud) -> Any:
    """A host of the aggregate that was made last."""
    newest = (await aggregates.list_(cloud.ctx()))[-1]
    await aggregates.add_host(cloud.ctx(), newest.id, "h2")
    return {"remove_host": {"host": "h2"}}


async def a_roomy_flavor(cloud: RunningCloud) -> str:
    """With a GiB of an ephemeral disk and 64 MiB of swap."""
    name = uuid4().hex
    flavor = Flavor(id=name, name=name, memory_mib=64, vcpus=1, disk_gib=1, ephemeral_gib=1, swap_mib=64)
    await flavors.create(cloud.ctx(), flavor)
    return name


async def a_new_flavor(cloud: RunningCloud) -> Any:
    return {"flavor": {"name": uuid4().hex, "ram": 64, "vcpus": 1, "disk": 1}}


async def a_new_keypair(cloud: RunningCloud) -> Any:
    return {"keypair": {"name": uuid4().hex, "public_key": PUBLIC_KEY}}


async def somebody(cloud: RunningCloud) -> Any:
    return {"addTenantAccess": {"tenant": cloud.as_("member").project_id}}


async def the_one(cloud: RunningCloud) -> Any:
    return {"removeTenantAccess": {"tenant": cloud.project_id}}


ACTION = "POST /compute/v2.1/flavors/{flavor_id}/action"
AGGREGATE = "/compute/v2.1/os-aggregates/{aggregate_id}"
GROUPS, EVENTS = "POST /compute/v2.1/os-server-groups", "POST /compute/v2.1/os-server-external-events"
EVENT = {"name": "network-changed", "server_uuid": "70a599e0-31e7-49b7-b260-868f441e862b"}
BODIES: dict[str, Any] = {
    f"{GROUPS} 2.1-2.14": {"server_group": {"name": "once", "policies": ["affinity"]}},
    f"{GROUPS} 2.15-2.63": {"server_group": {"name": "once", "policies": ["affinity"]}},
    EVENTS: {"events": [EVENT]},
    "POST /compute/v2.1/os-aggregates": a_new_aggregate,
    f"POST {AGGREGATE}/images": {"cache": [{"id": "70a599e0-31e7-49b7-b260-868f441e862b"}]},
    f"PUT {AGGREGATE}": {"aggregate": {"availability_zone": "north"}},
    f"POST {AGGREGATE}/action add_host 2.1-": {"add_host": {"host": "h1"}},
    f"POST {AGGREGATE}/action remove_host 2.1-": who_is_in_it,
    "PUT /compute/v2.1/os-services/{compute_service}": {"status": "disabled"},
    "PUT /compute/v2.1/os-services/{service_action}": {"host": "h1", "binary": "nova-compute"},
    "PUT /compute/v2.1/os-hosts/{host_name}": {"status": "enable"},
    "POST /compute/v2.1/flavors": a_new_flavor,
    "PUT /compute/v2.1/flavors/{flavor_id}": {"flavor": {"description": "once"}},
    f"{ACTION} addTenantAccess 2.1-": somebody,
    f"{ACTION} removeTenantAccess 2.1-": the_one,
    "PUT /compute/v2.1/flavors/{flavor_id}/os-extra_specs/{extra_spec}": {SPEC: "dedicated"},
    "POST /compute/v2.1/os-keypairs": a_new_keypair,
}
"""What is accepted; with the microversions, where they differ."""
