"""/v3/os-quota-sets, /v3/os-quota-class-sets and /v3/limits"""

from __future__ import annotations

import re
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Query
from pileus.services.volume.http import api, is_admin
from pileus.services.volume.lists import last, truth
from pileus.services.volume.quota_sets import service

ONE = "/v3/os-quota-sets/{quota_project}"
CLASS = "/v3/os-quota-class-sets/{quota_class}"
RULES = "volume_extension:quotas"
BIGGEST = 2**31 - 1
NUMBER = re.compile(r"-1|[0-9]{1,10}")
NO_LIMITS = frozenset({"tenant_id", "id", "force", "skip_validation"})
ABSOLUTE = {
    "maxTotalVolumes": "volumes",
    "maxTotalVolumeGigabytes": "gigabytes",
    "maxTotalSnapshots": "snapshots",
    "maxTotalBackups": "backups",
    "maxTotalBackupGigabytes": "backup_gigabytes",
}
USED = {
    "totalVolumesUsed": "volumes",
    "totalGigabytesUsed": "gigabytes",
    "totalSnapshotsUsed": "snapshots",
    "totalBackupsUsed": "backups",
    "totalBackupGigabytesUsed": "backup_gigabytes",
}

Wanted = dict[str, int | str | bool | None]


async def shown(ctx: Ctx, project_id: str, *, usage: bool = False) -> dict[str, Any]:
    found = await service.levels(ctx, project_id)
    if usage:
        return {name: {"limit": each.limit, "in_use": each.used, "reserved": 0} for name, each in found.items()}
    return {name: each.limit for name, each in found.items()}


async def read(ctx: Ctx, sent: Wanted) -> dict[str, int]:
    """Raises BadRequest for what is no limit."""
    wanted = {name: value for name, value in sent.items() if name not in NO_LIMITS}
    unknown = sorted(wanted.keys() - set(await service.names(ctx)))
    if unknown:
        raise BadRequest(f"Bad key(s) in quota set: {', '.join(unknown)[:200]}")
    for name, value in wanted.items():
        if isinstance(value, bool) or NUMBER.fullmatch(str(value)) is None or int(str(value)) > BIGGEST:
            raise BadRequest(f"Invalid input for {name}: {str(value)[:80]!r} is no limit: -1 to {BIGGEST}.")
    return {name: int(str(value)) for name, value in wanted.items()}


@api.get(ONE, rule=f"{RULES}:show", wrap="quota_set")
async def show_quotas(ctx: Ctx, quota_project: str, query: Query) -> dict[str, Any]:
    ctx.require({"project_id": quota_project})
    return {"id": quota_project, **await shown(ctx, quota_project, usage=truth(query, "usage"))}


@api.get(f"{ONE}/defaults", rule=f"{RULES}:show", wrap="quota_set")
async def show_defaults(ctx: Ctx, quota_project: str) -> dict[str, Any]:
    ctx.require({"project_id": quota_project})
    return {"id": quota_project, **await service.defaults(ctx)}


@api.put(ONE, rule=f"{RULES}:update", wrap="quota_set")
async def change_quotas(ctx: Ctx, quota_project: str, body: Wanted) -> dict[str, Any]:
    ctx.require({"project_id": quota_project})
    await service.change(ctx, quota_project, await read(ctx, body))
    return await shown(ctx, quota_project)


@api.delete(ONE, rule=f"{RULES}:delete")
async def clear_quotas(ctx: Ctx, quota_project: str) -> None:
    ctx.require({"project_id": quota_project})
    await service.clear(ctx, quota_project)


@api.get(CLASS, rule="volume_extension:quota_classes:get", wrap="quota_class_set")
async def show_class(ctx: Ctx, quota_class: str) -> dict[str, Any]:
    return {"id": quota_class, **await service.defaults(ctx)}


@api.put(CLASS, rule="volume_extension:quota_classes:update", wrap="quota_class_set")
async def change_class(ctx: Ctx, quota_class: str, body: Wanted) -> dict[str, Any]:
    wanted = await read(ctx, body)
    if quota_class != "default":
        raise BadRequest("There is no quota class but default: another would count for nobody.")
    await service.change_defaults(ctx, wanted)
    return await service.defaults(ctx)


@api.get("/v3/limits", rule="limits_extension:used_limits", wrap="limits")
async def show_limits(ctx: Ctx, query: Query) -> dict[str, Any]:
    asked = last(query, "project_id") if ctx.at("3.39") and is_admin(ctx) else None
    found = await service.levels(ctx, asked or ctx.caller.project_id or "")
    absolute = {key: found[name].limit for key, name in ABSOLUTE.items()}
    return {"rate": [], "absolute": absolute | {key: found[name].used for key, name in USED.items()}}
