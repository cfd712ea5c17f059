"""An agent as a process: it says where it listens, ends on SIGTERM, and goes on after SIGKILL."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from engines.hypervisor_contract import copied
from pileus.agent.client import local_client
from pileus.agent.main import Options, run
from pileus.engines.hypervisor import DomainFacts, Hypervisor
from pileus.engines.troubles import Trouble, Troubles
from pileus.engines.verbs import Going, StaleFence

TESTS = Path(__file__).parent.parent


def options(home: Path) -> Options:
    return Options(
        state=home / "agent", control=f"unix:{home}/control.sock", listen=f"unix:{home}/agent.sock", simulate=True
    )


async def started(home: Path) -> asyncio.subprocess.Process:
    """An agent that listens. Nobody is there whom it could tell anything: that does not hold it up."""
    given = msgspec.json.encode(options(home), enc_hook=str).decode()
    command = (sys.executable, "-m", "agent.agent_process", given)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=TESTS)
    assert process.stdout is not None
    assert await process.stdout.readline() == f"unix:{home}/agent.sock\n".encode()
    return process


async def ended(process: asyncio.subprocess.Process, number: int) -> int:
    process.send_signal(number)
    async with asyncio.timeout(20):
        await process.communicate()
    assert process.returncode is not None
    return process.returncode


async def test_it_goes_on_after_sigkill_and_ends_on_sigterm(tmp_path: Path) -> None:
    domain_id, client = uuid4(), local_client(tmp_path / "agent.sock")
    engine = client.engine(Hypervisor)  # type: ignore[type-abstract]
    process = await started(tmp_path)
    Troubles(tmp_path / "agent" / "sim" / "hypervisor" / "troubles").add(Trouble(kind="delay", seconds=0.5))
    assert isinstance(await engine.ensure_disks(copied(domain_id), fence=5), Going)
    assert await ended(process, signal.SIGKILL) == -signal.SIGKILL
    await client.close()

    client = local_client(tmp_path / "agent.sock")
    engine = client.engine(Hypervisor)  # type: ignore[type-abstract]
    process = await started(tmp_path)
    with pytest.raises(StaleFence):
        await engine.ensure_gone(domain_id, fence=4)
    async with asyncio.timeout(20):
        while await engine.observe() != {domain_id: DomainFacts(disks=("root",))}:  # nobody says the verb again
            await asyncio.sleep(0)
    await client.close()
    assert await ended(process, signal.SIGTERM) == 0


async def test_run_ends_when_it_is_told(tmp_path: Path) -> None:
    told: list[str] = []

    def ready(address: str) -> None:
        told.append(address)
        signal.raise_signal(signal.SIGTERM)

    async with asyncio.timeout(20):
        await run(options(tmp_path), ready=ready)
    assert told == [f"unix:{tmp_path}/agent.sock"]
