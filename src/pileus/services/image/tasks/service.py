"""Tasks: what the API may ask for. The rule of the API lets administrators in."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.facts import facts
from pileus.kernel.http.queries import integer
from pileus.kernel.paging import Page, Sort
from pileus.services.image.images import service as images
from pileus.services.image.tasks import store
from pileus.services.image.tasks.store import Task

__all__ = ["Task", "get", "of_image", "page"]

STATUSES = ("pending", "processing", "success", "failure")
LIMIT = facts("image", "quotas")["sizes"]["limit_param_default"]


async def page(ctx: Ctx, query: Mapping[str, str]) -> tuple[list[Task], Page]:
    """Raises BadRequest."""
    for name, known in (("status", STATUSES), ("type", ("import",)), ("sort_dir", ("asc", "desc"))):
        if name in query and query[name] not in known:
            raise BadRequest(f"Invalid {name} value: {query[name][:80]}", field=name)
    limit = integer("limit", query["limit"]) if "limit" in query else LIMIT
    if limit < 0:
        raise BadRequest("limit param must be positive", field="limit")
    sort = Sort(query.get("sort_key", "created_at"), query.get("sort_dir", "desc") == "desc")
    return await store.page(ctx, query.get("status"), sort, limit, query.get("marker"))


async def get(ctx: Ctx, task_id: UUID) -> Task:
    """Raises NotFound."""
    task = await store.find(ctx, task_id)
    if task is None:
        raise NotFound(f"Task not found with id {task_id}")
    return task


async def of_image(ctx: Ctx, image_id: UUID) -> list[Task]:
    """Of an image that the caller may see. Raises NotFound."""
    await images.get(ctx, image_id)
    return await store.of_image(ctx, image_id)
