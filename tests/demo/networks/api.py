"""/v1/networks"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from demo.http import api
from demo.networks import service
from demo.networks.store import Network
from pileus.kernel.context import Ctx


class NetworkBody(msgspec.Struct, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1, le=1_000_000)]


def shown(network: Network) -> dict[str, Any]:
    return {"id": network.id, "size": network.size, "status": network.status}


@api.post("/v1/networks", rule="demo:networks:write", wrap="network", status=201)
async def create_network(ctx: Ctx, body: NetworkBody) -> dict[str, Any]:
    return shown(await service.create(ctx, size=body.size))


@api.get("/v1/networks/{network_id}", rule="demo:networks:show", wrap="network")
async def show_network(ctx: Ctx, network_id: UUID) -> dict[str, Any]:
    return shown(await service.show(ctx, network_id))


@api.put("/v1/networks/{network_id}", rule="demo:networks:write", wrap="network")
async def resize_network(ctx: Ctx, network_id: UUID, body: NetworkBody) -> dict[str, Any]:
    await service.resize(ctx, network_id, size=body.size)
    return shown(await service.show(ctx, network_id))


@api.delete("/v1/networks/{network_id}", rule="demo:networks:write", status=204)
async def delete_network(ctx: Ctx, network_id: UUID) -> None:
    await service.delete(ctx, network_id)
