"""Real things of Networking in a running cloud."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

from pileus.kernel.context import Caller, Ctx
from pileus.services.network.agents import service as agents
from pileus.services.network.networks import service as networks
from pileus.services.network.ports import service as ports
from pileus.services.network.subnets import service as subnets
from support.cloud import RunningCloud

ROLES = frozenset({"admin", "manager", "member", "reader"})


def admin(cloud: RunningCloud) -> Ctx:
    """The cloud's admin, in a project of which no stranger knows."""
    return replace(cloud.ctx(), caller=Caller(cloud.user_id, project_id=cloud.project_id, roles=ROLES))


async def a_network(cloud: RunningCloud) -> str:
    new = networks.New(project_id=cloud.project_id, name=uuid4().hex)
    return str((await networks.create(admin(cloud), [new]))[0].id)


async def a_subnet(cloud: RunningCloud) -> str:
    network_id = UUID(await a_network(cloud))
    new = subnets.New(project_id=cloud.project_id, network_id=network_id, ip_version=4, cidr="10.0.0.0/28")
    return str((await subnets.create(admin(cloud), [new]))[0].id)


async def a_port(cloud: RunningCloud) -> str:
    subnet = await subnets.get(admin(cloud), UUID(await a_subnet(cloud)))
    new = ports.New(project_id=cloud.project_id, network_id=subnet.network_id)
    return str((await ports.create(admin(cloud), [new]))[0].id)


async def an_agent(cloud: RunningCloud) -> str:
    return str((await agents.list_(admin(cloud)))[0].id)


async def an_extension(cloud: RunningCloud) -> str:
    return "provider"
