"""/v1/keys. What a key is, is told to nobody."""

from __future__ import annotations

from typing import Any

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.services.cloud.http import api
from pileus.services.identity.keys import service
from pileus.services.identity.keys.service import Key


def shown(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "state": key.state,
        "made_at": iso(key.made_at),
        "retired_at": None if key.retired_at is None else iso(key.retired_at),
    }


@api.get("/v1/keys", rule="pileus:keys:list")
async def list_keys(ctx: Ctx) -> dict[str, Any]:
    return {"keys": [shown(key) for key in await service.list_(ctx)]}


@api.action("/v1/keys/action", "rotate", rule="pileus:keys:rotate", status=204)
async def rotate_keys(ctx: Ctx) -> None:
    await service.rotate(ctx)
