"""How many addresses networks have, and how many are in use."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pileus.kernel.context import Ctx
from pileus.services.network.addresses import size_of
from pileus.services.network.networks.service import Network
from pileus.services.network.ports import service as ports
from pileus.services.network.subnets import service as subnets
from pileus.services.network.subnets.service import Subnet


class Availability(msgspec.Struct, frozen=True):
    """Of each subnet of a network: how many addresses it gives, and how many ports have."""

    network: Network
    subnets: list[tuple[Subnet, int, int]]

    @property
    def total(self) -> int:
        return sum(total for _, total, _ in self.subnets)

    @property
    def used(self) -> int:
        return sum(used for _, _, used in self.subnets)


async def of(ctx: Ctx, networks: Sequence[Network], version: int | None = None) -> list[Availability]:
    """Of these networks; of subnets of one IP version alone, if one is said."""
    async with ctx.read() as ctx:
        below = await subnets.of_networks(ctx, [network.id for network in networks])
        used = await ports.count_by_subnet(ctx, [each.id for found in below.values() for each in found])
    kept = {id_: [each for each in found if version in (None, each.ip_version)] for id_, found in below.items()}
    return [
        Availability(network, [(each, size_of(each.ranges), used.get(each.id, 0)) for each in kept.get(network.id, [])])
        for network in networks
    ]
