"""The units against systemd's own opinion of them, and against what the processes do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from cli.conftest import started
from cli.test_serve import config as config
from cli.test_serve import log_in
from support.units import API, WORKER, calls, read, units

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]

EXPOSED = {API: 20, WORKER: 20, "pileus-agent.service": 75}  # tenths, at most; 100 is no confinement at all


def said_by(*words: str | Path) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("units")
    for name, text in units(Path("/usr/bin/true")).items():  # a program that is there, and that units see
        (folder / name).write_text(text)
    return folder


def test_systemd_has_nothing_to_say_against_them(written: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", *sorted(written.iterdir())], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("name", EXPOSED)
def test_no_unit_is_more_exposed_than_it_was(written: Path, name: str) -> None:
    said_by("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSED[name]}", written / name)


def allowed(name: str) -> set[str]:
    """The system calls that the unit's filter leaves."""
    found: set[str] = set()
    for line in read(name)["SystemCallFilter"]:
        for group in line.removeprefix("~").split():
            found = found - calls(group) if line.startswith("~") else found | calls(group)
    return found


@pytest.mark.parametrize(("name", "words"), [(API, ("api", "--processes", "2")), (WORKER, ("worker",))])
def test_nothing_is_called_that_the_unit_forbids(
    tmp_path: Path, config: Path, name: str, words: tuple[str, ...]
) -> None:
    trace = tmp_path / "trace"
    under = ("strace", "--follow-forks", "--seccomp-bpf", "--output", str(trace))
    cloud = started("serve", *words, "--config", config, lines=1, under=under)
    try:
        if name == API:
            log_in(cloud.url, config)
    finally:
        pid = int(re.findall(r"pid (\d+)", cloud.said[0])[0])
        subprocess.run(["kill", str(pid)], check=True)
        cloud.popen.communicate(timeout=30)
    used = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE))
    assert "openat" in used
    assert used - allowed(name) == set()
