"""Ctx, time, names and errors: small things that everything stands on."""

from __future__ import annotations

import asyncio
import inspect
import re
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from demo.world import MEMBER, DemoWorld
from pileus.kernel import errors
from pileus.kernel.clock import SteppingClock, SystemClock, iso
from pileus.kernel.context import Caller, Ctx, version
from pileus.kernel.db import Database
from pileus.kernel.errors import CloudError, Forbidden, HostDown, TooManyRequests
from pileus.kernel.ids import Ids, drawing_for
from pileus.kernel.policy import Policy
from support.notes import notes


@pytest.fixture
def ctx(database: Database, tmp_path: Any) -> Ctx:
    return DemoWorld(database, tmp_path).ctx()


async def count(ctx: Ctx) -> int:
    return (await ctx.execute(sa.select(sa.func.count()).select_from(notes))).scalar_one()


async def test_a_read_sees_one_connection_and_reads_inside_share_it(ctx: Ctx) -> None:
    async with ctx.read() as outer, outer.read() as inner:
        assert outer.connection is not None
        assert inner is outer
        assert await count(inner) == 0
    assert await count(ctx) == 0


async def test_transactions_inside_one_another_are_one(ctx: Ctx) -> None:
    rung: list[int] = []
    async with ctx.transaction() as outer:
        async with outer.transaction() as inner, inner.read() as read:
            assert inner is outer is read
            inner.after_commit(lambda: rung.append(1))
            await inner.lock("quota", 1)
            await inner.execute(notes.insert(), {"id": 1})
        assert rung == []
        assert await count(outer) == 1
    assert rung == [1]
    assert await count(ctx) == 1


async def test_a_read_cannot_become_a_transaction_nor_hold_what_only_that_can(ctx: Ctx) -> None:
    async with ctx.read() as read:
        with pytest.raises(AssertionError, match="cannot become a transaction"):
            async with read.transaction():
                pass
        with pytest.raises(AssertionError, match="a lock lives in a transaction"):
            await read.lock("quota", 1)
        with pytest.raises(AssertionError, match="a lock lives in a transaction"):
            await read.hold(sa.select(1))
        with pytest.raises(AssertionError, match="nothing will be committed"):
            read.after_commit(print)
    with pytest.raises(AssertionError, match="a lock lives in a transaction"):
        await ctx.lock("quota", 1)
    with pytest.raises(AssertionError, match="nothing will be committed"):
        ctx.after_commit(print)
    with pytest.raises(AssertionError, match="a write needs an open transaction"):
        await ctx.execute(notes.insert(), {"id": 1})


async def test_guard_comes_first_and_closing_last_and_both_can_refuse(ctx: Ctx) -> None:
    seen: list[str] = []

    async def guard(ctx: Ctx) -> None:
        seen.append(f"guard {await count(ctx)}")

    async def closing(ctx: Ctx) -> None:
        seen.append(f"closing {await count(ctx)}")
        if await count(ctx) == 2:
            raise Forbidden("no")

    hooked = Ctx(ctx.world, guard=guard, closing=closing)
    async with hooked.transaction() as tx:
        await tx.execute(notes.insert(), {"id": 1})
    with pytest.raises(Forbidden):
        async with hooked.transaction() as tx:
            await tx.execute(notes.insert(), {"id": 2})
    assert seen == ["guard 0", "closing 1", "guard 1", "closing 2"]
    assert await count(ctx) == 1


async def test_no_engine_is_had_while_a_transaction_or_read_is_open(ctx: Ctx) -> None:
    assert ctx.engine("hypervisor", "h1") is not None
    ctx.world.down.add("h1")  # type: ignore[attr-defined]
    with pytest.raises(HostDown, match="The host is not reachable"):
        ctx.engine("hypervisor", "h1")
    for opened in (ctx.transaction, ctx.read):
        async with opened() as inside:
            with pytest.raises(AssertionError, match="hypervisor engine is called while a transaction is open"):
                inside.engine("hypervisor", "h2")


async def test_require_asks_the_rule_of_the_route_about_the_target(ctx: Ctx) -> None:
    world: Any = ctx.world
    world.policy = Policy.load({"demo:show": "project_id:%(project_id)s"}, None)
    asked = Ctx(world, MEMBER, rule="demo:show")
    asked.require({"project_id": MEMBER.project_id})
    with pytest.raises(Forbidden, match="demo:show"):
        asked.require({"project_id": "other"})


def test_a_version_is_compared_by_its_numbers() -> None:
    ctx: Any = Ctx(None, version=(2, 73))  # type: ignore[arg-type]
    assert ctx.at("2.9")
    assert ctx.at("2.73")
    assert not ctx.at("2.100")
    assert not Ctx(None).at("2.1")  # type: ignore[arg-type]
    for wrong in ("2", "latest", "2.x", ""):
        with pytest.raises(ValueError):
            version(wrong)


def test_a_caller_is_stored_without_its_token_and_comes_back() -> None:
    caller = Caller("u", "name", "d1", "p", "d2", None, True, frozenset({"b", "a"}), token_id="t", facts={"x": 1})
    stored = caller.as_dict()
    assert stored["roles"] == ["a", "b"]
    back = Caller.from_dict(stored)
    assert back == Caller("u", "name", "d1", "p", "d2", None, True, frozenset({"b", "a"}))


# clock, ids


class Timed:
    """A world that has nothing but time."""

    def __init__(self, clock: SteppingClock) -> None:
        self.clock = clock


async def test_a_stepping_clock_wakes_whoever_slept_until_then_and_never_stamps_alike() -> None:
    clock = SteppingClock(1000.0)
    assert clock.now() < Ctx(Timed(clock)).now() < clock.now()  # type: ignore[arg-type]
    woken: list[str] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    tasks = [asyncio.create_task(sleep(name, s)) for name, s in (("short", 5), ("left", 5), ("long", 50))]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    clock.advance(10)
    await tasks[0]
    assert woken == ["short"]
    assert clock.monotonic() == pytest.approx(10, abs=0.01)
    clock.advance(100)
    await tasks[2]
    assert woken == ["short", "long"]


async def test_the_clock_of_the_machine_goes_on() -> None:
    clock = SystemClock()
    now, since = clock.now(), clock.monotonic()
    await clock.sleep(0.001)
    assert clock.monotonic() - since >= 0.001
    assert clock.now() >= now > 1_600_000_000


def test_times_are_shown_in_utc() -> None:
    assert iso(1_767_225_600.5) == "2026-01-01T00:00:00Z"
    assert iso(1_767_225_600.5, microseconds=True) == "2026-01-01T00:00:00.500000Z"


def test_ids_repeat_with_a_seed_and_never_without() -> None:
    def some(ids: Ids) -> list[str]:
        return [str(ids.uuid()), ids.hex(), ids.request(), ids.bytes(8).hex()]

    assert some(Ids(7)) == some(Ids(7)) != some(Ids(8))
    assert some(Ids()) != some(Ids())
    assert Ids().uuid().version == Ids(7).uuid().version == 4
    assert re.fullmatch(r"[0-9a-f]{32}", Ids(1).hex())
    assert re.fullmatch(r"req-[0-9a-f-]{36}", Ids(1).request())


def test_neither_who_looks_on_nor_the_order_of_operations_changes_ids_of_a_seed() -> None:
    one, other, first, second = Ids(7), Ids(7), UUID(int=1), UUID(int=2)

    def drawn(ids: Ids, operation_id: UUID) -> UUID:
        with drawing_for(operation_id):
            return ids.uuid()

    made = [drawn(one, first), drawn(one, second), drawn(one, first), one.uuid(), one.uuid()]
    other.request()
    assert other.uuid() == made[3]
    assert [drawn(other, second), drawn(other, first), drawn(other, first)] == [made[1], made[0], made[2]]
    assert other.uuid() == made[4]
    assert len(set(made)) == len(made)


# errors


def test_every_error_has_a_status_a_code_and_keeps_its_facts_out_of_the_message() -> None:
    kinds = [e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, CloudError)]
    assert {e.status for e in kinds} >= {400, 401, 403, 404, 405, 409, 413, 429, 500, 501, 503}
    error = Forbidden("You may not.", headers={"X": "y"}, secret="s")
    assert (str(error), error.message, error.headers, error.facts) == (
        "You may not.",
        "You may not.",
        {"X": "y"},
        {"secret": "s"},
    )
    assert CloudError("x").headers == {}
    assert (HostDown("h1").host, HostDown("h1").status) == ("h1", 503)


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.1, "2"), (60, "60")])
def test_retry_after_is_in_whole_seconds_and_never_zero(seconds: float, header: str) -> None:
    assert TooManyRequests("slow down", retry_after_s=seconds).headers == {"Retry-After": header}
