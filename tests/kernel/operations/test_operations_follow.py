"""News of a subject: an operation that begins when whatever runs on it has ended."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from demo.world import DemoWorld
from pileus.kernel.errors import Conflict
from pileus.kernel.operations import Op, Saga, Wait
from pileus.kernel.operations.views import retry


async def told(world: DemoWorld, saga: Saga, subject: UUID, **memo: Any) -> None:
    async with world.ctx().transaction() as ctx:
        await saga.follow(ctx, subject, **memo)


@pytest.fixture
def heard(new_saga: Any) -> tuple[Saga, list[str]]:
    """What looks at a subject, and what it was told each time."""
    saga, said = new_saga("test.look"), []

    @saga.step
    async def look(op: Op) -> None:
        said.append(op.memo["news"])

    return saga, said


async def test_of_a_subject_at_rest_it_begins_at_once(world: DemoWorld, play: Any, heard: Any) -> None:
    saga, said = heard
    await told(world, saga, world.ids.uuid(), news="first")
    await play.drain()
    assert said == ["first"]


@pytest.mark.parametrize("fails", [False, True])
async def test_of_a_busy_one_it_begins_when_that_has_ended_however_it_does(
    world: DemoWorld, play: Any, new_saga: Any, heard: Any, fails: bool
) -> None:
    (saga, said), busy, subject = heard, new_saga(), world.ids.uuid()

    @busy.step
    async def act(op: Op) -> None:
        for news in ("first", "newest"):
            await told(world, saga, subject, news=news)
        assert not said
        if fails:
            raise Conflict("no")

    first = await play.start(busy, subject)
    await play.drain()
    assert await play.state(first) == ("undone" if fails else "done")
    assert said == ["newest"]


async def test_who_deletes_comes_first_and_hands_it_on(world: DemoWorld, play: Any, new_saga: Any, heard: Any) -> None:
    (saga, said), busy, delete = heard, new_saga(), new_saga("test.delete")
    subject, other, seen = world.ids.uuid(), world.ids.uuid(), []

    @delete.rows
    async def forget(op: Op) -> None:
        seen.append("of it" in said)

    @busy.step
    async def act(op: Op) -> Any:
        await told(world, saga, subject, news="of it")
        await told(world, saga, other, news="of what it claims beside")
        await play.supersede(delete, subject)
        return Wait(1)

    await play.start(busy, subject, also=[other])
    await play.drain()
    assert seen == [False]
    assert sorted(said) == ["of it", "of what it claims beside"]


async def test_behind_a_parked_one_it_waits(world: DemoWorld, play: Any, new_saga: Any, heard: Any) -> None:
    (saga, said), busy, subject, works = heard, new_saga(), world.ids.uuid(), []

    @busy.step(point_of_no_return=True)
    async def act(op: Op) -> None:
        if not works:
            raise Conflict("not yet")

    first = await play.start(busy, subject)
    await play.drain()
    await told(world, saga, subject, news="meanwhile")
    await play.drain()
    assert (await play.state(first), said) == ("parked", [])
    works.append(1)
    await retry(world.ctx(), first)
    await play.drain()
    assert said == ["meanwhile"]


@pytest.mark.database("postgresql")
async def test_news_that_come_while_it_turns_into_its_successor_follow_that(
    real: DemoWorld, play: Any, new_saga: Any, heard: Any
) -> None:
    """Its last commit and the news at once: whoever comes second waits, and then sees what is there."""
    (saga, said), delete, subject = heard, new_saga("test.delete"), real.ids.uuid()
    busy, going = new_saga(), []

    @delete.rows
    async def forget(op: Op) -> None: ...

    @busy.step
    async def act(op: Op) -> Any: ...

    @busy.undone
    async def ends(op: Op) -> None:
        going.append(asyncio.create_task(told(real, saga, subject, news="at last")))

    await play.start(busy, subject)
    await play.supersede(delete, subject)
    await play.drain()
    await asyncio.gather(*going)
    await play.drain()
    assert going
    assert said == ["at last"]
