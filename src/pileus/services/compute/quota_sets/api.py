"""/os-quota-sets/{quota_project}: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Query
from pileus.kernel.http.queries import boolean
from pileus.services.compute.http import api, asked, is_admin
from pileus.services.compute.quota_names import Wanted, read, told
from pileus.services.compute.quota_sets import service

ONE = "/v2.1/os-quota-sets/{quota_project}"
RULES = "os_compute_api:os-quota-sets"


def names(ctx: Ctx) -> list[str]:
    return service.resources(networks=not ctx.at("2.36"), files=not ctx.at("2.57"))


async def admitted(ctx: Ctx, project_id: str, query: Query) -> None:
    """The caller may, and there is such a project. Raises Forbidden, BadRequest."""
    asked(ctx, query, ("user_id",))
    ctx.require({"project_id": project_id})
    await service.check_project(ctx, project_id)


def refuse_users(query: Query) -> None:
    """Raises BadRequest where quotas of one user in a project would be written."""
    if "user_id" in query:
        raise BadRequest("Quotas of single users in a project are not kept here: leave user_id out.")


@api.get(ONE, rule=f"{RULES}:show", wrap="quota_set")
async def show_quotas(ctx: Ctx, quota_project: str, query: Query) -> dict[str, Any]:
    await admitted(ctx, quota_project, query)
    levels = await service.levels(ctx, quota_project, names(ctx))
    return {"id": quota_project, **told({name: level.limit for name, level in levels.items()})}


@api.get(f"{ONE}/detail", rule=f"{RULES}:detail", wrap="quota_set")
async def show_quotas_whole(ctx: Ctx, quota_project: str, query: Query) -> dict[str, Any]:
    await admitted(ctx, quota_project, query)
    levels = await service.levels(ctx, quota_project, names(ctx))
    whole = {name: {"limit": each.limit, "in_use": each.used, "reserved": 0} for name, each in levels.items()}
    return {"id": quota_project, **told(whole)}


@api.get(f"{ONE}/defaults", rule=f"{RULES}:defaults", wrap="quota_set")
async def show_defaults(ctx: Ctx, quota_project: str) -> dict[str, Any]:
    """Everybody may ask: only administrators are told that there is no such project."""
    if is_admin(ctx):
        await service.check_project(ctx, quota_project)
    return {"id": quota_project, **told(await service.defaults(ctx, names(ctx)))}


@api.put(ONE, rule=f"{RULES}:update", wrap="quota_set")
async def change_quotas(ctx: Ctx, quota_project: str, query: Query, body: Wanted) -> dict[str, Any]:
    force = body.get("force", False)
    wanted = read({name: value for name, value in body.items() if name != "force"}, names(ctx))
    refuse_users(query)
    await admitted(ctx, quota_project, query)
    await service.change(ctx, quota_project, wanted, force=boolean("force", str(force)))
    levels = await service.levels(ctx, quota_project, names(ctx))
    return told({name: level.limit for name, level in levels.items()})


@api.delete(ONE, rule=f"{RULES}:delete", status=202)
async def clear_quotas(ctx: Ctx, quota_project: str, query: Query) -> None:
    asked(ctx, query, ("user_id",))
    refuse_users(query)
    ctx.require({"project_id": quota_project})
    await service.clear(ctx, quota_project)
