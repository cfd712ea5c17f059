"""What the simulated hypervisor has beyond the contract: files that people and other processes can read and set."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from uuid import uuid4

import pytest

from engines.hypervisor_contract import copied
from pileus.engines.hypervisor import Domain, DomainFacts, Power
from pileus.engines.hypervisor.sim import SimHypervisor
from pileus.engines.troubles import Trouble, Troubles
from pileus.engines.verbs import Done, Failed, Going
from pileus.kernel.clock import SteppingClock
from pileus.kernel.errors import Unavailable


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def sim(tmp_path: Path, clock: SteppingClock) -> SimHypervisor:
    return SimHypervisor(tmp_path, clock)


async def test_you_can_ls_it(sim: SimHypervisor, tmp_path: Path) -> None:
    domain = Domain(id=uuid4(), vcpus=1, memory_mib=64)
    await sim.ensure_defined(domain, fence=1)
    await sim.ensure_power(domain.id, Power.ON, fence=1)
    assert sorted(file.name for file in (tmp_path / "domains").iterdir()) == [
        f"{domain.id}.boots",
        f"{domain.id}.json",
        f"{domain.id}.power",
    ]
    assert (tmp_path / "domains" / f"{domain.id}.power").read_text() == "on"


async def test_a_job_from_before_the_machine_started_begins_anew(sim: SimHypervisor, tmp_path: Path) -> None:
    domain_id = uuid4()
    sim.delays_s["ensure_disks"] = 10.0
    sim._clock.advance(1000.0)  # type: ignore[attr-defined]
    assert await sim.ensure_disks(copied(domain_id), fence=1) == Going(0, "ensure_disks is at work")
    booted = SimHypervisor(tmp_path, SteppingClock(), delays_s={"ensure_disks": 10.0})
    assert await booted.ensure_disks(copied(domain_id), fence=1) == Going(0, "ensure_disks is at work")


async def test_a_job_goes_on_by_the_clock_with_nobody_looking(sim: SimHypervisor, clock: SteppingClock) -> None:
    domain_id = uuid4()
    sim.delays_s["ensure_disks"] = 10.0
    await sim.ensure_disks(copied(domain_id), fence=1)
    clock.advance(2.5)
    assert await sim.ensure_disks(copied(domain_id), fence=1) == Going(25, "ensure_disks is at work")
    clock.advance(7.5)
    assert await sim.ensure_disks(copied(domain_id), fence=1) == Done()


async def test_slow_holds_the_caller_by_the_clock(sim: SimHypervisor, clock: SteppingClock) -> None:
    sim.troubles.add(Trouble(kind="slow", seconds=30.0, once=True))
    saying = asyncio.create_task(sim.ensure_disks(copied(uuid4()), fence=1))
    await asyncio.sleep(0)
    clock.advance(29.0)
    await asyncio.sleep(0)
    assert not saying.done()
    clock.advance(1.0)
    assert await saying == Done()


async def test_another_process_commands_troubles(sim: SimHypervisor, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom pileus.engines.troubles import *\n"
        "Troubles(Path(sys.argv[1])).add(Trouble(kind='fail', cause='said from afar'), verb='ensure_gone')"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, str(tmp_path / "troubles")], check=True)
    assert await sim.ensure_gone(uuid4(), fence=1) == Failed("said from afar")
    (name,) = sim.troubles.list()
    sim.troubles.clear("another")
    assert await sim.ensure_gone(uuid4(), fence=1) == Failed("said from afar")
    sim.troubles.clear(name)
    assert await sim.ensure_gone(uuid4(), fence=1) == Done()


async def test_what_is_there_once_strikes_once_however_many_share_the_folder(
    tmp_path: Path, clock: SteppingClock
) -> None:
    many = [SimHypervisor(tmp_path, clock) for _ in range(8)]
    many[0].troubles.add(Trouble(kind="deaf", once=True))
    said = [sim.ensure_disks(copied(uuid4()), fence=1) for sim in many]
    answers = await asyncio.gather(*said, return_exceptions=True)
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 1
    assert answers.count(Done()) == 7


async def test_troubles_strike_in_the_order_in_which_they_were_set(sim: SimHypervisor) -> None:
    subject = uuid4()
    for cause in ("first", "second"):
        sim.troubles.add(Trouble(kind="fail", once=True, cause=cause), subject=str(subject))
    assert await sim.ensure_gone(uuid4(), fence=1) == Done()  # another subject
    for cause in ("first", "second"):
        assert await sim.ensure_gone(subject, fence=1) == Failed(cause)
    assert await sim.ensure_gone(subject, fence=1) == Done()


async def test_two_processes_racing_for_one_trouble(tmp_path: Path) -> None:
    """Of many processes that suffer at once, each trouble that is there once goes to one."""
    troubles = Troubles(tmp_path)
    for _ in range(50):
        troubles.add(Trouble(kind="fail", once=True))
    program = (
        "import sys\nfrom pathlib import Path\nfrom pileus.engines.troubles import *\n"
        "t = Troubles(Path(sys.argv[1]))\nprint(sum(t.of('v', 's') is not None for _ in range(50)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    racing = [asyncio.to_thread(subprocess.run, command, check=True, capture_output=True) for _ in range(3)]
    assert sum(int(each.stdout) for each in await asyncio.gather(*racing)) == 50


async def test_a_killed_writer_leaves_nothing_that_counts(sim: SimHypervisor, tmp_path: Path) -> None:
    domain = Domain(id=uuid4(), vcpus=1, memory_mib=64)
    await sim.ensure_defined(domain, fence=1)
    (tmp_path / "domains" / f".{uuid4()}.json.1-2.unfinished").write_text("{")
    assert await sim.observe() == {domain.id: DomainFacts(defined=True)}


class Taken:
    """A control plane that takes what a host sends."""

    def __init__(self) -> None:
        self.bytes = b""

    def get(self, path: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise NotImplementedError

    async def put(self, path: str, pieces: AsyncIterator[bytes]) -> None:
        self.bytes = b"".join([piece async for piece in pieces])


async def test_what_it_uploads_is_an_image_of_the_disks_size(tmp_path: Path, clock: SteppingClock) -> None:
    taken, domain_id = Taken(), uuid4()
    sim = SimHypervisor(tmp_path, clock, transfers=taken)
    missing = await sim.ensure_uploaded(domain_id, "root", "/x", fence=1)
    assert missing == Failed(f"The guest {domain_id} has no disk root.")
    await sim.ensure_disks(copied(domain_id), fence=1)
    assert await sim.ensure_uploaded(domain_id, "root", "/x", fence=1) == Done()
    assert taken.bytes[:4] == b"QFI\xfb"
    assert int.from_bytes(taken.bytes[24:32]) == 2 << 20
    assert len(taken.bytes) == 4 << 16
