"""Volumes come and go; on the demonstration's host a volume is a guest of no size."""

from __future__ import annotations

from typing import Any

from demo.volumes import store
from pileus.engines.hypervisor import Domain
from pileus.kernel.operations import Op, Saga

create_volume = Saga("demo.create_volume")


@create_volume.rows
async def record(op: Op) -> None:
    project_id = op.ctx.caller.project_id or ""
    await store.ensure(op.ctx, op.subject_id, project_id=project_id, status="creating", host=op.memo["host"])


@record.undo
async def unrecord(op: Op) -> None:
    await store.remove(op.ctx, op.subject_id)


@create_volume.step
async def allocate(op: Op) -> Any:
    return await op.engine("hypervisor", op.memo["host"]).ensure_defined(
        Domain(id=op.subject_id, vcpus=0, memory_mib=0)
    )


@allocate.undo
async def deallocate(op: Op) -> Any:
    return await op.settle(op.memo["host"], "hypervisor", "ensure_gone", op.subject_id)


@create_volume.rows
async def mark_available(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="available")


@create_volume.parked
async def mark_error(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="error")


delete_volume = Saga("demo.delete_volume")


@delete_volume.rows(point_of_no_return=True)
async def mark_deleting(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="deleting")


@delete_volume.step
async def destroy(op: Op) -> Any:
    return await op.settle(op.memo["host"], "hypervisor", "ensure_gone", op.subject_id)


@delete_volume.rows
async def forget(op: Op) -> None:
    await store.remove(op.ctx, op.subject_id)


@delete_volume.parked
async def mark_undeleted(op: Op) -> None:
    await store.change(op.ctx, op.subject_id, status="error")
