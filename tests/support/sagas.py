"""Steps that do what a test says, and workers at work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from pileus.kernel.operations import Op, Saga, Step, Worker
from support.waiting import pause

Act = Callable[[Op], Awaitable[Any]]


def step_of(saga: Saga, name: str, act: Act, *, rows: bool = False, undo: Act | None = None, **facts: Any) -> Step:
    """Add a step that does what the test says."""

    async def run(op: Op) -> Any:
        return await act(op)

    run.__name__ = name
    step = (saga.rows if rows else saga.step)(**facts)(run)
    if undo is not None:
        step.undo(undo)
    return step


async def nothing(op: Op) -> None: ...


def raises(error: Exception) -> Act:
    async def act(op: Op) -> None:
        raise error

    return act


def answers(*results: Any) -> Act:
    """Answer these in turn; what is an exception is raised; the last for ever."""
    left = list(results)

    async def act(op: Op) -> Any:
        result = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(result, Exception):
            raise result
        return result

    return act


async def until(what: Callable[[], Any]) -> None:
    """Return when it holds; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not await what():
            await pause(0.005)


@asynccontextmanager
async def at_work(*those: Worker) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(worker.run()) for worker in those]
    try:
        yield
    finally:
        for worker in those:
            worker.stop()
        await asyncio.gather(*tasks)


def saga_of(new_saga: Any, act: Any, **facts: Any) -> Saga:
    saga: Saga = new_saga()
    saga.step(**facts)(act)
    return saga


async def holds(play: Any, operation: Any, state: str = "done") -> bool:
    return bool(await play.state(operation) == state)
