"""Ports converge: the row says what is wanted, the operation says it to the overlay until nothing new is wanted."""

from __future__ import annotations

from typing import Any

from pileus.engines import overlay as wish
from pileus.kernel.changes import changed
from pileus.kernel.operations import Converge, Op, Wait
from pileus.kernel.operations.carry import GENERATION
from pileus.kernel.verbs import Done
from pileus.services.network.overlay import overlay
from pileus.services.network.ports import allocations, store
from pileus.services.network.ports.rules import kind_of
from pileus.services.network.ports.store import Port

KIND = "network.port"
DEADLINE_S = 300.0
LOOK_AGAIN_S = 0.2

converge_port = Converge("network.port", store.ports)


@converge_port.step(deadline_s=DEADLINE_S)
async def apply(op: Op) -> Any:
    """Say the end state. A port that has an address from another waits until the overlay knows that of the other."""
    async with op.ctx.read() as ctx:
        engine, port = await overlay(op, ctx), await store.row_of(ctx, op.subject_id)
        waits = port is not None and not port.deleted and await store.must_wait(ctx, port.id)
    if port is None or port.deleted:
        answer = await engine.ensure_port_gone(op.subject_id)
        return {"gone": True} if isinstance(answer, Done) else answer
    if waits:
        return Wait(LOOK_AGAIN_S, note="an address of it is still on another port")
    answer = await engine.ensure_port(wished(port))
    if not isinstance(answer, Done):
        return answer
    return {"gone": False, "up": works(port, bool(answer.facts.get("up"))), "was": port.up}


@converge_port.rows
async def settle(op: Op) -> None:
    seen = op.memo["apply"]
    if seen["gone"]:
        await store.remove(op.ctx, op.subject_id)
        return
    before = await store.state_of(op.ctx, op.subject_id)
    await allocations.forget_released(op.ctx, op.subject_id, op.memo[GENERATION])
    if before is None:
        return
    told_since = "was" in seen and before.up != seen["was"]  # by the overlay, which has changed since it was asked
    up = before.up if told_since else seen["up"]
    if (before.up, before.cause) != (up, None):
        await store.change(op.ctx, [op.subject_id], up=up, cause=None)
        await changed(op.ctx, KIND, "updated", op.subject_id, project_id=before.project_id or None)


@converge_port.parked
async def mark_error(op: Op) -> None:
    await store.change(op.ctx, [op.subject_id], cause=op.cause, up=False)


def works(port: Port, up: bool) -> bool:
    """An overlay may be slow to notice that the device of a port which is bound no more is gone."""
    return up and (port.host is not None or kind_of(port.device_owner) != "vif")


def wished(port: Port) -> wish.Port:
    """The port as the overlay shall have it."""
    kind = kind_of(port.device_owner)
    return wish.Port(
        id=port.id,
        network_id=port.network_id,
        mac=port.mac_address,
        fixed=tuple(wish.Fixed(subnet_id=each.subnet_id, address=each.address) for each in port.fixed),
        host=port.host,
        kind=kind,
        up=port.admin_state_up,
        secured=port.port_security and kind == "vif",
        groups=tuple(port.groups) if port.port_security else (),
        allowed_pairs=tuple(
            (pair["ip_address"], None if pair["mac_address"] == port.mac_address else pair["mac_address"])
            for pair in port.address_pairs
        ),
        dhcp_options=tuple((each["opt_name"], str(each["opt_value"])) for each in port.dhcp_options),
    )
