"""/os-migrations: what the API shows. Nothing moves servers between hosts yet, so there are none."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.filters import seconds
from pileus.kernel.http import Query
from pileus.services.compute.http import api, asked, limit, own

RULES = "os_compute_api:os-migrations:index"
FIRST = ("hidden", "host", "instance_uuid", "migration_type", "source_compute", "status", "project_id", "user_id")
SINCE = {"limit": "2.59", "marker": "2.59", "changes-since": "2.59", "changes-before": "2.66"}
OWNERS = {"project_id": "2.80", "user_id": "2.80"}


@api.get("/v2.1/os-migrations", rule=RULES)
async def list_migrations(ctx: Ctx, query: Query) -> dict[str, Any]:
    known = [name for name in FIRST if ctx.at(OWNERS.get(name, "2.1")) or not ctx.at("2.59")]
    known += [name for name, since in SINCE.items() if ctx.at(since)]
    given = asked(ctx, query, known, strict_from="2.59")
    ctx.require(own(ctx))
    if given.get("project_id") != ctx.caller.project_id:
        ctx.world.policy.check(f"{RULES}:all_projects", ctx.caller, own(ctx))
    limit(given)
    since, before = (
        seconds(name, given[name]) if name in given else None for name in ("changes-since", "changes-before")
    )
    if since is not None and before is not None and since > before:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    if "marker" in given:
        raise BadRequest(f"Marker {given['marker'][:80]} could not be found.")
    return {"migrations": []}
