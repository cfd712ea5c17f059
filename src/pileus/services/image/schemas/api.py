"""/v2/schemas: what documents look like. Anybody who can log in may ask."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.services.image import schema
from pileus.services.image.http import api

OPEN = "get_task"  # Glance asks no rule here; this one lets everybody in who has a token


@api.get("/v2/schemas/image", rule=OPEN)
async def show_image_schema(ctx: Ctx) -> dict[str, Any]:
    return schema.image_schema()


@api.get("/v2/schemas/images", rule=OPEN)
async def show_images_schema(ctx: Ctx) -> dict[str, Any]:
    return schema.collection("images", schema.image_schema())


@api.get("/v2/schemas/member", rule=OPEN)
async def show_member_schema(ctx: Ctx) -> dict[str, Any]:
    return schema.item("member", schema.MEMBER)


@api.get("/v2/schemas/members", rule=OPEN)
async def show_members_schema(ctx: Ctx) -> dict[str, Any]:
    return schema.short("members", schema.item("member", schema.MEMBER))


@api.get("/v2/schemas/task", rule=OPEN)
async def show_task_schema(ctx: Ctx) -> dict[str, Any]:
    return schema.item("task", schema.TASK)


@api.get("/v2/schemas/tasks", rule=OPEN)
async def show_tasks_schema(ctx: Ctx) -> dict[str, Any]:
    return schema.collection("tasks", schema.item("task", schema.STUB))
