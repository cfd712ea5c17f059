"""Guests that go off by themselves, and what their servers' rows say of it."""

from __future__ import annotations

from demo.world import DemoWorld
from pileus.engines.hearing import tell
from pileus.engines.hypervisor import Power
from pileus.engines.verbs import Change, Done
from pileus.services.compute.servers import rules
from pileus.services.compute.servers.store import servers

HOSTS = ("h1", "h2")
POWERS = {rules.RUNNING: Power.ON, rules.PAUSED: Power.PAUSED}


async def cut(world: DemoWorld, *, lost: bool) -> None:
    """Every guest goes off, and its host says so."""
    for host in sorted(set(HOSTS) - world.down):
        hypervisor = world.hypervisor(host)
        for guest_id, guest in (await hypervisor.observe()).items():
            if guest.defined and guest.power in (Power.ON, Power.PAUSED):
                assert await hypervisor.ensure_power(guest_id, Power.OFF, fence=0) == Done()
                facts = {"power": "off", **({"lost": True} if lost else {})}
                await tell(world.ctx(), [Change("hypervisor", "power", str(guest_id), Done(facts=facts))])


async def off_though_on(world: DemoWorld) -> list[str]:
    """The states of servers that are active, or have power, as rows have it, and whose guest has another."""
    async with world.db.read() as read:
        rows = (await read.execute(servers.select().where(servers.c.deleted_at.is_(None)))).all()
    found = []
    for row in rows:
        if row.host is None or row.vm_state == "error":
            continue
        wanted = POWERS.get(row.power_state, Power.ON if row.vm_state == "active" else None)
        guest = (await world.hypervisor(row.host).observe()).get(row.id)
        if wanted is not None and (guest is None or guest.power is not wanted):
            found.append(f"{row.vm_state} {row.task_state}: {guest and guest.power}")
    return found
