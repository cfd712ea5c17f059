"""/v2/info: what clients may ask before they begin."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.services.image.http import api
from pileus.services.image.info import service
from pileus.services.image.settings import METHODS, STORE

OPEN = "get_task"  # Glance asks no rule here; this one lets everybody in who has a token
OWN = {"id": STORE, "description": "Files of this cloud", "default": "true"}


@api.get("/v2/info/import", rule=OPEN)
async def show_import(ctx: Ctx) -> dict[str, Any]:
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": METHODS}}


@api.get("/v2/info/stores", rule=OPEN)
async def list_stores(ctx: Ctx) -> dict[str, Any]:
    return {"stores": [OWN]}


@api.get("/v2/info/stores/detail", rule="stores_info_detail")
async def list_stores_in_detail(ctx: Ctx) -> dict[str, Any]:
    """Without the directory: where files are is the machine's business."""
    return {"stores": [{**OWN, "type": "file", "weight": 0, "properties": {}}]}


@api.get("/v2/info/usage", rule=OPEN)
async def show_usage(ctx: Ctx) -> dict[str, Any]:
    return {"usage": await service.usage(ctx)}
