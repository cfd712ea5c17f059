"""/os-migrations: which servers went, or go, from one host to another."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.filters import seconds
from pileus.kernel.http import Here, Query
from pileus.services.compute.http import api, asked, limit, links, long_stamp, next_link, own
from pileus.services.compute.migrations import service
from pileus.services.compute.migrations.service import Migration

RULES = "os_compute_api:os-migrations:index"
FIRST = ("hidden", "host", "instance_uuid", "migration_type", "source_compute", "status", "project_id", "user_id")
SINCE = {"limit": "2.59", "marker": "2.59", "changes-since": "2.59", "changes-before": "2.66"}
OWNERS = {"project_id": "2.80", "user_id": "2.80"}
HOSTS = ("source_compute", "source_node", "dest_compute", "dest_host", "dest_node")


@api.get("/v2.1/os-migrations", rule=RULES)
async def list_migrations(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    known = [name for name in FIRST if ctx.at(OWNERS.get(name, "2.1")) or not ctx.at("2.59")]
    known += [name for name, since in SINCE.items() if ctx.at(since)]
    given = asked(ctx, query, known, strict_from="2.59")
    ctx.require(own(ctx))
    if given.get("project_id") != ctx.caller.project_id:
        ctx.world.policy.check(f"{RULES}:all_projects", ctx.caller, own(ctx))
    most = limit(given)
    since, before = (
        seconds(name, given[name]) if name in given else None for name in ("changes-since", "changes-before")
    )
    if since is not None and before is not None and since > before:
        raise BadRequest("The value of changes-since must be less than or equal to changes-before.")
    found, page = await service.page(ctx, given, limit=most, marker=given.get("marker"), since=since, before=before)
    more = next_link(here, "migrations", page) if ctx.at("2.59") else {}
    return {"migrations": [shown(ctx, here, each) for each in found], **more}


def shown(ctx: Ctx, here: Here, migration: Migration) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": migration.number,
        "instance_uuid": migration.server_id,
        "status": migration.status,
        "source_compute": migration.source,
        "source_node": migration.source,
        "dest_compute": migration.dest,
        "dest_host": migration.dest,
        "dest_node": migration.dest,
        "old_instance_type_id": number(migration.old_flavor),
        "new_instance_type_id": number(migration.new_flavor),
        "created_at": long_stamp(migration.created_at),
        "updated_at": long_stamp(migration.updated_at),
    }
    if not ctx.world.policy.allows(f"{RULES}:host", ctx.caller, own(ctx)):
        document |= dict.fromkeys(HOSTS)
    if ctx.at("2.23"):
        document["migration_type"] = migration.type
        if migration.type == service.LIVE and migration.status in service.IN_PROGRESS:
            document["links"] = links(here, f"servers/{migration.server_id}/migrations", str(migration.number))
    if ctx.at("2.59"):
        document["uuid"] = migration.id
    if ctx.at("2.80"):
        document |= {"user_id": migration.user_id, "project_id": migration.project_id}
    return document


def number(flavor_id: str) -> int | None:
    """Flavors have no numbers here but for those whose id is one."""
    return int(flavor_id) if flavor_id.isascii() and flavor_id.isdigit() and len(flavor_id) < 10 else None
