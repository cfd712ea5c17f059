"""Machines: what the API and other nouns may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from demo.machines import sagas, store
from demo.machines.store import Machine
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict

PAGE = 100


async def create(ctx: Ctx, *, name: str, host: str = "h1", disk: bool = False) -> Machine:
    """Record a machine and start building it: one transaction. Returns at once, in status BUILD."""
    machine = Machine(id=ctx.world.ids.uuid(), project_id=ctx.caller.project_id or "", name=name, status="BUILD")
    async with ctx.transaction() as ctx:
        await sagas.create_machine.start(ctx, machine.id, host=host, disk=disk)
        await store.add(ctx, machine)
    return machine


async def show(ctx: Ctx, machine_id: UUID) -> Machine:
    return await store.get(ctx, machine_id, project_id=ctx.caller.project_id or "")


async def list_(ctx: Ctx, *, limit: int = PAGE, marker: UUID | None = None) -> list[Machine]:
    return await store.list_(ctx, project_id=ctx.caller.project_id or "", limit=min(limit, PAGE), marker=marker)


async def move(ctx: Ctx, machine_id: UUID, *, target: str) -> None:
    async with ctx.transaction() as ctx:
        machine = await show(ctx, machine_id)
        if machine.status != "ACTIVE" or machine.host == target:
            raise Conflict(f"Machine {machine_id} is {machine.status} on {machine.host}: it cannot move to {target}.")
        await sagas.move_machine.start(ctx, machine_id, source=machine.host, target=target)


async def delete(ctx: Ctx, machine_id: UUID) -> None:
    """Deletion wins over whatever runs. May be repeated."""
    async with ctx.transaction() as ctx:
        await show(ctx, machine_id)
        await sagas.delete_machine.supersede(ctx, machine_id)


async def count_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many machines these projects have, and the names of a few."""
    return await store.count_of(ctx, project_ids)


async def delete_of(ctx: Ctx, project_ids: Sequence[str], *, most: int = 3) -> int:
    """Begin to delete a few of those that are not being deleted. Returns how many."""
    found = await store.undeleted_of(ctx, project_ids, most)
    for machine_id in found:
        await sagas.delete_machine.supersede(ctx, machine_id)
        await store.change(ctx, machine_id, status="DELETING")
    return len(found)


async def disk_ids(ctx: Ctx) -> set[UUID]:
    """The volumes that are disks of machines: they go with those."""
    return await store.disk_ids(ctx)
