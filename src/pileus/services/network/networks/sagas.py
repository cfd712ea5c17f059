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
    async with op.ctx.read() as ctx:
        engine, network = await overlay(op, ctx), await store.row_of(ctx, op.subject_id)
        wanted = None if network is None or network.deleted else await wished(ctx, network)
    if network is None or wanted is None:
        answer = await engine.ensure_network_gone(op.subject_id)
        return {"gone": True} if isinstance(answer, Done) else answer
    answer = await engine.ensure_network(wanted)
    return {"gone": False, "failed": network.cause is not None} if isinstance(answer, Done) else answer


@converge_network.rows
async def settle(op: Op) -> None:
    said = op.memo["apply"]
    if said["gone"]:
        await store.remove(op.ctx, op.subject_id)
    elif said["failed"] or op.cause is not None:  # before that was said, or since
        await store.change(op.ctx, op.subject_id, cause=None)


@converge_network.parked
async def mark_error(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, cause=op.cause)


async def wished(ctx: Ctx, network: Network) -> wish.Network:
    """The network as the overlay shall have it; in an open read."""
    found = await parts.run(ctx, network)
    more = {name: value for each in found for name, value in each.items()}
    return wish.Network(
        id=network.id,
        mtu=network.mtu,
        physical_network=network.physical_network,
        vlan=network.segmentation_id if network.network_type == "vlan" else None,
        up=network.admin_state_up,
        **more,
    )
