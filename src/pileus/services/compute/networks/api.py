"""/os-networks and /os-tenant-networks: the names of networks. Of all else Compute knew nothing since Networking had it."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.http.plan import parse_uuid
from pileus.services.compute.http import api, is_admin, own
from pileus.services.network.networks import service as networks
from pileus.services.network.networks.service import Network

RULES = "os_compute_api:os-networks"
TENANT_RULES = "os_compute_api:os-tenant-networks"
EMPTY = ("cidr", "netmask", "gateway", "broadcast", "dns1", "dns2", "cidr_v6", "gateway_v6", "netmask_v6")
ADMINS_EMPTY = (
    *("created_at", "updated_at", "deleted_at", "deleted", "injected", "bridge", "vlan", "vpn_public_address"),
    *("vpn_public_port", "vpn_private_address", "dhcp_start", "project_id", "host", "bridge_interface"),
    *("multi_host", "priority", "rxtx_base", "mtu", "dhcp_server", "enable_dhcp", "share_address"),
)


def shown(ctx: Ctx, network: Network) -> dict[str, Any]:
    names = (*EMPTY, *(ADMINS_EMPTY if is_admin(ctx) else ()))
    return {"id": network.id, "label": network.name, **dict.fromkeys(names)}


def brief(network: Network) -> dict[str, Any]:
    return {"id": network.id, "label": network.name, "cidr": "None"}


async def all_(ctx: Ctx) -> list[Network]:
    ctx.require(own(ctx))
    return list((await networks.page(ctx, {})).items)


async def one(ctx: Ctx, network_id: str) -> Network:
    """By what need be no id, for what else is gone from this path takes anything, too. Raises NotFound."""
    ctx.require(own(ctx))
    try:
        return await networks.get(ctx, parse_uuid(network_id))
    except (NotFound, ValueError):
        raise NotFound("Network not found.") from None


@api.get("/v2.1/os-networks", rule=f"{RULES}:list", until="2.35", wrap="networks")
async def list_networks(ctx: Ctx) -> list[dict[str, Any]]:
    return [shown(ctx, network) for network in await all_(ctx)]


@api.get("/v2.1/os-networks/{network_id}", rule=f"{RULES}:show", until="2.35", wrap="network")
async def show_network(ctx: Ctx, network_id: str) -> dict[str, Any]:
    return shown(ctx, await one(ctx, network_id))


@api.get("/v2.1/os-tenant-networks", rule=f"{TENANT_RULES}:list", until="2.35", wrap="networks")
async def list_tenant_networks(ctx: Ctx) -> list[dict[str, Any]]:
    return [brief(network) for network in await all_(ctx)]


@api.get("/v2.1/os-tenant-networks/{network_id}", rule=f"{TENANT_RULES}:show", until="2.35", wrap="network")
async def show_tenant_network(ctx: Ctx, network_id: str) -> dict[str, Any]:
    return brief(await one(ctx, network_id))
