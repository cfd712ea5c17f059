"""What changes a server's power: each is one engine step and the rows that tell of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pileus.engines.hypervisor import Power
from pileus.engines.verbs import Failed
from pileus.kernel.errors import HostDown
from pileus.kernel.operations import Op, Saga, Wait
from pileus.services.compute.servers import disks, rules, shape, store
from pileus.services.compute.servers.disks import is_done
from pileus.services.compute.servers.sagas import failed, host_of, settled

POWER_S = 600.0
SOFT_S = 60.0
LOOK_S = 30.0
RETURN_S = 900.0
AGAIN_S = 5.0

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
    """In an undo: the guest as it was. A host that is down is left alone: nobody knows what runs there."""
    server = await store.find(op.ctx, op.subject_id)
    if server is None or server.host is None:
        return None
    try:
        return await op.engine("hypervisor", server.host).ensure_power(op.subject_id, power)
    except HostDown:
        return None


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


@notice_power.step(deadline_s=LOOK_S)
async def look(op: Op) -> dict[str, bool]:
    """At the guest as it is: that it went off may be old news."""
    return {"off": await is_off(op)}


async def is_off(op: Op) -> bool:
    guests = await op.engine("hypervisor", await host_of(op)).observe()
    guest = guests.get(op.subject_id)
    return guest is not None and guest.power is Power.OFF


@notice_power.rows
async def show_what_is(op: Op) -> None:
    if op.memo["look"]["off"]:
        await settled(op, vm_state="stopped", power_state=rules.SHUTDOWN)


return_server = Saga("compute.return_server")


@return_server.step(deadline_s=RETURN_S)
async def look_for_it(op: Op) -> Any:
    """Where it is now, which need not be where it was lost. Its host may have come back before everybody has seen that."""
    try:
        return {"off": await is_off(op)}
    except HostDown as e:
        return Wait(AGAIN_S, note=e.message)


@return_server.step(deadline_s=RETURN_S)
async def bring_back(op: Op) -> Any:
    """It runs again, with its volumes, as soon as its host and theirs can have it so."""
    if not was_lost(op):
        return None
    try:
        answer = await run_with_volumes(op, await host_of(op))
    except HostDown as e:
        return Wait(AGAIN_S, note=e.message)
    return Wait(AGAIN_S, note=answer.cause) if isinstance(answer, Failed) else answer


@bring_back.undo
async def let_it_be(op: Op) -> Any:
    return await power_back(op, Power.OFF) if was_lost(op) else None


async def run_with_volumes(op: Op, host: str) -> Any:
    answer = await disks.open_all_to(op, host)
    return await on(op, op.engine("hypervisor", host)) if answer is None else answer


def was_lost(op: Op) -> bool:
    return bool(op.memo.get("look_for_it", {"off": True})["off"])


@return_server.rows
async def show_returned(op: Op) -> None:
    await settled(op)


@return_server.undone
@return_server.parked
async def show_lost(op: Op) -> None:
    """It is off, and can be started by whoever has mended what was in the way."""
    server = await store.find(op.ctx, op.subject_id)
    stopped = {"vm_state": "stopped"} if server is not None and server.vm_state == "active" else {}
    await failed(op, **({"power_state": rules.SHUTDOWN, **stopped} if was_lost(op) else {}))
