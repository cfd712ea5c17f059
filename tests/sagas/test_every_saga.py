"""Every saga, broken at every step in every way. Nothing here knows what a saga does: scenarios.py says where it ends."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from demo.world import DemoWorld
from pileus.kernel.clock import SteppingClock
from pileus.kernel.db import open_database
from pileus.kernel.errors import Conflict, Unavailable
from pileus.kernel.operations import Op, Saga, Step, Worker, sagas
from pileus.kernel.operations.debts import pay
from pileus.kernel.operations.views import cancel, page, retry
from sagas.compute_scenarios import COMPUTE_SCENARIOS
from sagas.harness import Beginnings, Begun, at, begun, die, killed_by, run_in, states, take_over
from sagas.move_scenarios import MOVE_SCENARIOS
from sagas.power import cut, off_though_on
from sagas.scenarios import SCENARIOS, SEAMS, Scenario, snapshot


def chosen(seams: list[Any]) -> list[Any]:
    """On PostgreSQL one seam per saga on every commit, all of them with --long; on SQLite always all."""
    seen: set[Any] = set()
    marked = []
    for seam in seams:
        saga = seam.values[0].saga.key
        marks = [pytest.mark.database("sqlite")] if saga in seen else []
        seen.add(saga)
        marked.append(pytest.param(*seam.values, id=seam.id, marks=marks))
        if marks:
            both = [pytest.mark.database("postgresql"), pytest.mark.long]
            marked.append(pytest.param(*seam.values, id=f"{seam.id}-long", marks=both))
    return marked


every_seam = pytest.mark.parametrize(
    ("scenario", "step"), chosen([pytest.param(*seam, id=f"{seam[0]}-{seam[1].name}") for seam in SEAMS])
)


def test_every_registered_saga_has_a_scenario() -> None:
    real = {saga.key for saga in sagas.values() if not saga.name.startswith("test.")}
    assert {scenario.saga.key for scenario in SCENARIOS} == real


@pytest.fixture(scope="session")
def beginnings(run_directory: Path) -> Beginnings:
    return Beginnings(run_directory)


@pytest.fixture
def start(
    database_kind: str, scenario: Scenario, beginnings: Beginnings, tmp_path: Path, request: pytest.FixtureRequest
) -> Begun:
    """Where the scenario has begun."""
    if database_kind == "sqlite":
        return beginnings.copy(scenario, str(SCENARIOS.index(scenario)), tmp_path)
    return begun(scenario, request.getfixturevalue("database_url"), tmp_path / "hosts")


@pytest.fixture
async def world(start: Begun) -> AsyncIterator[DemoWorld]:
    database = open_database(start.url)
    await database.start()
    yield DemoWorld(database, start.home, clock=SteppingClock(start.at))
    await database.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
async def test_undisturbed_it_ends_as_declared(world: DemoWorld, start: Begun, scenario: Scenario) -> None:
    await Worker(world.ctx()).drain()
    assert (await states(world, start.subject))[-1] == "done"
    assert await snapshot(world) == scenario.done


@every_seam
@pytest.mark.parametrize("when", ["before", "after"])
async def test_failing_for_good_it_unwinds_or_parks(
    world: DemoWorld, start: Begun, scenario: Scenario, step: Step, when: str
) -> None:
    async def refuse(op: Op) -> None:
        raise Conflict("injected")

    await Worker(world.ctx(), seam=at(scenario.saga.key, step.name, when, refuse)).drain()
    await check_unwound_or_parked(world, scenario, step, start)


async def check_unwound_or_parked(world: DemoWorld, scenario: Scenario, step: Step, start: Begun) -> None:
    """Before the point of no return nothing is left; after it a retry of the parked operation brings it to its end."""
    if scenario.saga.may_return(step.name):
        assert (await states(world, start.subject))[-1] == "undone"
        assert await snapshot(world) == scenario.undone
        return
    assert (await states(world, start.subject))[-1] == "parked"
    (parked, *_), _ = await page(world.ctx(), state="parked")
    assert parked.cause
    await retry(world.ctx(), parked.id)
    await Worker(world.ctx()).drain()
    assert await snapshot(world) == scenario.done


@every_seam
async def test_past_its_deadline_it_unwinds_or_parks(
    world: DemoWorld, start: Begun, scenario: Scenario, step: Step
) -> None:
    async def away(op: Op) -> None:
        raise Unavailable("away for ever")

    await Worker(world.ctx(), seam=at(scenario.saga.key, step.name, "before", away)).drain()
    await check_unwound_or_parked(world, scenario, step, start)


@every_seam
async def test_done_twice_it_is_done_once(world: DemoWorld, scenario: Scenario, step: Step) -> None:
    lost: list[int] = []

    async def lose_the_answer(op: Op) -> None:
        if not lost:
            lost.append(1)
            raise Unavailable("the answer got lost")

    await Worker(world.ctx(), seam=at(scenario.saga.key, step.name, "after", lose_the_answer)).drain()
    assert lost
    assert await snapshot(world) == scenario.done


@every_seam
async def test_cancelled_it_unwinds_or_goes_on(world: DemoWorld, start: Begun, scenario: Scenario, step: Step) -> None:
    verdicts: list[bool] = []

    async def ask(op: Op) -> None:
        if step.rows or verdicts:  # a rows step runs inside a commit: nobody can come between
            return
        try:
            await cancel(world.ctx(), op.id)
            verdicts.append(True)
        except Conflict:
            verdicts.append(False)

    await Worker(world.ctx(), seam=at(scenario.saga.key, step.name, "before", ask)).drain()
    cancelled = bool(verdicts and verdicts[0])
    assert cancelled == (not step.rows and scenario.saga.may_return(step.name))
    assert (await states(world, start.subject))[-1] == ("undone" if cancelled else "done")
    assert await snapshot(world) == (scenario.undone if cancelled else scenario.done)


@every_seam
async def test_the_host_dies_and_pays_when_it_returns(
    world: DemoWorld, start: Begun, scenario: Scenario, step: Step
) -> None:
    async def lose_the_host(op: Op) -> None:
        world.down |= {"h1", "h2"}

    await Worker(world.ctx(), seam=at(scenario.saga.key, step.name, "before", lose_the_host)).drain()
    state = (await states(world, start.subject))[-1]
    world.down.clear()
    for host in ("h1", "h2"):
        assert await pay(world.ctx(), host, lambda kind, host=host: world.engine(kind, host)) == []
    if state == "parked":
        for parked in (await page(world.ctx(), state="parked"))[0]:
            await retry(world.ctx(), parked.id)
        await Worker(world.ctx()).drain()
        state = (await states(world, start.subject))[-1]
    assert await snapshot(world) == (scenario.done if state == "done" else scenario.undone)


def seams_with_guests() -> list[Any]:
    """A rows step runs inside a commit: nobody can come between."""
    return [
        pytest.param(scenario, step, id=f"{scenario}-{step.name}")
        for scenario in (*COMPUTE_SCENARIOS, *MOVE_SCENARIOS)
        for step in scenario.saga.steps
        if not step.rows
    ]


@pytest.mark.parametrize(("scenario", "step"), chosen(seams_with_guests()))
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("lost", "fails"), [(True, False), (False, False), (True, True)])
async def test_a_guest_that_goes_off_meanwhile_is_not_shown_as_running(
    world: DemoWorld, scenario: Scenario, step: Step, when: str, lost: bool, fails: bool
) -> None:
    cuts: list[int] = []

    async def lose_power(op: Op) -> None:
        if not cuts:
            cuts.append(1)
            await cut(world, lost=lost)
        if fails:
            raise Conflict("injected")

    await Worker(world.ctx(), seam=at(scenario.saga.key, step.name, when, lose_power)).drain()
    assert cuts
    assert await off_though_on(world) == []


def backward_seams() -> list[Any]:
    return [
        pytest.param(scenario, scenario.saga.steps[index], scenario.saga.steps[last], id=f"{scenario}-{step.name}")
        for scenario in SCENARIOS
        for last in [last_returning(scenario.saga)]
        for index, step in enumerate(scenario.saga.steps[: last + 1])
        if step.undo_run is not None
    ]


def last_returning(saga: Saga) -> int:
    return max((i for i, step in enumerate(saga.steps) if saga.may_return(step.name)), default=-1)


def kill_and_take_over(start: Begun, hook: Any, expected: Any) -> None:
    async def work(world: DemoWorld) -> None:
        await Worker(world.ctx(), seam=hook).drain()

    async def finish(world: DemoWorld) -> Any:
        await take_over(world)
        return await snapshot(world)

    assert killed_by(start.url, start.home, work) == signal.SIGKILL
    assert run_in(start.url, start.home, finish) == expected


@every_seam
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_another_worker_finishes(start: Begun, scenario: Scenario, step: Step, when: str) -> None:
    hook = at(scenario.saga.key, step.name, when, die)
    kill_and_take_over(start, hook, scenario.done)


@pytest.mark.parametrize(("scenario", "step", "last"), chosen(backward_seams()))
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_unwinding_another_worker_goes_on_unwinding(
    start: Begun, scenario: Scenario, step: Step, last: Step, when: str
) -> None:
    async def refuse(op: Op) -> None:
        raise Conflict("injected")

    fail = at(scenario.saga.key, last.name, "after", refuse)
    kill = at(scenario.saga.key, step.name, when, die, way="undoing")

    async def hook(seam: Any, op: Op) -> None:
        await fail(seam, op)
        await kill(seam, op)

    kill_and_take_over(start, hook, scenario.undone)
