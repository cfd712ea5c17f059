"""/v1/hosts"""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.hosts import Host
from pileus.services.cloud.hosts import service
from pileus.services.cloud.http import api
from pileus.services.compute.servers.service import Move


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """A token to make: for the host of this name."""

    host: str


def shown(host: Host) -> dict[str, Any]:
    return {
        "id": host.id,
        "name": host.name,
        "address": host.address or None,
        "usable": host.usable,
        "fenced": host.fenced,
        "joined_at": iso(host.joined_at),
        "renewed_at": iso(host.renewed_at),
        "engines": host.facts.get("versions", {}),
    }


@api.get("/v1/hosts", rule="pileus:hosts:list")
async def list_hosts(ctx: Ctx) -> dict[str, Any]:
    return {"hosts": [shown(host) for host in await service.list_(ctx)]}


@api.get("/v1/hosts/{name}", rule="pileus:hosts:show", wrap="host")
async def show_host(ctx: Ctx, name: str) -> dict[str, Any]:
    return shown(await service.show(ctx, name))


@api.post("/v1/hosts/tokens", rule="pileus:hosts:join", wrap="token", status=201)
async def create_join_token(ctx: Ctx, body: Wanted) -> dict[str, Any]:
    token, expires_at = await service.create_token(ctx, body.host)
    return {"host": token.host, "join": str(token), "expires_at": iso(expires_at)}


@api.action("/v1/hosts/{name}/action", "fence", rule="pileus:hosts:fence", status=204)
async def fence_host(ctx: Ctx, name: str) -> None:
    await service.fence(ctx, name)


@api.action("/v1/hosts/{name}/action", "lift_fence", rule="pileus:hosts:fence", status=204)
async def lift_fence_of_host(ctx: Ctx, name: str) -> None:
    await service.lift_fence(ctx, name)


@api.get("/v1/hosts/{name}/drain", rule="pileus:hosts:plan_drain", wrap="drain")
async def show_drain_of_host(ctx: Ctx, name: str) -> list[dict[str, Any]]:
    return [moved(each) for each in await service.plan_drain(ctx, name)]


@api.action("/v1/hosts/{name}/action", "drain", rule="pileus:hosts:drain", wrap="drain", atomic=False)
async def drain_host(ctx: Ctx, name: str) -> list[dict[str, Any]]:
    return [moved(each) for each in await service.drain(ctx, name)]


def moved(move: Move) -> dict[str, Any]:
    return {
        "server": move.server_id,
        "name": move.name,
        "status": move.status,
        "to": move.to,
        "how": move.how,
        "why": move.why,
        "why_not": move.why_not,
    }


@api.delete("/v1/hosts/{name}", rule="pileus:hosts:delete", status=204)
async def delete_host(ctx: Ctx, name: str) -> None:
    await service.delete(ctx, name)
