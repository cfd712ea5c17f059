"""Workers as processes: one that is stopped and wakes late, and two that share the work."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from demo.machines import service as machines
from demo.machines.store import machines as machine_table
from demo.world import DemoWorld
from pileus.kernel.clock import SystemClock
from pileus.kernel.config import Config, Operations
from pileus.kernel.db import metadata
from pileus.kernel.operations import Op, Seam, Worker
from pileus.kernel.operations.tables import log, operations, workers
from sagas.harness import at, run_in, take_over
from support.waiting import pause

pytestmark = pytest.mark.database("postgresql")
Work = Callable[[DemoWorld], Awaitable[Any]]


@dataclass
class Child:
    """A forked process."""

    pid: int
    status: int | None = None

    def wait_until_stopped(self) -> None:
        """Return when SIGSTOP has stopped it. Fails when it ended instead."""
        assert os.WIFSTOPPED(os.waitpid(self.pid, os.WUNTRACED)[1])

    def wait(self) -> int:
        """Its exit code; minus a signal."""
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status


@contextmanager
def forked(url: str, home: Path, work: Work) -> Iterator[Child]:
    """A process that does the work in a world of its own; gone afterwards."""
    child = Child(os.fork())
    if child.pid == 0:
        try:
            run_in(url, home, work)
        except BaseException:
            traceback.print_exc()
            os._exit(70)
        os._exit(0)
    try:
        yield child
    finally:
        if child.status is None:
            os.kill(child.pid, signal.SIGKILL)
            child.wait()


def everything(url: str, home: Path) -> dict[str, list[Any]]:
    """Every row of every table but those that say who works."""

    async def look(world: DemoWorld) -> dict[str, list[Any]]:
        async with world.db.read() as read:
            return {
                name: sorted(map(str, (await read.execute(sa.select(table))).all()))
                for name, table in metadata.tables.items()
                if table is not workers
            }

    return run_in(url, home, look)  # type: ignore[no-any-return]


@pytest.mark.parametrize("step", ["copy_image", "define", "mark_active"])
def test_a_stopped_worker_records_nothing_when_it_wakes(database_url: str, tmp_path: Path, step: str) -> None:
    """It is stopped between a step's act and its commit; another finishes; then it is let go on."""
    home = tmp_path / "hosts"

    async def stop_here(op: Op) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    async def begin(world: DemoWorld) -> None:
        await machines.create(world.ctx(), name="web", disk=True)

    async def work(world: DemoWorld) -> None:
        worker = Worker(world.ctx(), seam=at("demo.create_machine@1", step, "after", stop_here))
        await worker.drain()

    run_in(database_url, home, begin)
    with forked(database_url, home, work) as child:
        child.wait_until_stopped()
        if step == "mark_active":  # stopped inside its transaction, which holds its row: the server ends that
            end_other_backends(database_url, home)
        run_in(database_url, home, take_over)
        before = everything(database_url, home)
        os.kill(child.pid, signal.SIGCONT)
        assert child.wait() == 0
    assert everything(database_url, home) == before
    assert "ACTIVE" in "".join(before["demo_machine"])


def end_other_backends(url: str, home: Path) -> None:
    """What idle_in_transaction_session_timeout does after a minute."""

    async def end(world: DemoWorld) -> None:
        others = "datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'"
        async with world.db.transaction() as connection:
            await connection.execute(
                sa.text(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")
            )

    run_in(url, home, end)


def test_two_workers_share_two_hundred_operations_and_each_step_is_done_once(database_url: str, tmp_path: Path) -> None:
    home, many = tmp_path / "hosts", 200
    acted = tmp_path / "acted"

    async def begin(world: DemoWorld) -> None:
        for number in range(many):
            await machines.create(world.ctx(), name=f"m{number}", host=f"h{number % 10}")

    async def work(world: DemoWorld) -> None:
        async def note(seam: Seam, op: Op) -> None:
            if seam.when == "after" and seam.step in ("define", "power_on"):
                with acted.open("a") as file:
                    file.write(f"{op.id} {seam.step} {os.getpid()}\n")

        config = Config(operations=Operations(concurrency=8, poll_s=0.05))
        world = replace(world, clock=SystemClock(), config=config)
        worker = Worker(world.ctx(), seam=note)
        running = asyncio.create_task(worker.run())
        left = sa.select(sa.func.count()).select_from(operations).where(operations.c.ended_at.is_(None))
        while (await world.ctx().execute(left)).scalar():
            await pause(0.05)
        worker.stop()
        await running

    run_in(database_url, home, begin)
    with forked(database_url, home, work) as one, forked(database_url, home, work) as two:
        assert [one.wait(), two.wait()] == [0, 0]
    lines = [line.split() for line in acted.read_text().splitlines()]
    assert Counter(step for _, step, _ in lines) == {"define": many, "power_on": many}
    assert len({(operation, step) for operation, step, _ in lines}) == 2 * many
    assert {int(pid) for *_, pid in lines} == {one.pid, two.pid}
    check_each_line_of_the_log_is_there_once(database_url, home, many)


def check_each_line_of_the_log_is_there_once(url: str, home: Path, many: int) -> None:
    async def look(world: DemoWorld) -> None:
        ctx = world.ctx()
        lines = Counter((await ctx.execute(sa.select(log.c.operation_id, log.c.step, log.c.event))).all())
        assert [line for line, times in lines.items() if times > 1 and line.event == "done"] == []
        states = (await ctx.execute(sa.select(machine_table.c.status))).scalars().all()
        assert Counter(states) == {"ACTIVE": many}

    run_in(url, home, look)
