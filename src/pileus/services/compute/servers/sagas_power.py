"""What changes a server's power: each is one engine step and the rows that tell of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pileus.engines.hypervisor import Power
from pileus.engines.verbs import Failed
from pileus.kernel.errors import HostDown
from pileus.kernel.operations import Op, Saga, Wait
from pileus.services.compute.servers import disks, history, rules, shape, store
from pileus.services.compute.servers.disks import is_done
from pileus.services.compute.servers.sagas import failed, here, host_of, settled
from pileus.services.compute.servers.store import Server

POWER_S = 600.0
SOFT_S = 60.0
RETURN_S = 900.0
AGAIN_S = 5.0
RUNS = frozenset({"active", "paused"})
RETURNS = frozenset({"active", "rescued", "resized"})

Say = Callable[[Op, Any], Awaitable[Any]]
"""Says it to the hypervisor of the server's host, which is given."""


def power_saga(name: str, say: Say, *, vm_state: str, power_state: int, back: Power | None = None) -> Saga:
    """Say it, then show these states. If it fails, the server stays what it was (`back`), and its action says why."""
    saga = Saga(f"compute.{name}")

    @saga.step(deadline_s=POWER_S)
    async def tell_host(op: Op) -> Any:
        return await say(op, op.engine("hypervisor", await host_of(op)))

    if back is not None:

        @tell_host.undo
        async def as_before(op: Op) -> Any:
            return await power_back(op, back)

    @saga.rows
    async def show(op: Op) -> None:
        await settled(op, vm_state=vm_state, power_state=power_state)

    saga.undone(failed)
    saga.parked(failed)
    return saga


async def power_back(op: Op, power: Power) -> Any:
    """In an undo: the guest as it was. A host that is down is left alone: nobody knows what runs there. One that went off
    by itself cannot stand still again: what is told of it follows."""
    server = await store.find(op.ctx, op.subject_id)
    if server is None or server.host is None:
        return None
    try:
        answer = await op.engine("hypervisor", server.host).ensure_power(op.subject_id, power)
    except HostDown:
        return None
    return None if isinstance(answer, Failed) and power in (Power.PAUSED, Power.SUSPENDED) else answer


def power(wanted: Power, *, soft_s: float = 0) -> Say:
    async def say(op: Op, hypervisor: Any) -> Any:
        return await hypervisor.ensure_power(op.subject_id, wanted, soft_s=soft_s)

    return say


async def on(op: Op, hypervisor: Any) -> Any:
    """What changed of the guest since it ran counts from here on."""
    answer = await shape.say(op, op.subject_id, await host_of(op))
    return await hypervisor.ensure_power(op.subject_id, Power.ON) if is_done(answer) else answer


async def restart_softly(op: Op, hypervisor: Any) -> Any:
    return await hypervisor.ensure_restarted(op.subject_id, op.id, soft_s=SOFT_S)


async def restart(op: Op, hypervisor: Any) -> Any:
    answer = await shape.say(op, op.subject_id, await host_of(op))
    return await hypervisor.ensure_restarted(op.subject_id, op.id) if is_done(answer) else answer


start_server = power_saga("start_server", on, vm_state="active", power_state=rules.RUNNING, back=Power.OFF)
stop_server = power_saga(
    "stop_server", power(Power.OFF, soft_s=SOFT_S), vm_state="stopped", power_state=rules.SHUTDOWN, back=Power.ON
)
reboot_server = power_saga("reboot_server", restart_softly, vm_state="active", power_state=rules.RUNNING)
hard_reboot_server = power_saga("hard_reboot_server", restart, vm_state="active", power_state=rules.RUNNING)
pause_server = power_saga(
    "pause_server", power(Power.PAUSED), vm_state="paused", power_state=rules.PAUSED, back=Power.ON
)
unpause_server = power_saga(
    "unpause_server", power(Power.ON), vm_state="active", power_state=rules.RUNNING, back=Power.PAUSED
)
suspend_server = power_saga(
    "suspend_server", power(Power.SUSPENDED), vm_state="suspended", power_state=rules.SHUTDOWN, back=Power.ON
)
resume_server = power_saga(
    "resume_server", power(Power.ON), vm_state="active", power_state=rules.RUNNING, back=Power.SUSPENDED
)

notice_power = Saga("compute.notice_power")
"""Its guest is said to have gone off; `lost`: by no doing of its own or of ours."""


@notice_power.step(deadline_s=RETURN_S)
async def look(op: Op) -> Any:
    """At the guest as it is, where it is now: the news may be old. Its host may be back before everybody has seen that."""
    server = await store.find(op.ctx, op.subject_id)
    if server is None or server.host is None or not may_go_off(server):
        return {"off": False}
    try:
        guest = (await op.engine("hypervisor", server.host).observe()).get(op.subject_id)
    except HostDown as e:
        return Wait(AGAIN_S, note=e.message)
    return {"off": guest is not None and guest.power is Power.OFF}


def may_go_off(server: Server) -> bool:
    """Whether its rows say that its guest is not off."""
    return server.vm_state in RUNS or is_to_return(server)


def is_to_return(server: Server) -> bool:
    """Whether it runs again when its host has lost it."""
    return server.vm_state in RETURNS and server.power_state == rules.RUNNING


@notice_power.rows
async def show_off(op: Op) -> dict[str, bool]:
    if not op.memo["look"]["off"]:
        return {"returns": False}
    server = await here(op)
    returns = op.memo["lost"] and is_to_return(server)
    await history.note(op.ctx, server.id, op.id, notice_power, action="start" if returns else "stop")
    if returns:
        await store.change(op.ctx, server.id, task_state="powering-on")
    else:
        await settled(op, **off(server))
    return {"returns": returns}


def off(server: Server) -> dict[str, Any]:
    """Its rows when it is off: rescued or resized it stays."""
    stopped = {"vm_state": "stopped"} if server.vm_state in RUNS else {}
    return {"power_state": rules.SHUTDOWN, **stopped}


@notice_power.step(deadline_s=RETURN_S)
async def bring_back(op: Op) -> Any:
    """It runs again, with its volumes, as soon as its host and theirs can have it so."""
    if not op.memo["show_off"]["returns"]:
        return None
    try:
        answer = await run_with_volumes(op, await host_of(op))
    except HostDown as e:
        return Wait(AGAIN_S, note=e.message)
    return Wait(AGAIN_S, note=answer.cause) if isinstance(answer, Failed) else answer


@bring_back.undo
async def let_it_be(op: Op) -> Any:
    return await power_back(op, Power.OFF) if op.memo["show_off"]["returns"] else None


async def run_with_volumes(op: Op, host: str) -> Any:
    answer = await disks.open_all_to(op, host)
    return await on(op, op.engine("hypervisor", host)) if answer is None else answer


@notice_power.rows
async def show_returned(op: Op) -> None:
    if op.memo["show_off"]["returns"]:
        await settled(op)


@notice_power.undone
@notice_power.parked
async def show_lost(op: Op) -> None:
    """It is off, as far as we know, and can be started by whoever has mended what was in the way."""
    server = await store.find(op.ctx, op.subject_id)
    if server is not None and may_go_off(server) and op.memo.get("look", {"off": True})["off"]:
        await failed(op, **off(server))
