"""/v1/operations"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.http import Here
from pileus.kernel.operations.views import LogLine, Operation
from pileus.kernel.paging import collection_links
from pileus.services.cloud.http import api
from pileus.services.cloud.operations import service


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The query of a list."""

    state: str | None = None
    subject_id: UUID | None = None
    limit: str | None = None
    marker: str | None = None


def stamp(seconds: float | None) -> str | None:
    return iso(seconds, microseconds=True) if seconds else None


def shown(operation: Operation) -> dict[str, Any]:
    times = {name: stamp(getattr(operation, name)) for name in ("wake_at", "created_at", "ended_at")}
    return msgspec.structs.asdict(operation) | times


def line(entry: LogLine) -> dict[str, Any]:
    return msgspec.structs.asdict(entry) | {"at": stamp(entry.at)}


@api.get("/v1/operations", rule="pileus:operations:list")
async def list_operations(ctx: Ctx, query: Asked, here: Here) -> dict[str, Any]:
    found, page = await service.list_(
        ctx, state=query.state, subject_id=query.subject_id, limit=query.limit, marker=query.marker
    )
    return {"operations": [shown(operation) for operation in found], **collection_links(here, "operations", page)}


@api.get("/v1/operations/{operation_id}", rule="pileus:operations:show", wrap="operation")
async def show_operation(ctx: Ctx, operation_id: UUID) -> dict[str, Any]:
    found = await service.show(ctx, operation_id)
    return shown(found.operation) | {"log": [line(entry) for entry in found.log]}


@api.action("/v1/operations/{operation_id}/action", "retry", rule="pileus:operations:retry")
async def retry_operation(ctx: Ctx, operation_id: UUID) -> None:
    await service.retry(ctx, operation_id)


@api.action("/v1/operations/{operation_id}/action", "cancel", rule="pileus:operations:cancel")
async def cancel_operation(ctx: Ctx, operation_id: UUID) -> None:
    await service.cancel(ctx, operation_id)
