"""On SQLite no write is acknowledged before the disk has it: the kernel is asked, by strace."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from support.postgres import free_port
from support.processes import Processes

SYNCED = re.compile(r"(fsync|fdatasync)(\(\d+\)| resumed>\)) += 0")
WRITES = 5
CALLS = "fsync,fdatasync,read,recv,recvfrom,recvmsg,write,writev,send,sendto,sendmsg"


@pytest.fixture(scope="session")
def strace() -> str:
    found = shutil.which("strace")
    assert found, "apt-get install strace (script/setup does)"
    return found


async def test_a_write_is_on_the_disk_before_its_answer_is_sent(strace: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    watched = (strace, "--follow-forks", "--output", str(trace), "--string-limit", "64", "--trace", CALLS)
    url = f"sqlite:///{tmp_path / 'db'}"
    processes = Processes(tmp_path, url, free_port(), [("api", "worker")], prefix=watched)
    try:
        await processes.start()
        await write(processes)
    finally:
        await processes.stop()
    lines = trace.read_text().splitlines()
    assert min(syncs(lines, "POST /identity/v3/projects", "HTTP/1.1 201")) >= 1
    assert min(syncs(lines, "POST /demo/v1/machines", "HTTP/1.1 202")) >= 1


async def write(processes: Processes) -> None:
    async with processes.client(await processes.token()) as http:
        for number in range(WRITES):
            made = await http.post("/identity/v3/projects", json={"project": {"name": f"p{number}"}})
            assert made.status_code == 201
            started = await http.post("/demo/v1/machines", json={"machine": {"name": f"m{number}"}})
            assert started.status_code == 202


def syncs(lines: list[str], request: str, answer: str) -> list[int]:
    """For each request: how many fsyncs had returned between its coming in and the sending of its answer."""
    counted: list[int] = []
    since: int | None = None
    for line in lines:
        if request in line:
            since = 0
        elif since is not None and SYNCED.search(line):
            since += 1
        elif since is not None and answer in line:
            counted.append(since)
            since = None
    assert len(counted) == WRITES, "the trace does not show each request with its answer"
    return counted
