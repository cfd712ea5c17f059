"""What servers tell the nouns below them: who is in a group, what projects use, and when servers were there."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.services.compute.quotas import CORES, INSTANCES, RAM_MIB, counted
from pileus.services.compute.server_groups import service as server_groups
from pileus.services.compute.servers import counts
from pileus.services.compute.servers.store import not_deleted, servers
from pileus.services.compute.usages import service as usages
from pileus.services.compute.usages.service import Asked, Span

counted(INSTANCES, counts.count_of)
counted(CORES, counts.cores_of)
counted(RAM_MIB, counts.memory_of)


@server_groups.members
async def members_of(ctx: Ctx, group_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """The servers of each of these groups, in the order in which they were made."""
    mine = sa.and_(servers.c.group_id.in_(group_ids), not_deleted)
    query = sa.select(servers.c.group_id, servers.c.id).where(mine).order_by(servers.c.created_at, servers.c.id)
    found: dict[UUID, list[UUID]] = {}
    for group_id, server_id in await ctx.execute(query):
        found.setdefault(group_id, []).append(server_id)
    return found


@server_groups.on_delete
async def leave_groups(ctx: Ctx, group_ids: Sequence[UUID]) -> None:
    await ctx.execute(servers.update().where(servers.c.group_id.in_(group_ids)).values(group_id=None))


@usages.spans
async def spans_of(ctx: Ctx, asked: Asked) -> list[Span]:
    """Those that were launched before its end and were there after its start."""
    ended = sa.or_(not_deleted, servers.c.deleted_at >= asked.start)
    query = sa.select(servers).where(servers.c.launched_at <= asked.stop, ended)
    if asked.project_id is not None:
        query = query.where(servers.c.project_id == asked.project_id)
    if asked.marker is not None:
        query = query.where(sa.tuple_(servers.c.project_id, servers.c.id) > await _place(ctx, asked.marker))
    query = query.order_by(servers.c.project_id, servers.c.id).limit(asked.limit)
    return [span_of(row) for row in await ctx.execute(query)]


async def _place(ctx: Ctx, marker: str) -> sa.Tuple:
    """Where the marker's server stands. Raises BadRequest."""
    try:
        found = sa.select(servers.c.project_id, servers.c.id).where(servers.c.id == UUID(marker))
    except ValueError:
        found = None
    row = None if found is None else (await ctx.execute(found)).one_or_none()
    if row is None:
        raise BadRequest(f"Marker {marker[:80]} could not be found.")
    return sa.tuple_(sa.literal(row.project_id), sa.literal(row.id, sa.Uuid()))


def span_of(row: sa.Row[tuple[object, ...]]) -> Span:
    server = row._mapping
    flavor = server["flavor"]
    return Span(
        server_id=str(server["id"]),
        name=server["name"],
        project_id=server["project_id"],
        flavor=flavor.name,
        state=server["vm_state"],
        memory_mib=flavor.memory_mib,
        vcpus=flavor.vcpus,
        disk_gib=flavor.disk_gib + flavor.ephemeral_gib,
        launched_at=server["launched_at"],
        ended_at=server["deleted_at"],
    )
