"""Real groups, routers, floating IPs and what else Networking shares, in a running cloud; each in a project of its own."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from uuid import UUID, uuid4

from pileus.kernel.context import Caller, Ctx
from pileus.services.identity.projects import service as projects
from pileus.services.network.address_groups import service as address_groups
from pileus.services.network.address_scopes import service as address_scopes
from pileus.services.network.default_group_rules import service as default_group_rules
from pileus.services.network.default_group_rules.service import DefaultRule
from pileus.services.network.floating_ips import service as floating_ips
from pileus.services.network.networks import service as networks
from pileus.services.network.rbac_policies import service as rbac_policies
from pileus.services.network.routers import service as routers
from pileus.services.network.security_group_rules.service import Rule
from pileus.services.network.security_groups import service as security_groups
from pileus.services.network.subnets import service as subnets
from support.cloud import RunningCloud

PORTS = count(1)
ROLES = frozenset({"admin", "manager", "member", "reader"})


async def owner(cloud: RunningCloud, rule: str) -> tuple[Ctx, str]:
    """An administrator in a new project, who calls a route of that rule; and the project."""
    project = await projects.create(cloud.ctx(), uuid4().hex, parent_id=None, domain_id=projects.DEFAULT, facts={})
    caller = Caller(cloud.user_id, project_id=project.id, roles=ROLES)
    return replace(cloud.ctx(), caller=caller, rule=rule), project.id


async def an_address_group(cloud: RunningCloud) -> str:
    ctx, project_id = await owner(cloud, "create_address_group")
    wanted = address_groups.AddressGroup(id=uuid4(), project_id=project_id, addresses=["10.0.0.0/8"])
    return str((await address_groups.create(ctx, wanted)).id)


async def an_address_scope(cloud: RunningCloud) -> str:
    ctx, project_id = await owner(cloud, "create_address_scope")
    wanted = address_scopes.AddressScope(id=uuid4(), project_id=project_id, name="s", ip_version=4)
    return str((await address_scopes.create(ctx, wanted, shared=False)).id)


async def a_security_group(cloud: RunningCloud) -> str:
    ctx, project_id = await owner(cloud, "create_security_group")
    wanted = security_groups.SecurityGroup(id=uuid4(), project_id=project_id, name="web")
    return str((await security_groups.create(ctx, [wanted]))[0].group.id)


async def a_security_group_rule(cloud: RunningCloud) -> str:
    ctx, project_id = await owner(cloud, "create_security_group_rule")
    group_id = await security_groups.ensure_default(ctx, project_id)
    wanted = Rule(id=uuid4(), project_id=project_id, security_group_id=group_id, direction="ingress", protocol="tcp")
    return str((await security_groups.add_rules(ctx, [wanted]))[0].rule.id)


async def a_default_rule(cloud: RunningCloud) -> str:
    """Of a port of its own: there are no two alike."""
    ctx, _ = await owner(cloud, "create_default_security_group_rule")
    low = next(PORTS)
    wanted = DefaultRule(id=uuid4(), direction="ingress", protocol="tcp", port_range_min=low, port_range_max=low)
    return str((await default_group_rules.create(ctx, [wanted]))[0].id)


async def a_router(cloud: RunningCloud) -> str:
    ctx, project_id = await owner(cloud, "create_router")
    wanted = routers.New(routers.Router(id=uuid4(), project_id=project_id))
    return str((await routers.create(ctx, [wanted]))[0].router.id)


async def a_floating_ip(cloud: RunningCloud) -> str:
    ctx, project_id = await owner(cloud, "create_floatingip")
    [outside] = await networks.create(ctx, [networks.New(project_id=project_id, external=True)])
    await subnets.create(
        ctx, [subnets.New(project_id=project_id, network_id=outside.id, ip_version=4, cidr="203.0.113.0/28")]
    )
    wanted = floating_ips.New(project_id=project_id, network_id=outside.id)
    return str((await floating_ips.create(ctx, [wanted]))[0].floating_ip.id)


async def an_rbac_policy(cloud: RunningCloud) -> str:
    group_id = UUID(await a_security_group(cloud))
    ctx, project_id = await owner(cloud, "create_rbac_policy")
    wanted = rbac_policies.RbacPolicy(
        id=uuid4(),
        project_id=project_id,
        object_type="security_group",
        object_id=group_id,
        action=rbac_policies.SHARED,
        target_project=project_id,
    )
    return str((await rbac_policies.create(ctx, [wanted]))[0].id)
