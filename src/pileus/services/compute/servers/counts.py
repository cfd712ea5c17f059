"""Numbers and places of servers: what quotas count, what the scheduler and projects ask for, what is forgotten in time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.quota import Owners, Used
from pileus.services.compute.servers.store import devices, nics, not_deleted, servers, tags


def count_of(owners: Owners) -> Used:
    return sa.select(sa.func.count()).where(servers.c.project_id.in_(owners), not_deleted)


def members_of(group_id: UUID) -> Used:
    return sa.select(sa.func.count()).where(servers.c.group_id == group_id, not_deleted)


def cores_of(owners: Owners) -> Used:
    return sa.select(sa.func.sum(servers.c.vcpus)).where(servers.c.project_id.in_(owners), not_deleted)


def memory_of(owners: Owners) -> Used:
    return sa.select(sa.func.sum(servers.c.memory_mib)).where(servers.c.project_id.in_(owners), not_deleted)


async def owned(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many servers these projects have, and the names of a few."""
    mine = sa.and_(servers.c.project_id.in_(project_ids), not_deleted)
    rows = (await ctx.execute(sa.select(servers.c.name, sa.func.count().over()).where(mine).limit(5))).all()
    return (rows[0][1] if rows else 0), [row[0] for row in rows]


async def not_going(ctx: Ctx, project_ids: Sequence[str], most: int) -> list[UUID]:
    """Servers of these projects that nobody is deleting yet."""
    idle = sa.or_(servers.c.task_state.is_(None), servers.c.task_state != "deleting")
    query = sa.select(servers.c.id).where(servers.c.project_id.in_(project_ids), not_deleted, idle)
    return list((await ctx.execute(query.order_by(servers.c.id).limit(most))).scalars())


async def hosts_of(ctx: Ctx, ids: Collection[UUID]) -> Mapping[UUID, str | None]:
    """Where these servers are."""
    query = sa.select(servers.c.id, servers.c.host).where(servers.c.id.in_(ids), not_deleted)
    return {row.id: row.host for row in await ctx.execute(query)}


async def hosts_of_group(ctx: Ctx, group_id: UUID, but: UUID) -> list[str]:
    """The hosts of the group's other servers, one entry for each server."""
    others = sa.and_(servers.c.group_id == group_id, servers.c.id != but, servers.c.host.is_not(None), not_deleted)
    return list((await ctx.execute(sa.select(servers.c.host).where(others))).scalars())


async def on_hosts(ctx: Ctx, names: Collection[str]) -> Sequence[sa.Row[Any]]:
    """Id, name, host and task of the servers that these hosts have."""
    columns = (servers.c.id, servers.c.name, servers.c.host, servers.c.task_state)
    return (await ctx.execute(sa.select(*columns).where(servers.c.host.in_(names), not_deleted))).all()


async def purge(ctx: Ctx, before: float, limit: int) -> int:
    """Forget servers that were deleted before that stamp."""
    async with ctx.transaction() as ctx:
        old = sa.select(servers.c.id).where(servers.c.deleted_at < before).limit(limit)
        ids = (await ctx.execute(old)).scalars().all()
        if ids:
            for table in (tags, nics, devices):
                await ctx.execute(table.delete().where(table.c.server_id.in_(ids)))
            await ctx.execute(servers.delete().where(servers.c.id.in_(ids)))
        return len(ids)
