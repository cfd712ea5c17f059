"""Networks converge: the row says what is wanted, the operation says it to the overlay until nothing new is wanted."""

from __future__ import annotations

from typing import Any

from pileus.engines import overlay as wish
from pileus.kernel.context import Ctx
from pileus.kernel.operations import Converge, Op
from pileus.kernel.verbs import Done
from pileus.services.network.hooks import Hook
from pileus.services.network.networks import store
from pileus.services.network.networks.store import Network
from pileus.services.network.overlay import overlay

parts: Hook[[Ctx, Network]] = Hook()
"""What other nouns know of a network: fields of the overlay's `Network` (its subnets, where its metadata is)."""

DEADLINE_S = 300.0

converge_network = Converge("network.network", store.networks)


@converge_network.step(deadline_s=DEADLINE_S)
async def apply(op: Op) -> Any:
    """Say the end state. Whether there was one to say is kept for the next step."""
    engine = await overlay(op)
    network = await store.row_of(op.ctx, op.subject_id)
    if network is None or network.deleted:
        answer = await engine.ensure_network_gone(op.subject_id)
        return {"gone": True} if isinstance(answer, Done) else answer
    answer = await engine.ensure_network(await wished(op.ctx, network))
    return {"gone": False} if isinstance(answer, Done) else answer


@converge_network.rows
async def settle(op: Op) -> None:
    if op.memo["apply"]["gone"]:
        await store.remove(op.ctx, op.subject_id)
    else:
        await store.change(op.ctx, op.subject_id, cause=None)


@converge_network.parked
async def mark_error(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, cause=op.cause)


async def wished(ctx: Ctx, network: Network) -> wish.Network:
    """The network as the overlay shall have it."""
    async with ctx.read() as reading:
        found = await parts.run(reading, network)
    more = {name: value for each in found for name, value in each.items()}
    return wish.Network(
        id=network.id,
        mtu=network.mtu,
        physical_network=network.physical_network,
        vlan=network.segmentation_id if network.network_type == "vlan" else None,
        up=network.admin_state_up,
        **more,
    )
