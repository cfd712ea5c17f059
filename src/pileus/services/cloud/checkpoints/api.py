"""/v1/checkpoints and /v1/reset"""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.services.cloud.checkpoints import service
from pileus.services.cloud.checkpoints.service import Checkpoint
from pileus.services.cloud.http import api


class Named(msgspec.Struct, forbid_unknown_fields=True):
    """A checkpoint to make."""

    name: str


class Reset(msgspec.Struct, forbid_unknown_fields=True):
    """Where to go back to: a checkpoint, or as it was at first."""

    name: str = service.FIRST


def shown(checkpoint: Checkpoint) -> dict[str, Any]:
    stamp = iso(checkpoint.created_at, microseconds=True)
    return {"name": checkpoint.name, "created_at": stamp, "size_bytes": checkpoint.size_bytes}


@api.get("/v1/checkpoints", rule="pileus:checkpoints:list")
async def list_checkpoints(ctx: Ctx) -> dict[str, Any]:
    return {"checkpoints": [shown(found) for found in await service.list_(ctx)]}


@api.post("/v1/checkpoints", rule="pileus:checkpoints:create", wrap="checkpoint", status=201, atomic=False)
async def save_checkpoint(ctx: Ctx, body: Named) -> dict[str, Any]:
    return shown(await service.save(ctx, body.name))


@api.action("/v1/checkpoints/{name}/action", "restore", rule="pileus:checkpoints:restore", status=204, atomic=False)
async def restore_checkpoint(ctx: Ctx, name: str) -> None:
    await service.put_back(ctx, name)


@api.post("/v1/reset", rule="pileus:reset", wrap_body="reset", status=204, atomic=False)
async def reset_cloud(ctx: Ctx, body: Reset) -> None:
    await service.put_back(ctx, body.name)
