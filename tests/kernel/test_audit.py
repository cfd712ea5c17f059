"""Audit: a row if and only if the change is there."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from kernel.small_world import MEMBER, SmallWorld
from pileus.kernel.audit import _written, about, audited, audits, purge
from pileus.kernel.context import Ctx
from pileus.kernel.db import Database, metadata

marks = sa.Table("audit_mark", metadata, sa.Column("id", sa.Integer, primary_key=True))


@pytest.fixture
def world(database: Database) -> SmallWorld:
    return SmallWorld(database)


@pytest.fixture
def ctx(world: SmallWorld) -> Ctx:
    return audited(
        world.ctx(global_request_id="req-g"), action="compute:create", method="POST", path="/compute/servers"
    )


async def rows(ctx: Ctx) -> list[sa.Row]:
    return list(await ctx.execute(sa.select(audits).order_by(audits.c.at)))


async def undo(ctx: Ctx) -> None:
    """A transaction that gets as far as its COMMIT and no further."""
    async with ctx.transaction() as tx:
        about(tx, "compute.server", "s1")
        await ctx.closing(tx)
        raise RuntimeError("undone")


async def test_a_change_leaves_who_did_what(ctx: Ctx):
    async with ctx.transaction() as tx:
        about(tx, "compute.volume", "v1")
        about(tx, "compute.server", "s1")
        await tx.execute(marks.insert())
    (row,) = await rows(ctx)
    assert (row.user_id, row.project_id) == (MEMBER.user_id, MEMBER.project_id)
    assert (row.action, row.method, row.path) == ("compute:create", "POST", "/compute/servers")
    assert (row.request_id, row.global_request_id) == (ctx.request_id, "req-g")
    assert (row.target_type, row.target_id, row.outcome) == ("compute.server", "s1", "success")
    assert row.at == pytest.approx(ctx.now(), abs=1)


async def test_a_change_that_was_undone_leaves_nothing(ctx: Ctx):
    with pytest.raises(RuntimeError, match="undone"):
        await undo(ctx)
    assert await rows(ctx) == []
    async with ctx.transaction() as tx:
        await tx.execute(marks.insert())
    (row,) = await rows(ctx)
    assert (row.target_type, row.target_id) == (None, None), "what the other one was about"


async def test_each_transaction_of_a_request_has_its_own_row(ctx: Ctx):
    for _ in range(2):
        async with ctx.transaction() as tx, tx.transaction() as inner:
            await inner.execute(marks.insert())
    assert len({row.id for row in await rows(ctx)}) == 2


async def test_a_long_path_is_cut(world: SmallWorld):
    async with audited(world.ctx(), action="a", method="PUT", path="/" + "x" * 5000).transaction() as tx:
        await tx.execute(marks.insert())
    (row,) = await rows(world.ctx())
    assert len(row.path) == 512


def test_only_a_change_is_about_something(world: SmallWorld):
    with pytest.raises(AssertionError, match="nothing is written here"):
        about(world.ctx(), "compute.server", "s1")


async def test_the_probe_knows_what_came_through(world: SmallWorld, ctx: Ctx):
    async with ctx.transaction() as tx:
        await tx.execute(marks.insert())
    async with world.db.transaction() as connection:
        assert await ctx.probe(connection)
    assert len(await rows(ctx)) == 1


async def test_the_probe_knows_what_did_not_and_leaves_no_trace(world: SmallWorld, ctx: Ctx):
    with pytest.raises(RuntimeError, match="undone"):
        await undo(ctx)
    async with world.db.transaction() as connection:
        assert not await ctx.probe(connection)
    assert await rows(ctx) == []


async def test_a_task_that_wrote_nothing_has_nothing_to_ask_for(world: SmallWorld, ctx: Ctx):
    async def asked() -> bool:
        _written.set(None)
        async with world.db.transaction() as connection:
            return await ctx.probe(connection)

    assert not await asyncio.create_task(asked())


async def test_tasks_that_share_a_ctx_ask_for_their_own_transactions(world: SmallWorld, ctx: Ctx):
    async def committed() -> bool:
        async with ctx.transaction() as tx:
            await tx.execute(marks.insert())
        async with world.db.transaction() as connection:
            return await ctx.probe(connection)

    async def undone() -> bool:
        with pytest.raises(RuntimeError, match="undone"):
            await undo(ctx)
        async with world.db.transaction() as connection:
            return await ctx.probe(connection)

    assert await asyncio.gather(committed(), undone(), committed()) == [True, False, True]


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("commits", [True, False])
async def test_the_probe_waits_for_a_commit_that_is_under_way(world: SmallWorld, ctx: Ctx, commits: bool):
    """Between COMMIT's arrival and its effect a plain look finds no row, and the work would be done twice."""
    first = world.db.transaction()
    connection = await first.__aenter__()
    await ctx.closing(Ctx(ctx.world, ctx.caller, connection=connection))
    async with world.db.transaction() as other:
        asked = asyncio.create_task(ctx.probe(other))
        done, _ = await asyncio.wait([asked], timeout=0.2)
        assert not done
        error = None if commits else RuntimeError("undone")
        try:
            await first.__aexit__(type(error) if error else None, error, None)
        except RuntimeError:
            assert not commits
        assert await asked is commits


async def test_old_rows_are_purged_in_batches(ctx: Ctx):
    for _ in range(5):
        async with ctx.transaction() as tx:
            await tx.execute(marks.insert())
    kept = (await rows(ctx))[-1]
    bare = Ctx(ctx.world)
    assert [await purge(bare, kept.at, batch=3) for _ in range(3)] == [3, 1, 0]
    assert [row.id for row in await rows(ctx)] == [kept.id]
