"""What the rim adds to an engine: jobs that outlive it, fences that two processes share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol
from uuid import uuid4

import pytest

from engines.hypervisor_contract import copied
from pileus.engines import rim as rims
from pileus.engines.fences import Fences
from pileus.engines.files import UNFINISHED
from pileus.engines.hypervisor import DomainFacts, Hypervisor
from pileus.engines.hypervisor.sim import SimHypervisor
from pileus.engines.rim import Rim
from pileus.engines.troubles import Trouble
from pileus.engines.verbs import Answer, Change, Done, Failed, Going, StaleFence
from pileus.kernel.clock import SteppingClock
from pileus.kernel.errors import NotFound, Unavailable

JOB_S = 5.0


class Kiln(Protocol):
    """A second protocol, as small as one can be."""

    KIND: ClassVar[str] = "kiln"
    VERSION: ClassVar[int] = 2

    async def ensure_fired(self, pot: str, *, fence: int) -> Answer: ...

    async def cancel(self, pot: str, verb: str, *, fence: int) -> Answer: ...

    async def observe(self) -> dict[str, int]: ...


@dataclass
class Slow:
    """A kiln with no jobs of its own: it just takes its time, until `fire` is set, and then does what it was told."""

    outcome: Callable[[], Answer] = Done
    fire: asyncio.Event = field(default_factory=asyncio.Event)
    said: list[str] = field(default_factory=list)

    async def ensure_fired(self, pot: str, *, fence: int) -> Answer:
        self.said.append(pot)
        await self.fire.wait()
        return self.outcome()

    async def cancel(self, pot: str, verb: str, *, fence: int) -> Answer:
        self.said.append(f"cancel {pot}")
        return Done()

    async def observe(self) -> dict[str, int]:
        return {}


@dataclass
class Bench:
    home: Path
    clock: SteppingClock = field(default_factory=SteppingClock)
    changes: list[Change] = field(default_factory=list)
    rims: list[Rim[Hypervisor]] = field(default_factory=list)

    @property
    def sim(self) -> SimHypervisor:
        return SimHypervisor(self.home / "sim", self.clock, delays_s={"ensure_disks": JOB_S})

    def rim(self, *, durable: bool = False) -> Rim[Hypervisor]:
        """As a process that starts makes it."""
        heard = self.changes.append
        rim = Rim(Hypervisor, self.sim, self.home / "rim", self.clock, changed=heard, durable=durable)
        self.rims.append(rim)
        return rim

    async def until(self, true: Callable[[], bool]) -> None:
        """Let time pass in small steps until it is true."""
        for _ in range(100):
            if true():
                return
            await self.elapse(rims.POLL_S)
        raise AssertionError(f"never true: {self.changes}")

    async def elapse(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def bench(tmp_path: Path):  # type: ignore[no-untyped-def]
    bench = Bench(tmp_path)
    yield bench
    for rim in bench.rims:
        await rim.stop()


def kiln(bench: Bench, behind: Slow, patience_s: float = 0.01) -> Rim[Kiln]:
    rim = Rim[Kiln](Kiln, behind, bench.home / "kiln", bench.clock, changed=bench.changes.append)  # type: ignore[type-abstract]
    rim.patience_s = patience_s
    bench.rims.append(rim)  # type: ignore[arg-type]
    return rim


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0)


@pytest.mark.parametrize("durable", [False, True])
async def test_a_job_is_resumed_after_a_restart(bench: Bench, durable: bool) -> None:
    before, domain_id = bench.rim(durable=durable), uuid4()
    assert isinstance(await before.engine.ensure_disks(copied(domain_id), fence=3), Going)
    await before.stop()  # nothing of it is left but files
    (bench.home / "rim" / "jobs" / f".torn{UNFINISHED}").touch()  # and what a killed writer leaves
    after = bench.rim(durable=durable)
    await after.resume()
    assert after.running() == 1
    assert [file.suffix for file in (bench.home / "rim" / "jobs").iterdir()] == [".json"]
    with pytest.raises(StaleFence):
        await after.engine.ensure_gone(domain_id, fence=2)
    await bench.elapse(JOB_S)
    change = Change("hypervisor", "ensure_disks", str(domain_id), Done())
    await bench.until(lambda: change in bench.changes)
    assert after.ended() == [change]
    assert after.running() == 0


async def test_a_result_that_nobody_came_for_is_kept_over_a_restart_and_for_a_day(bench: Bench) -> None:
    before, domain_id = bench.rim(), uuid4()
    await before.engine.ensure_disks(copied(domain_id), fence=3)
    bench.sim.troubles.add(Trouble(kind="fail", once=True, cause="a broken image"))
    await bench.elapse(JOB_S)
    await bench.until(lambda: bool(bench.changes))
    await before.stop()
    after = bench.rim()
    await after.resume()
    assert after.ended() == [Change("hypervisor", "ensure_disks", str(domain_id), Failed("a broken image"))]
    assert await after.engine.ensure_gone(domain_id, fence=3) == Done()
    assert after.ended() == []  # another wish: the old result is of no use to anybody


async def test_a_result_that_nobody_came_for_is_dropped_after_a_day(bench: Bench) -> None:
    before = bench.rim()
    await before.engine.ensure_disks(copied(uuid4()), fence=3)
    await bench.elapse(JOB_S)
    await bench.until(lambda: bool(bench.changes))
    await before.stop()
    bench.clock.advance(rims.KEPT_S + 1)
    late = bench.rim()
    await late.resume()
    assert late.ended() == []


async def test_a_job_that_a_power_cut_left_empty_keeps_no_host_from_its_start(bench: Bench) -> None:
    before, domain_id = bench.rim(), uuid4()
    await before.engine.ensure_disks(copied(domain_id), fence=3)
    await before.stop()
    (file,) = (bench.home / "rim" / "jobs").glob("*.json")
    file.write_bytes(b"")
    after = bench.rim()
    await after.resume()
    assert (after.running(), file.exists()) == (0, False)
    assert isinstance(await after.engine.ensure_disks(copied(domain_id), fence=3), Going)


async def test_a_job_of_another_time_is_reported_lost(bench: Bench) -> None:
    before, domain_id = bench.rim(), uuid4()
    await before.engine.ensure_disks(copied(domain_id), fence=3)
    await before.stop()
    (file,) = (bench.home / "rim" / "jobs").glob("*.json")
    file.write_text(file.read_text().replace("ensure_disks", "ensure_levitated"))
    after = bench.rim()
    await after.resume()
    (change,) = bench.changes
    assert (change.verb, change.subject) == ("ensure_levitated", str(domain_id))
    assert isinstance(change.answer, Failed)
    assert "lost" in change.answer.cause
    assert after.running() == 0
    assert not file.exists()


async def test_an_engine_that_takes_long_has_become_a_job(bench: Bench) -> None:
    slow = Slow()
    rim = kiln(bench, slow)
    assert isinstance(await rim.engine.ensure_fired("pot", fence=1), Going)
    assert isinstance(await rim.engine.ensure_fired("pot", fence=1), Going)
    assert slow.said == ["pot"]  # joined, not said again
    slow.fire.set()
    await until(lambda: bench.changes == [Change("kiln", "ensure_fired", "pot", Done())])


async def test_a_job_that_breaks_down_has_failed(bench: Bench) -> None:
    def burst() -> Answer:
        raise ZeroDivisionError("the pot burst")

    def missing() -> Answer:
        raise NotFound("There is no clay.")

    for fence, outcome, cause in ((1, burst, "ZeroDivisionError: the pot burst"), (3, missing, "There is no clay.")):
        slow = Slow(outcome)
        rim = kiln(bench, slow)
        assert isinstance(await rim.engine.ensure_fired("pot", fence=fence), Going)
        slow.fire.set()
        await until(lambda: bool(bench.changes))
        assert bench.changes.pop().answer == Failed(cause)
        assert await rim.engine.ensure_fired("pot", fence=fence + 1) == Failed(cause)  # the lease after the wait


async def test_a_job_whose_engine_goes_away_is_said_again(bench: Bench) -> None:
    away = [True]

    def sometimes() -> Answer:
        if away:
            away.clear()
            raise Unavailable("The kiln is cold.")
        return Done({"glaze": "blue"})

    slow = Slow(sometimes)
    rim = kiln(bench, slow)
    await rim.engine.ensure_fired("pot", fence=1)
    slow.fire.set()
    await until(lambda: not away)
    for _ in range(10):
        await asyncio.sleep(0)
    assert await rim.engine.ensure_fired("pot", fence=1) == Going(0, "The kiln is cold.")
    await bench.elapse(rims.POLL_S)
    await until(lambda: bench.changes == [Change("kiln", "ensure_fired", "pot", Done({"glaze": "blue"}))])


async def test_what_goes_wrong_at_once_is_raised_at_once(bench: Bench) -> None:
    def burst() -> Answer:
        raise ZeroDivisionError("the pot burst")

    slow = Slow(burst)
    slow.fire.set()
    rim = kiln(bench, slow, patience_s=5)
    with pytest.raises(ZeroDivisionError):
        await rim.engine.ensure_fired("pot", fence=1)
    assert rim.running() == 0
    assert await rim.engine.observe() == {}


async def test_a_caller_that_goes_away_takes_the_call_along(bench: Bench) -> None:
    slow = Slow()
    rim = kiln(bench, slow, patience_s=60)
    calling = asyncio.create_task(rim.engine.ensure_fired("pot", fence=1))  # type: ignore[arg-type]
    await until(lambda: bool(slow.said))
    calling.cancel()
    await asyncio.wait({calling})
    assert rim.running() == 0
    slow.fire.set()
    assert await rim.engine.ensure_fired("pot", fence=1) == Done()


async def test_a_host_that_cannot_write_promises_nothing(bench: Bench) -> None:
    """As when its disk is full: who asked comes again, and nothing goes on that nobody knows of."""
    behind = Slow()
    rim, jobs = kiln(bench, behind), bench.home / "kiln" / "jobs"
    jobs.parent.mkdir()
    jobs.touch()  # no folder
    with pytest.raises(Unavailable, match="cannot write"):
        await rim.engine.ensure_fired("pot", fence=1)
    behind.fire.set()
    await bench.elapse(rims.POLL_S)
    assert (behind.said, rim.running(), bench.changes) == (["pot"], 0, [])
    jobs.unlink()
    assert await rim.engine.ensure_fired("pot", fence=1) == Done()


async def test_a_job_ends_and_is_told_of_where_that_cannot_be_written(bench: Bench) -> None:
    behind = Slow()
    rim, jobs = kiln(bench, behind), bench.home / "kiln" / "jobs"
    assert isinstance(await rim.engine.ensure_fired("pot", fence=1), Going)
    jobs.rename(bench.home / "elsewhere")
    jobs.touch()
    behind.fire.set()
    await until(lambda: bench.changes == [Change("kiln", "ensure_fired", "pot", Done())])
    assert rim.running() == 0


async def test_a_fence_that_cannot_be_written_lets_nobody_in(bench: Bench) -> None:
    rim, fences = kiln(bench, Slow()), bench.home / "kiln" / "fences"
    fences.parent.mkdir()
    fences.touch()  # no folder
    with pytest.raises(Unavailable, match="cannot write"):
        await rim.engine.ensure_fired("pot", fence=1)


async def test_two_processes_on_one_host_share_its_fences_and_jobs(bench: Bench) -> None:
    one, two, domain_id = bench.rim(), bench.rim(), uuid4()
    assert isinstance(await one.engine.ensure_disks(copied(domain_id), fence=1), Going)
    await bench.elapse(JOB_S / 2)
    joined = await two.engine.ensure_disks(copied(domain_id), fence=2)
    assert isinstance(joined, Going)
    assert joined.percent >= 50
    with pytest.raises(StaleFence):
        await one.engine.ensure_disks(copied(domain_id), fence=1)
    await bench.elapse(JOB_S)
    await bench.until(lambda: bool(bench.changes))
    assert bench.changes == [Change("hypervisor", "ensure_disks", str(domain_id), Done())]  # told by the newer one
    assert (await one.engine.observe())[domain_id] == DomainFacts(disks=("root",))


async def test_who_holds_a_subject_for_long_makes_others_come_again(tmp_path: Path) -> None:
    one, two = Fences(tmp_path), Fences(tmp_path)
    async with one.hold("s", 1):
        with pytest.raises(Unavailable):
            async with two.hold("s", 2):
                raise AssertionError("both hold it")
    async with two.hold("s", 2):
        pass


async def test_a_fence_survives_kill_9(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, sys\nfrom pathlib import Path\nfrom pileus.engines.fences import Fences\n"
        "async def main():\n  async with Fences(Path(sys.argv[1]), durable=True).hold('a/../b', 7):\n    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == -9
    with pytest.raises(StaleFence):
        async with Fences(tmp_path).hold("a/../b", 6):
            pass


async def is_stale(fences: Fences, subject: str, fence: int) -> bool:
    try:
        async with fences.hold(subject, fence):
            return False
    except StaleFence:
        return True


async def test_forgotten_fences_let_nobody_old_in(tmp_path: Path) -> None:
    fences = Fences(tmp_path)
    for subject, fence in (("old", 5), ("older", 3), ("new", 9), ("held", 4)):
        async with fences.hold(subject, fence):
            pass
    for subject in ("old", "older", "held"):
        os.utime(tmp_path / f"{subject}.fence", (0, 0))
    async with Fences(tmp_path).hold("held", 4):
        os.utime(tmp_path / "held.fence", (0, 0))
        assert fences.forget(before=1.0) == 2
    for again in (fences, Fences(tmp_path)):
        for subject in ("old", "never seen"):
            assert await is_stale(again, subject, 4)
        assert not await is_stale(again, "older", 10)
    assert fences.forget(before=1.0) == 1


async def test_who_waits_while_a_fence_is_forgotten_begins_anew(tmp_path: Path) -> None:
    fences, waiting = Fences(tmp_path), Fences(tmp_path)
    held = asyncio.Event()

    async def wait_for_it() -> None:
        held.set()
        async with waiting.hold("s", 2):
            pass

    async with fences.hold("s", 1):
        task = asyncio.create_task(wait_for_it())
        await held.wait()
        (tmp_path / "s.fence").unlink()
    await task
    with pytest.raises(StaleFence):
        async with fences.hold("s", 1):
            pass


async def test_a_subject_is_an_id_of_any_kind(bench: Bench) -> None:
    slow = Slow()
    slow.fire.set()
    rim = kiln(bench, slow, patience_s=5)
    for pot in ("a/b", "..", "é", "a b", ""):
        assert await rim.engine.ensure_fired(pot, fence=1) == Done()
    assert not [path for path in bench.home.rglob("*") if path.is_file() and "kiln" not in path.parts]
