"""A small world, and sagas that live as long as one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from demo.world import DemoWorld
from pileus.kernel.clock import SystemClock
from pileus.kernel.config import Config, Operations
from pileus.kernel.db import Database
from pileus.kernel.operations import Saga, Worker, sagas
from pileus.kernel.operations.views import Operation, get, log_of

NewSaga = Callable[..., Any]


@pytest.fixture
def world(database: Database, tmp_path: Path) -> DemoWorld:
    return DemoWorld(database, tmp_path / "hosts")


@pytest.fixture
def new_saga() -> Iterator[NewSaga]:
    """Makes a saga (`new_saga("name")`, `new_saga("name", Converge, table)`) that is forgotten after the test."""
    made: list[Saga] = []

    def make(name: str = "test.saga", kind: type[Saga] = Saga, *args: Any, **more: Any) -> Saga:
        made.append(kind(name, *args, **more))
        return made[-1]

    yield make
    for saga in made:
        del sagas[saga.key]


QUICK = Config(operations=Operations(poll_s=0.02, lease_s=0.3))


@pytest.fixture
def real(world: DemoWorld) -> DemoWorld:
    """The same world, by the clock of the machine, in a hurry."""
    return replace(world, clock=SystemClock(), config=QUICK)


class Play:
    """What tests do with operations all the time."""

    def __init__(self, world: DemoWorld) -> None:
        self.world = world

    async def start(self, saga: Saga, subject_id: UUID | None = None, **more: Any) -> UUID:
        async with self.world.ctx().transaction() as ctx:
            return await saga.start(ctx, subject_id or self.world.ids.uuid(), **more)

    async def supersede(self, saga: Saga, subject_id: UUID, **memo: Any) -> UUID:
        async with self.world.ctx().transaction() as ctx:
            return await saga.supersede(ctx, subject_id, **memo)

    async def drain(self, **more: Any) -> None:
        await Worker(self.world.ctx(), **more).drain()

    async def show(self, operation_id: UUID) -> Operation:
        return await get(self.world.ctx(), operation_id)

    async def state(self, operation_id: UUID) -> str:
        return (await self.show(operation_id)).state

    async def events(self, operation_id: UUID) -> list[str]:
        """ "step event" of each line of the log."""
        return [f"{line.step} {line.event}" for line in await log_of(self.world.ctx(), operation_id)]


@pytest.fixture
def play(world: DemoWorld) -> Play:
    return Play(world)
