"""/os-quota-class-sets/{quota_class}: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Query
from pileus.services.compute.http import api, asked
from pileus.services.compute.quota_names import Wanted, read, told
from pileus.services.compute.quota_sets import service

ONE = "/v2.1/os-quota-class-sets/{quota_class}"
RULES = "os_compute_api:os-quota-class-sets"
DEFAULT = "default"
OF_GROUPS = {"server_groups", "server_group_members"}


def names(ctx: Ctx) -> list[str]:
    return service.resources(networks=not ctx.at("2.50"), files=not ctx.at("2.57"))


async def shown(ctx: Ctx) -> dict[str, Any]:
    """Until 2.49 nothing was told of groups."""
    left_out = set() if ctx.at("2.50") else OF_GROUPS
    return told(await service.defaults(ctx, [name for name in names(ctx) if name not in left_out]))


@api.get(ONE, rule=f"{RULES}:show", wrap="quota_class_set")
async def show_class(ctx: Ctx, quota_class: str, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    return {"id": quota_class, **await shown(ctx)}


@api.put(ONE, rule=f"{RULES}:update", wrap="quota_class_set")
async def change_class(ctx: Ctx, quota_class: str, body: Wanted) -> dict[str, Any]:
    wanted = read(body, names(ctx))
    if quota_class != DEFAULT:
        raise BadRequest(f"There is no quota class but {DEFAULT}: another would count for nobody.")
    await service.change_defaults(ctx, wanted)
    return await shown(ctx)
