"""/os-floating-ips and /os-floating-ip-pools, which Compute passed on to Networking before 2.36, and a server's before 2.44."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body
from pileus.services.compute.floating_ips import service
from pileus.services.compute.floating_ips.service import Address
from pileus.services.compute.http import api, own
from pileus.services.compute.servers import service as servers

POOLS = "/v2.1/os-floating-ip-pools"
LIST, ONE = "/v2.1/os-floating-ips", "/v2.1/os-floating-ips/{floatingip_id}"
ACTION = "/v2.1/servers/{server_id}/action"
RULE = "os_compute_api:os-floating-ips"


class Add(Body, frozen=True):
    address: str
    fixed_address: str | UnsetType = UNSET


class Remove(Body, frozen=True):
    address: str


def address(name: str, text: str) -> Address:
    """Raises BadRequest."""
    try:
        return ip_address(text)
    except ValueError:
        raise BadRequest(
            f"Invalid input for field/attribute {name}. Value: {text[:80]}. It is no IP address."
        ) from None


@api.get(POOLS, rule="os_compute_api:os-floating-ip-pools", until="2.35", wrap="floating_ip_pools")
async def list_floating_ip_pools(ctx: Ctx) -> list[dict[str, str]]:
    return [{"name": name} for name in await service.pools(ctx)]


@api.get(LIST, rule=f"{RULE}:list", until="2.35", wrap="floating_ips")
async def list_floating_ips(ctx: Ctx) -> list[dict[str, Any]]:
    ctx.require(own(ctx))
    return await service.page(ctx)


@api.post(LIST, rule=f"{RULE}:create", until="2.35", wrap="floating_ip", wrap_body="")
async def create_floating_ip(ctx: Ctx, body: dict[str, Any] | None = None) -> dict[str, Any]:
    ctx.require(own(ctx))
    pool = (body or {}).get("pool")
    if not isinstance(pool, str | None):
        raise BadRequest("Invalid input for field/attribute pool. It is the name or the id of a pool.")
    return await service.allocate(ctx, pool)


@api.get(ONE, rule=f"{RULE}:show", until="2.35", wrap="floating_ip")
async def show_floating_ip(ctx: Ctx, floatingip_id: UUID) -> dict[str, Any]:
    ctx.require(own(ctx))
    return await service.get(ctx, floatingip_id)


@api.delete(ONE, rule=f"{RULE}:delete", until="2.35", status=202)
async def delete_floating_ip(ctx: Ctx, floatingip_id: UUID) -> None:
    await service.delete(ctx, floatingip_id)


@api.action(ACTION, "addFloatingIp", rule=f"{RULE}:add", until="2.43")
async def add_floating_ip(ctx: Ctx, server_id: UUID, body: Add) -> None:
    fixed = None if body.fixed_address is UNSET else address("fixed_address", body.fixed_address)
    server = await servers.get(ctx, server_id)
    await service.associate(ctx, server, address("address", body.address), fixed)


@api.action(ACTION, "removeFloatingIp", rule=f"{RULE}:remove", until="2.43")
async def remove_floating_ip(ctx: Ctx, server_id: UUID, body: Remove) -> None:
    server = await servers.get(ctx, server_id)
    await service.disassociate(ctx, server, address("address", body.address))
