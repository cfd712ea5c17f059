"""The first command of the README, as typed in a copy of the sources that has nothing yet: a guest that writes to its volume."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from real.test_up import started_on
from real.whole_cloud import verified
from support.pages import block_of
from support.postgres import free_port
from support.source import ROOT

pytestmark = [pytest.mark.real, pytest.mark.timeout(1200), pytest.mark.xdist_group("real")]

MADE_HERE = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", ".hypothesis", ".coverage*")
ONCE = "Install the stock client", "Build a guest image"
REACHED = r"Reach it by ssh at (\S+)"


def packages(sources: Path) -> dict[str, int]:
    """What is installed, and when."""
    return {each.name: each.stat().st_mtime_ns for each in sources.glob(".venv/lib/python*/site-packages/*.dist-info")}


def devices() -> set[str]:
    return {each.name for each in Path("/sys/class/net").iterdir()}


def test_one_command_from_the_sources_to_a_guest_and_one_that_leaves_no_trace(workshop: Path) -> None:
    sources, state, before = workshop / "pileus", workshop / "demo", devices()
    shutil.copytree(ROOT, sources, ignore=MADE_HERE)
    place = f"export PILEUS_DEMO_STATE={state} PILEUS_DEMO_LISTEN=127.0.0.1:{free_port()}"
    demo = block_of("README.md", "script/demo\n")
    try:
        first, made = demo.said(sources, before=place, within_s=1000), packages(sources)
        again = demo.said(sources, before=place, within_s=300)
        for said in (first, again):
            assert "The guest says: Linux" in said
            assert "Its volume says: written by the guest" in said
        assert [step in said for said in (first, again) for step in ONCE] == [True, True, False, False]
        assert packages(sources) == made
        assert re.findall(REACHED, again) == re.findall(REACHED, first), "what stands is used again"
        verified(state)
    finally:
        purged = subprocess.run(
            ["bash", "-c", f"{place}\nscript/demo --purge"], cwd=sources, capture_output=True, text=True
        )
    assert purged.returncode == 0, purged.stderr
    assert not state.exists()
    assert not state.with_name("demo-files").exists()
    assert started_on(workshop) == []
    assert devices() == before
