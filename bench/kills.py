"""What one SIGKILL at a seam costs in the generated tests of sagas: fork of a warm parent, a world of its own, work, death.

A program of its own: a parent that runs an event loop cannot fork a child that runs one.

    python -m bench.kills STATE SECONDS        prints {"kill_ms": median}
"""

from __future__ import annotations

import json
import signal
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from demo.machines import sagas, service
from demo.world import DemoWorld
from pileus.kernel.operations import Worker
from sagas.harness import at, die, killed_by, run_in, take_over
from support.databases import sqlite_database

STEP = "define"  # in the middle, after the engine job of copying the image


def kill_ms(url: str, home: Path) -> float:
    """Start to build a machine, then fork a worker that dies at the seam: from the fork to the death, milliseconds."""

    async def begin(world: DemoWorld) -> None:
        await service.create(world.ctx(), name="m")

    async def work(world: DemoWorld) -> None:
        await Worker(world.ctx(), seam=at(sagas.create_machine.key, STEP, "before", die)).drain()

    run_in(url, home, begin)
    started = time.perf_counter()
    if killed_by(url, home, work) != signal.SIGKILL:
        raise RuntimeError(f"the worker did not reach {STEP}")
    return 1000 * (time.perf_counter() - started)


def main(state: Path, seconds: float) -> None:
    home, took = state / "hosts", []
    with sqlite_database(state, state) as url:
        kill_ms(url, home)
        run_in(url, home, take_over)  # now the parent is warm, as after the first of the tests
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            took.append(kill_ms(url, home))
    print(json.dumps({"kill_ms": statistics.median(took)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
