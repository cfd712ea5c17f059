"""The way out that a new cloud has: the external network `public`."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

from pileus.kernel.context import PILEUS, Ctx
from pileus.services.identity.projects import service as projects
from pileus.services.network.networks import service as networks
from pileus.services.network.subnets import service as subnets

NAME = "public"


async def seed(ctx: Ctx) -> None:
    """Make the network and its subnet, as `network.public_cidr` has it, for whoever needs a gateway or a floating IP.

    In the transaction in which the cloud first offers networking: what an operator changes or deletes stays so.
    """
    options = ctx.world.config.network
    if not options.public_cidr:
        return
    admin = await projects.named(ctx, "admin", domain_id=projects.DEFAULT)
    assert admin is not None  # every cloud begins with it
    ctx = replace(ctx, caller=replace(PILEUS, system=False, project_id=admin.id))  # networks are made in projects
    way_out = networks.New(
        project_id=admin.id,
        name=NAME,
        external=True,
        is_default=True,
        port_security=True,
        network_type="flat",
        physical_network=options.physical_networks[0],
    )
    (network,) = await networks.create(ctx, [way_out])
    block = ip_network(options.public_cidr)
    first, last = block[min(10, block.num_addresses // 2)], block[-2]
    wanted = subnets.New(
        project_id=admin.id,
        network_id=network.id,
        ip_version=block.version,
        cidr=str(block),
        name=f"{NAME}-subnet",
        gateway_ip=str(block[1]),
        gateway_named=True,
        enable_dhcp=False,
        pools=[(str(first), str(last))],
    )
    await subnets.create(ctx, [wanted])
