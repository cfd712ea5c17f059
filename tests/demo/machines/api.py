"""/v1/machines"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from demo.http import api
from demo.machines import service
from demo.machines.store import Machine
from pileus.kernel.context import Ctx

Name = Annotated[str, Meta(min_length=1, max_length=255)]


class MachineCreate(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    host: Annotated[str, Meta(pattern="^h[0-9]{1,4}$")] = "h1"
    disk: bool = False


class Move(msgspec.Struct, forbid_unknown_fields=True):
    target: Annotated[str, Meta(pattern="^h[0-9]{1,4}$")]


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1)] = service.PAGE
    marker: UUID | None = None


def shown(machine: Machine) -> dict[str, Any]:
    return msgspec.structs.asdict(machine)


@api.post("/v1/machines", rule="demo:machines:write", wrap="machine", status=202)
async def create_machine(ctx: Ctx, body: MachineCreate) -> dict[str, Any]:
    return shown(await service.create(ctx, name=body.name, host=body.host, disk=body.disk))


@api.get("/v1/machines", rule="demo:machines:show", wrap="machines")
async def list_machines(ctx: Ctx, query: Asked) -> list[dict[str, Any]]:
    return [shown(machine) for machine in await service.list_(ctx, limit=query.limit, marker=query.marker)]


@api.get("/v1/machines/{machine_id}", rule="demo:machines:show", wrap="machine")
async def show_machine(ctx: Ctx, machine_id: UUID) -> dict[str, Any]:
    return shown(await service.show(ctx, machine_id))


@api.action("/v1/machines/{machine_id}/action", "move", rule="demo:machines:write")
async def move_machine(ctx: Ctx, machine_id: UUID, body: Move) -> None:
    await service.move(ctx, machine_id, target=body.target)


@api.delete("/v1/machines/{machine_id}", rule="demo:machines:write", status=204)
async def delete_machine(ctx: Ctx, machine_id: UUID) -> None:
    await service.delete(ctx, machine_id)
