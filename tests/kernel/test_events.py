"""Events: who may see what, and that no reader who goes on from its place ever misses one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from kernel.small_world import MEMBER, SmallWorld
from pileus.kernel.context import Ctx
from pileus.kernel.db import Database
from pileus.kernel.events import (
    BEGINNING,
    Bell,
    Place,
    adopt,
    bell,
    emit,
    emit_each,
    events,
    head,
    purge,
    since,
    still_knows,
)

ADMIN = replace(MEMBER, project_id="p9", roles=frozenset({"admin", "manager", "member", "reader"}))
OTHER = replace(MEMBER, project_id="p2")


@pytest.fixture
def world(database: Database) -> SmallWorld:
    return SmallWorld(database)


@pytest.fixture
def ctx(world: SmallWorld) -> Ctx:
    return world.ctx()


async def say(ctx: Ctx, *names: str, project_id: str | None = "p1") -> None:
    """One event of each name, in one transaction."""
    async with ctx.transaction() as tx:
        for name in names:
            await emit(tx, "compute.server", "created", name, project_id=project_id, facts={"name": name})


async def seen(ctx: Ctx, caller=ADMIN, place: Place = BEGINNING, limit: int = 100) -> list[str]:
    return [event.id for event in await since(ctx, caller, place, limit)]


async def test_a_change_is_told_with_its_facts(ctx: Ctx):
    await say(ctx, "a")
    (event,) = await since(ctx, MEMBER, BEGINNING)
    assert (event.project_id, event.kind, event.verb, event.id) == ("p1", "compute.server", "created", "a")
    assert event.facts == {"name": "a"}
    assert event.at == pytest.approx(ctx.now(), abs=1)


async def test_many_changes_are_told_by_one_statement(ctx: Ctx, database: Database):
    run: list[str] = []
    database.on_statement.append(run.append)
    async with ctx.transaction() as tx:
        await emit_each(tx, "compute.server", "deleted", {"a": "p1", "b": "p2", "c": None})
        await emit_each(tx, "compute.server", "deleted", {})
    assert len([statement for statement in run if "INSERT INTO event" in statement]) == 1
    assert await seen(ctx, MEMBER) == ["a"]
    assert await seen(ctx) == ["a", "b", "c"]


async def test_a_change_that_was_undone_is_not_told(ctx: Ctx):
    async def undone() -> None:
        async with ctx.transaction() as tx:
            await emit(tx, "compute.server", "deleted", "a", project_id="p1")
            raise RuntimeError

    rung = bell(ctx.world).next()
    with pytest.raises(RuntimeError):
        await undone()
    assert await seen(ctx) == []
    assert not rung.is_set()


async def test_everybody_sees_their_own_and_an_administrator_everything(ctx: Ctx):
    await say(ctx, "mine")
    await say(ctx, "theirs", project_id="p2")
    await say(ctx, "nobody's", project_id=None)
    assert await seen(ctx, MEMBER) == ["mine"]
    assert await seen(ctx, OTHER) == ["theirs"]
    assert await seen(ctx, ADMIN) == ["mine", "theirs", "nobody's"]
    assert await seen(ctx, replace(MEMBER, roles=frozenset())) == []
    assert await seen(ctx, replace(MEMBER, project_id=None)) == []


async def test_pages_put_together_are_the_stream(ctx: Ctx):
    for start in range(0, 9, 3):
        await say(ctx, *(str(number) for number in range(start, start + 3)))
    place, got = BEGINNING, []
    while page := await since(ctx, ADMIN, place, limit=2):
        got += [event.id for event in page]
        place = page[-1].place
    assert got == [str(number) for number in range(9)]
    assert place == await head(ctx)


async def test_the_head_is_behind_everything(ctx: Ctx):
    assert await head(ctx) == BEGINNING
    await say(ctx, "a")
    place = await head(ctx)
    await say(ctx, "b")
    assert await seen(ctx, place=place) == ["b"]


@pytest.mark.parametrize("text", ["", "7", "7.", "a.b", "-1.2", "1.2.3", "1" * 19 + ".1", "1. 2", "1.2\n"])
def test_what_is_no_place_is_not_read_as_one(text):
    assert Place.parse(text) is None


def test_a_place_is_written_and_read():
    assert Place.parse(str(Place(12, 345))) == Place(12, 345)


async def test_a_place_is_known_while_its_event_is_kept(ctx: Ctx):
    await say(ctx, "a", "b")
    first, second = [event.place for event in await since(ctx, ADMIN, BEGINNING)]
    assert await still_knows(ctx, MEMBER, BEGINNING)
    assert await still_knows(ctx, MEMBER, first)
    assert not await still_knows(ctx, OTHER, first), "a place is no way to find out what others did"
    assert not await still_knows(ctx, MEMBER, Place(first.xid, second.seq + 1))
    assert await purge(Ctx(ctx.world), ctx.now() + 1, batch=1) == 1
    assert not await still_knows(ctx, MEMBER, first)
    assert await still_knows(ctx, MEMBER, second)


async def test_a_number_is_not_used_twice(ctx: Ctx):
    await say(ctx, "a")
    place = await head(ctx)
    assert await purge(Ctx(ctx.world), ctx.now() + 1) == 1
    await say(ctx, "b")
    assert await seen(ctx, place=place) == ["b"]


async def test_the_bell_wakes_all_who_wait_once_the_change_is_durable(ctx: Ctx):
    waiting = [bell(ctx.world).next() for _ in range(3)]
    async with ctx.transaction() as tx:
        await emit(tx, "compute.server", "created", "a", project_id="p1")
        assert not waiting[0].is_set()
    assert all(each.is_set() for each in waiting)
    assert not bell(ctx.world).next().is_set()
    assert bell(ctx.world) is ctx.world.memory[Bell]


@pytest.mark.database("postgresql")
async def test_a_slow_transaction_is_not_overtaken(world: SmallWorld, ctx: Ctx):
    """The slow one drew the lower number; whoever saw the quick one's event first would never see the slow one's."""
    slow = world.db.transaction()
    tx = replace(ctx, connection=await slow.__aenter__())
    await emit(tx, "compute.server", "created", "slow", project_id="p1")
    await say(ctx, "quick")
    assert await seen(ctx) == [], "the quick one's waits"
    place = await head(ctx)
    await slow.__aexit__(None, None, None)
    assert await seen(ctx, place=place) == ["slow", "quick"]


@pytest.mark.database("postgresql")
async def test_nor_is_one_that_began_first_and_spoke_last(world: SmallWorld, ctx: Ctx):
    """Here the order of the numbers is not the order of the transactions."""
    slow = world.db.transaction()
    connection = await slow.__aenter__()
    await connection.execute(sa.select(sa.func.pg_current_xact_id()))
    await say(ctx, "quick")
    await emit(replace(ctx, connection=connection), "compute.server", "created", "slow", project_id="p1")
    place = await head(ctx)
    assert await seen(ctx, place=place) == []
    await slow.__aexit__(None, None, None)
    assert await seen(ctx, place=place) == ["slow", "quick"]
    first, second = await since(ctx, ADMIN, place)
    assert first.place.seq > second.place.seq
    assert await seen(ctx, place=first.place) == ["quick"]


async def test_a_reader_beside_eight_writers_misses_nothing(ctx: Ctx):
    async def write(who: int) -> None:
        for number in range(12):
            await say(ctx, f"{who}-{number}", f"{who}-{number}'")

    async def read(writing: asyncio.Future[list[None]]) -> list[str]:
        place, got = BEGINNING, []
        while True:
            last_look = bool((await asyncio.wait([writing], timeout=0.001))[0])
            page = await since(ctx, ADMIN, place, limit=7)
            got += [event.id for event in page]
            place = page[-1].place if page else place
            if last_look and not page:
                return got

    got = await read(asyncio.gather(*(write(who) for who in range(8))))
    assert len(got) == len(set(got)) == 8 * 12 * 2


async def test_events_of_a_restored_dump_come_before_new_ones(world: SmallWorld, ctx: Ctx):
    await say(ctx, "old")
    assert await adopt(Ctx(ctx.world)) == 0
    async with ctx.transaction() as tx:
        await tx.execute(events.update().values(xid=2**40))
    restored = world.db.dialect == "postgresql"
    assert await seen(ctx) == ([] if restored else ["old"])
    assert await adopt(Ctx(ctx.world)) == restored
    if restored:
        await say(ctx, "new")
        assert await seen(ctx) == ["old", "new"]
