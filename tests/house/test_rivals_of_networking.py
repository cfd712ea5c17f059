"""Groups, routers, floating IPs and policies hold what they decide on when 16 callers ask at once, on PostgreSQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from house.test_rivals import together, won
from pileus.kernel.context import Ctx
from pileus.kernel.errors import CloudError
from pileus.services.network.floating_ips import service as floating_ips
from pileus.services.network.networks import service as networks
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import Wish
from pileus.services.network.rbac_policies import service as rbac_policies
from pileus.services.network.routers import service as routers
from pileus.services.network.security_group_rules.service import Rule
from pileus.services.network.security_groups import service as security_groups
from pileus.services.network.subnets import service as subnets
from support.cloud import RunningCloud
from support.routed import owner

pytestmark = pytest.mark.database("postgresql")


def one_won(answers: list[Any]) -> None:
    assert len(won(answers)) == 1, answers
    lost = [each for each in answers if isinstance(each, Exception)]
    assert all(isinstance(each, CloudError) and each.status == 409 for each in lost), lost


async def subnet(ctx: Ctx, project_id: str, cidr: str, *, external: bool = False) -> subnets.Subnet:
    [net] = await networks.create(ctx, [networks.New(project_id=project_id, external=external)])
    new = subnets.New(project_id=project_id, network_id=net.id, ip_version=4, cidr=cidr)
    return (await subnets.create(ctx, [new]))[0]


async def test_a_project_has_one_default_group(cloud: RunningCloud) -> None:
    """All rivals are told of the same one."""
    ctx, project_id = await owner(cloud, "create_security_group")
    answers = await together(cloud, lambda _, __: security_groups.ensure_default(ctx, project_id))
    assert len(set(won(answers))) == 1
    assert len(won(answers)) == len(answers), answers


async def test_a_rule_is_there_once(cloud: RunningCloud) -> None:
    ctx, project_id = await owner(cloud, "create_security_group_rule")
    group_id = await security_groups.ensure_default(ctx, project_id)

    async def one_rule(_: Ctx, __: int) -> Any:
        wanted = Rule(
            id=uuid4(), project_id=project_id, security_group_id=group_id, direction="ingress", protocol="tcp"
        )
        return await security_groups.add_rules(ctx, [wanted])

    one_won(await together(cloud, one_rule))


async def test_a_policy_is_there_once(cloud: RunningCloud) -> None:
    ctx, project_id = await owner(cloud, "create_rbac_policy")
    group_id = await security_groups.ensure_default(ctx, project_id)

    async def one_policy(_: Ctx, __: int) -> Any:
        wanted = rbac_policies.RbacPolicy(
            id=uuid4(),
            project_id=project_id,
            object_type="security_group",
            object_id=group_id,
            action=rbac_policies.SHARED,
            target_project=project_id,
        )
        return await rbac_policies.create(ctx, [wanted])

    one_won(await together(cloud, one_policy))


async def test_an_address_outside_is_one_gateway(cloud: RunningCloud) -> None:
    ctx, project_id = await owner(cloud, "create_router")
    outside = await subnet(ctx, project_id, "203.0.113.0/24", external=True)
    way = routers.WayOut(outside.network_id, fixed=(Wish(outside.id, "203.0.113.9"),))

    async def one_gateway(_: Ctx, __: int) -> Any:
        return await routers.create(ctx, [routers.New(routers.Router(id=uuid4(), project_id=project_id), way)])

    one_won(await together(cloud, one_gateway))


async def test_an_address_inside_has_one_floating_ip(cloud: RunningCloud) -> None:
    """And one leg of a router is in a subnet."""
    ctx, project_id = await owner(cloud, "create_floatingip")
    outside = await subnet(ctx, project_id, "203.0.113.0/24", external=True)
    inside = await subnet(ctx, project_id, "10.0.0.0/24")
    router = routers.Router(id=uuid4(), project_id=project_id)
    await routers.create(ctx, [routers.New(router, routers.WayOut(outside.network_id))])

    async def one_leg(_: Ctx, __: int) -> Any:
        return await routers.add_by_subnet(ctx, router.id, inside.id)

    assert len(won(await together(cloud, one_leg))) == 1
    [port] = await ports.create(ctx, [ports.New(project_id=project_id, network_id=inside.network_id)])
    wanted = floating_ips.New(project_id=project_id, network_id=outside.network_id, port_id=port.id)
    one_won(await together(cloud, lambda _, __: floating_ips.create(ctx, [wanted])))
    found = await floating_ips.of_ports(ctx, [UUID(str(port.id))])
    assert len(found[port.id]) == 1


async def test_an_address_and_a_mac_are_had_once(cloud: RunningCloud) -> None:
    ctx, project_id = await owner(cloud, "create_port")
    inside = await subnet(ctx, project_id, "10.7.0.0/24")
    wanted: list[dict[str, Any]] = [{"fixed": [Wish(inside.id, "10.7.0.9")]}, {"mac_address": "fa:16:3e:00:00:07"}]
    for same in wanted:
        new = ports.New(project_id=project_id, network_id=inside.network_id, **same)
        one_won(await together(cloud, lambda _, __, new=new: ports.create(ctx, [new])))


async def test_all_who_ask_for_any_address_get_another(cloud: RunningCloud) -> None:
    ctx, project_id = await owner(cloud, "create_port")
    inside = await subnet(ctx, project_id, "10.7.0.0/24")
    new = ports.New(project_id=project_id, network_id=inside.network_id)
    made = won(await together(cloud, lambda _, __: ports.create(ctx, [new])))
    addresses = [each.address for [port] in made for each in port.fixed]
    assert len(addresses) == len(set(addresses)) == 16


async def test_a_segment_is_of_one_network(cloud: RunningCloud) -> None:
    ctx, project_id = await owner(cloud, "create_network")
    new = networks.New(
        project_id=project_id, network_type="vlan", physical_network="public", segmentation_id=77, external=True
    )
    one_won(await together(cloud, lambda _, __: networks.create(ctx, [new])))
