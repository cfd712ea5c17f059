"""Networks: any write at any time."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from demo.networks import sagas, store
from demo.networks.store import Network, count_of
from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound

__all__ = ["count_of", "create", "delete", "delete_of", "resize", "show"]


async def create(ctx: Ctx, *, size: int) -> Network:
    network = Network(id=ctx.world.ids.uuid(), project_id=ctx.caller.project_id or "", size=size)
    async with ctx.transaction() as ctx:
        await store.add(ctx, network)
        await sagas.converge_network.want(ctx, network.id)
    return network


async def show(ctx: Ctx, network_id: UUID) -> Network:
    network = await store.find(ctx, network_id)
    if network is None or network.deleted or network.project_id != ctx.caller.project_id:
        raise NotFound(f"Network {network_id} could not be found.")
    return network


async def resize(ctx: Ctx, network_id: UUID, *, size: int) -> None:
    async with ctx.transaction() as ctx:
        await show(ctx, network_id)
        await store.change(ctx, network_id, size=size)
        await sagas.converge_network.want(ctx, network_id)


async def delete(ctx: Ctx, network_id: UUID) -> None:
    async with ctx.transaction() as ctx:
        await show(ctx, network_id)
        await store.change(ctx, network_id, deleted=True)
        await sagas.converge_network.want(ctx, network_id)


async def delete_of(ctx: Ctx, project_ids: Sequence[str]) -> int:
    """Begin to delete all of these projects. Returns how many."""
    found = await store.undeleted_of(ctx, project_ids)
    for network_id in found:
        await store.change(ctx, network_id, deleted=True)
        await sagas.converge_network.want(ctx, network_id)
    return len(found)
