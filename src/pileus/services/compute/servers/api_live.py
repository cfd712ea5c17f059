"""Servers that move while they run: os-migrateLive, and /servers/{server_id}/migrations."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body
from pileus.services.compute.http import api, long_stamp
from pileus.services.compute.migrations.service import Migration
from pileus.services.compute.servers import checks, moving, service, under_way
from pileus.services.compute.servers.api_moves import ACTION, HostName
from pileus.services.compute.servers.bodies import Opt, Ranges, fits
from pileus.services.compute.servers.checks import said
from pileus.services.compute.servers.moving import Live

RULE = "os_compute_api:os-migrate-server:migrate_live"
RULES = "os_compute_api:servers:migrations"
ALL = "/v2.1/servers/{server_id}/migrations"
ONE = ALL + "/{migration_id}"
COUNTED = ("memory_total", "memory_processed", "memory_remaining", "disk_total", "disk_processed", "disk_remaining")


class MigrateLive(Body, frozen=True):
    host: HostName | None
    block_migration: checks.Flag | Literal["auto"]
    disk_over_commit: checks.Flag | Opt = UNSET
    force: checks.Flag | Opt = UNSET


KNOWN: Ranges = {"disk_over_commit": ("2.1", "2.24"), "force": ("2.30", "2.67")}


@api.action(ACTION, "os-migrateLive", rule=RULE)
async def migrate_live(ctx: Ctx, server_id: UUID, body: MigrateLive) -> None:
    fits(ctx, body, KNOWN)
    server = await service.get(ctx, server_id)
    if body.host is not None:
        ctx.world.policy.check(f"{RULE}:host", ctx.caller, service.target(server))
    if not ctx.at("2.25") and body.disk_over_commit is UNSET:
        raise BadRequest("Invalid input for field/attribute os-migrateLive. 'disk_over_commit' is a required property")
    checks.flag("disk_over_commit", body.disk_over_commit)
    forced = checks.flag("force", said(body.force, False))
    if forced and body.host is None:
        raise BadRequest("Can't force to a non-provided destination")
    auto = ctx.at("2.25") and body.block_migration == "auto"
    wanted = Live(
        host=body.host,
        forced=forced or (body.host is not None and not ctx.at("2.30")),
        copied=None if auto else checks.flag("block_migration", body.block_migration),
        at_once=not ctx.at("2.34"),
    )
    await moving.migrate_live(ctx, server, wanted)


@api.get(ALL, rule=f"{RULES}:index", since="2.23", wrap="migrations")
async def list_migrations(ctx: Ctx, server_id: UUID) -> list[dict[str, Any]]:
    server = await service.get(ctx, server_id)
    hosts = ctx.world.policy.allows(f"{RULES}:index:host", ctx.caller, service.target(server))
    return [shown(ctx, each, hosts=hosts) for each in await under_way.all_of(ctx, server)]


@api.get(ONE, rule=f"{RULES}:show", since="2.23", wrap="migration")
async def show_migration(ctx: Ctx, server_id: UUID, migration_id: str) -> dict[str, Any]:
    return shown(ctx, await under_way.get(ctx, await service.get(ctx, server_id), migration_id), hosts=True)


@api.action(ONE + "/action", "force_complete", rule=f"{RULES}:force_complete", since="2.22")
async def force_complete(ctx: Ctx, server_id: UUID, migration_id: str) -> None:
    await under_way.hurry(ctx, await service.get(ctx, server_id), migration_id)


@api.delete(ONE, rule=f"{RULES}:delete", since="2.24", status=202)
async def call_off(ctx: Ctx, server_id: UUID, migration_id: str) -> None:
    await under_way.call_off(ctx, await service.get(ctx, server_id), migration_id, early=ctx.at("2.65"))


def shown(ctx: Ctx, migration: Migration, *, hosts: bool) -> dict[str, Any]:
    """`hosts`: the caller may know them."""
    source, dest = (migration.source, migration.dest) if hosts else (None, None)
    document: dict[str, Any] = {
        "id": migration.number,
        "server_uuid": migration.server_id,
        "status": migration.status,
        "source_compute": source,
        "source_node": source,
        "dest_compute": dest,
        "dest_host": dest,
        "dest_node": dest,
        "created_at": long_stamp(migration.created_at),
        "updated_at": long_stamp(migration.updated_at),
        **{f"{name}_bytes": migration.progress.get(name) for name in COUNTED},
    }
    if ctx.at("2.59"):
        document["uuid"] = migration.id
    if ctx.at("2.80"):
        document |= {"user_id": migration.user_id, "project_id": migration.project_id}
    return document
