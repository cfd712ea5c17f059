"""Addresses, MAC addresses and segments are had once, also when 16 callers ask at once, on PostgreSQL."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from house.test_rivals import together, won
from pileus.kernel.context import Ctx
from pileus.kernel.errors import CloudError
from pileus.services.network.networks import service as networks
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.service import Port, Wish
from pileus.services.network.subnets import service as subnets
from support.cloud import RunningCloud
from support.routed import owner

pytestmark = pytest.mark.database("postgresql")


async def network(ctx: Ctx, project_id: str, cidr: str = "10.0.0.0/24") -> UUID:
    [made] = await networks.create(ctx, [networks.New(project_id=project_id)])
    new = subnets.New(project_id=project_id, network_id=made.id, ip_version=4, cidr=cidr)
    await subnets.create(ctx, [new])
    return made.id


def refused(answers: list[Any]) -> list[CloudError]:
    lost = [each for each in answers if isinstance(each, Exception)]
    assert all(isinstance(each, CloudError) and each.status == 409 for each in lost), lost
    return lost


async def test_an_address_is_one_port_s(cloud: RunningCloud) -> None:
    ctx, project_id = await owner(cloud, "create_port")
    network_id = await network(ctx, project_id)
    new = ports.New(project_id=project_id, network_id=network_id, fixed=[Wish(address="10.0.0.9")])
    answers = await together(cloud, lambda _, __: ports.create(ctx, [new]))
    assert (len(won(answers)), len(refused(answers))) == (1, 15)


async def test_the_last_addresses_are_given_once(cloud: RunningCloud) -> None:
    """Of a subnet with room for four beside its gateway and the metadata."""
    ctx, project_id = await owner(cloud, "create_port")
    network_id = await network(ctx, project_id, "10.0.0.0/29")
    new = ports.New(project_id=project_id, network_id=network_id)
    answers = await together(cloud, lambda _, __: ports.create(ctx, [new]))
    made: list[Port] = [port for several in won(answers) for port in several]
    assert len({port.fixed[0].address for port in made}) == len(made) == 4
    assert len(refused(answers)) == 12


async def test_a_mac_address_is_on_a_network_once(cloud: RunningCloud) -> None:
    ctx, project_id = await owner(cloud, "create_port")
    network_id = await network(ctx, project_id)
    new = ports.New(project_id=project_id, network_id=network_id, mac_address="fa:16:3e:00:00:01", fixed=[])
    answers = await together(cloud, lambda _, __: ports.create(ctx, [new]))
    assert (len(won(answers)), len(refused(answers))) == (1, 15)


async def test_each_network_is_on_a_segment_of_its_own(cloud: RunningCloud) -> None:
    ctx, project_id = await owner(cloud, "create_network")
    new = networks.New(project_id=project_id)
    made = [
        network
        for several in won(await together(cloud, lambda _, __: networks.create(ctx, [new])))
        for network in several
    ]
    assert len({each.segmentation_id for each in made}) == len(made) == 16


async def test_subnets_of_a_network_do_not_overlap(cloud: RunningCloud) -> None:
    ctx, project_id = await owner(cloud, "create_subnet")
    [made] = await networks.create(ctx, [networks.New(project_id=project_id)])
    new = subnets.New(project_id=project_id, network_id=made.id, ip_version=4, cidr="10.0.0.0/24")
    answers = await together(cloud, lambda _, __: subnets.create(ctx, [new]))
    assert len(won(answers)) == 1
