"""What Networking tells Identity: which of its things belong to a project, and how they go.

Importing this declares them; what stands on other things comes after those.
"""

from __future__ import annotations

from collections.abc import Sequence

from pileus.kernel.context import Ctx
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Owned
from pileus.services.network.address_groups import service as address_groups
from pileus.services.network.address_scopes import service as address_scopes
from pileus.services.network.floating_ips import service as floating_ips
from pileus.services.network.networks import service as networks
from pileus.services.network.ports import service as ports
from pileus.services.network.rbac_policies import service as rbac_policies
from pileus.services.network.routers import service as routers
from pileus.services.network.security_groups import service as security_groups
from pileus.services.network.subnets import service as subnets


@projects.owner(address_scopes.KIND, at_once=True)
async def address_scopes_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await address_scopes.count_of(ctx, ids))


@address_scopes_owned.delete
async def delete_address_scopes(ctx: Ctx, ids: Sequence[str]) -> int:
    return await address_scopes.delete_of(ctx, ids)


@projects.owner(address_groups.KIND, at_once=True)
async def address_groups_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await address_groups.count_of(ctx, ids))


@address_groups_owned.delete
async def delete_address_groups(ctx: Ctx, ids: Sequence[str]) -> int:
    return await address_groups.delete_of(ctx, ids)


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


@projects.owner(security_groups.KIND)
async def security_groups_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await security_groups.count_of(ctx, ids))


@security_groups_owned.delete
async def delete_security_groups(ctx: Ctx, ids: Sequence[str]) -> int:
    return await security_groups.delete_of(ctx, ids)


@projects.owner(ports.KIND)
async def ports_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await ports.names_of(ctx, ids))


@ports_owned.delete
async def delete_ports(ctx: Ctx, ids: Sequence[str]) -> int:
    return await ports.delete_of(ctx, ids)


@projects.owner(routers.KIND)
async def routers_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await routers.names_of(ctx, ids))


@routers_owned.delete
async def delete_routers(ctx: Ctx, ids: Sequence[str]) -> int:
    return await routers.delete_of(ctx, ids)


@projects.owner(floating_ips.KIND, at_once=True)
async def floating_ips_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await floating_ips.names_of(ctx, ids))


@floating_ips_owned.delete
async def delete_floating_ips(ctx: Ctx, ids: Sequence[str]) -> int:
    return await floating_ips.delete_of(ctx, ids)


@projects.owner(rbac_policies.KIND, at_once=True)
async def rbac_policies_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    return Owned(*await rbac_policies.names_of(ctx, ids))


@rbac_policies_owned.delete
async def delete_rbac_policies(ctx: Ctx, ids: Sequence[str]) -> int:
    return await rbac_policies.delete_of(ctx, ids)
