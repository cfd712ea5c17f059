"""/faults: what this simulated cloud makes its clients suffer. Where hosts are real there is no such path."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.http import Service
from pileus.services.cloud.faults import service
from pileus.services.cloud.faults.service import Fault, Wanted, faults_of

api = Service("faults", "/faults")


def shown(fault: Fault) -> dict[str, Any]:
    asked = msgspec.to_builtins(fault.wanted)
    times = {name: iso(at) for name, at in (("created_at", fault.created_at), ("ends_at", fault.ends_at))}
    return {"id": str(fault.id), **asked, "seen": fault.seen, "hits": fault.hits, **times}


@api.get("", rule="pileus:faults:list")
async def list_faults(ctx: Ctx) -> dict[str, Any]:
    return {"faults": [shown(fault) for fault in faults_of(ctx).list_()]}


@api.post("", rule="pileus:faults:create", wrap="fault", status=201, lax=True)
async def add_fault(ctx: Ctx, body: Wanted) -> dict[str, Any]:
    return shown(await service.add(ctx, body))


@api.get("/{fault_id}", rule="pileus:faults:show", wrap="fault")
async def show_fault(ctx: Ctx, fault_id: UUID) -> dict[str, Any]:
    return shown(faults_of(ctx).get(fault_id))


@api.delete("/{fault_id}", rule="pileus:faults:delete", status=204)
async def end_fault(ctx: Ctx, fault_id: UUID) -> None:
    faults_of(ctx).end([faults_of(ctx).get(fault_id).id])


@api.delete("", rule="pileus:faults:delete", status=204)
async def end_faults(ctx: Ctx) -> None:
    faults_of(ctx).end([fault.id for fault in faults_of(ctx).list_()])
