"""Networks converge: the row says what is wanted, the operation says it to the host until nothing new is wanted."""

from __future__ import annotations

from typing import Any

from demo.networks import store
from pileus.engines.hypervisor import Domain
from pileus.kernel.operations import Converge, Op

HOST = "h1"

converge_network = Converge("demo.network", store.networks)


@converge_network.step
async def apply(op: Op) -> Any:
    """Say the end state. What it was is kept, so that the next step tells what has been brought about."""
    network = await store.find(op.ctx, op.subject_id)
    hypervisor = op.engine("hypervisor", HOST)
    if network is None or network.deleted:
        await hypervisor.ensure_gone(op.subject_id)
        return {"gone": True}
    await hypervisor.ensure_defined(Domain(id=network.id, vcpus=network.size, memory_mib=0))
    return {"gone": False}


@converge_network.rows
async def show(op: Op) -> None:
    if op.memo["apply"]["gone"]:
        await store.remove(op.ctx, op.subject_id)
    else:
        await store.change(op.ctx, op.subject_id, status="ACTIVE")


@converge_network.parked
async def mark_error(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="ERROR")
