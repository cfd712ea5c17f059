"""What Networking tells Identity: which of its things belong to a project, and how they go.

Importing this declares them; what stands on other things comes after those.
"""

from __future__ import annotations

from collections.abc import Sequence

from pileus.kernel.context import Ctx
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Owned
from pileus.services.network.networks import service as networks
from pileus.services.network.ports import service as ports
from pileus.services.network.subnets import service as subnets


@projects.owner(networks.KIND)
async def networks_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await networks.names_of(ctx, ids))


@networks_owned.delete
async def delete_networks(ctx: Ctx, ids: Sequence[str]) -> int:
    return await networks.delete_of(ctx, ids)


@projects.owner(subnets.KIND, at_once=True)
async def subnets_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await subnets.names_of(ctx, ids))


@subnets_owned.delete
async def delete_subnets(ctx: Ctx, ids: Sequence[str]) -> int:
    return await subnets.delete_of(ctx, ids)


@projects.owner(ports.KIND)
async def ports_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await ports.names_of(ctx, ids))


@ports_owned.delete
async def delete_ports(ctx: Ctx, ids: Sequence[str]) -> int:
    return await ports.delete_of(ctx, ids)
