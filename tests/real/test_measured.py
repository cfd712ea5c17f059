"""What the pages of conformance and of figures say to type, typed, with what it fetches; what is measured, in shorter runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.__main__ import FIGURES, chosen, parsed
from cli.conftest import environment
from support.pages import block_of
from support.source import ROOT

pytestmark = [pytest.mark.real, pytest.mark.timeout(1500), pytest.mark.xdist_group("real")]

MADE_HERE = shutil.ignore_patterns(
    ".git", ".venv", "build", "results", "__pycache__", ".*_cache", ".hypothesis", ".coverage*"
)
SHORT = ("--repeat", "1", "--seconds", "0.3", "--patience", "0")  # no figure to go by: others are at work, too
OVER_OR_VOID = 1
MANY = 2000  # of Identity's tests


def typed(place: Path, words: Sequence[str], *more: str | Path, right: tuple[int, ...] = (0,), table: str = "") -> str:
    """What it says on its standard output, in which that table is."""
    done = subprocess.run([*words, *more], cwd=place, env=environment(), capture_output=True, text=True)
    told = f"{words} {more}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    assert done.returncode in right, told
    assert table in done.stdout, told
    return done.stdout


def outcomes(out: Path) -> dict[str, str]:
    return {each["test"]: each["outcome"] for each in json.loads((out / "results.json").read_text())}


def test_a_cloud_is_tried_with_openstacks_own_tests(tmp_path: Path) -> None:
    out = tmp_path / "out"
    identity, interop = block_of("docs/conformance.md", "--set identity --set").commands()
    failed, some = block_of("docs/conformance.md", "--failed").commands()

    typed(ROOT, interop, "--out", out)
    typed(ROOT, identity, "--out", out)
    passed = {test for test, outcome in outcomes(out).items() if outcome == "passed"}
    assert len(passed) > MANY

    one = next(test for test in passed if ".rbac." not in test)
    (out / "results.json").write_text(json.dumps([{"test": one, "outcome": "failed"}]))
    typed(ROOT, failed, "--out", out)
    assert outcomes(out) == {one: "passed"}

    typed(ROOT, some, "--out", out)
    assert all("test_trust" in test for test in outcomes(out))


def test_this_cloud_is_measured_alone_and_beside_openstack(workshop: Path) -> None:
    sources = copied(workshop / "measured")
    own, keystone, whole = block_of("docs/figures.md", "--peer all").commands()
    whole[whole.index("all")] = "cinder"  # each of them is measured as the others are
    for words in (own, keystone, whole):
        is_measured(sources, words, *SHORT)


def test_a_large_cloud_is_measured(workshop: Path) -> None:
    """With a storm of boots; and not quite as many servers."""
    [words] = block_of("docs/figures.md", "--only scale").commands()
    is_measured(copied(workshop / "large"), words, "--servers", "2000", "--patience", "0")


def copied(sources: Path) -> Path:
    shutil.copytree(ROOT, sources, ignore=MADE_HERE)
    (sources / ".venv").symlink_to(sys.prefix)
    return sources


def is_measured(sources: Path, words: list[str], *short: str) -> None:
    """Every gate of what is asked for, and the page shows it from then on."""
    gates = tomllib.loads((ROOT / "bench/gates.toml").read_text())["gate"]
    page, asked = sources / FIGURES.relative_to(ROOT), parsed(words[1:])
    before = page.read_text()
    said = typed(sources, words, *short, right=(0, OVER_OR_VOID), table="| figure |")
    measured = {asked.peer, *chosen(asked)}
    assert [gate["what"] for gate in gates.values() if gate["workload"] in measured and gate["what"] not in said] == []
    assert asked.check
    assert asked.publish
    assert page.read_text() != before
