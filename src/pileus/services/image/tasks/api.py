"""/v2/tasks, and /v2/images/{image_id}/tasks: what the API shows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import MethodNotAllowed
from pileus.kernel.http import Here, Query
from pileus.kernel.paging import image_links
from pileus.services.image.http import api, stamp
from pileus.services.image.tasks import service
from pileus.services.image.tasks.service import Task

LIST = "/v2/tasks"
ONE = "/v2/tasks/{task_id}"


def brief(task: Task) -> dict[str, Any]:
    expires = {"expires_at": stamp(task.expires_at)} if task.expires_at is not None else {}
    return {
        "id": task.id,
        "type": "api_image_import",
        "status": task.status,
        "owner": task.owner,
        "created_at": stamp(task.created_at),
        "updated_at": stamp(task.updated_at),
        "self": f"{LIST}/{task.id}",
        "schema": "/v2/schemas/task",
        **expires,
    }


def shown(task: Task) -> dict[str, Any]:
    result = {"image_id": task.image_id} if task.status == "success" else None
    about = {"image_id": task.image_id, "request_id": task.request_id, "user_id": task.user_id}
    return {**brief(task), "input": task.asked, "result": result, "message": task.message, **about}


@api.get(LIST, rule="tasks_api_access")
async def list_tasks(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    found, page = await service.page(ctx, {name: values[-1] for name, values in query.items()})
    return {"tasks": [brief(task) for task in found], **image_links(here, page), "schema": "/v2/schemas/tasks"}


@api.get(ONE, rule="tasks_api_access")
async def show_task(ctx: Ctx, task_id: UUID) -> dict[str, Any]:
    return shown(await service.get(ctx, task_id))


@api.delete(ONE, rule="tasks_api_access")
async def delete_task(ctx: Ctx, task_id: UUID) -> None:
    raise MethodNotAllowed("Tasks go by themselves, some time after they ended.", headers={"Allow": "GET"})


@api.get("/v2/images/{image_id}/tasks", rule="get_image", late=True)
async def list_tasks_of_image(ctx: Ctx, image_id: UUID) -> dict[str, Any]:
    return {"tasks": [shown(task) for task in await service.of_image(ctx, image_id)]}
