"""What the pages of conformance and of figures say to type, typed: with what it fetches, but fewer tests and shorter runs."""

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

FEW = "v3.test_regions?[.]"
MADE_HERE = shutil.ignore_patterns(
    ".git", ".venv", "build", "results", "__pycache__", ".*_cache", ".hypothesis", ".coverage*"
)
SHORT = ("--repeat", "1", "--seconds", "0.3", "--patience", "0")  # no figure to go by: others are at work, too
OVER_OR_VOID = 1


def typed(place: Path, words: Sequence[str], *more: str | Path, right: tuple[int, ...] = (0,)) -> str:
    """What it says on its standard output."""
    done = subprocess.run([*words, *more], cwd=place, env=environment(), capture_output=True, text=True)
    assert done.returncode in right, f"{words} {more}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def outcomes(out: Path) -> dict[str, str]:
    return {each["test"]: each["outcome"] for each in json.loads((out / "results.json").read_text())}


def test_a_cloud_is_tried_with_openstacks_own_tests(tmp_path: Path) -> None:
    out = tmp_path / "out"
    [whole] = block_of("docs/conformance.md", "--set identity --set").commands()
    failed, some = block_of("docs/conformance.md", "--failed").commands()

    typed(ROOT, whole, "--only", FEW, "--out", out)
    first = outcomes(out)
    assert set(first.values()) == {"passed"}
    assert any(".rbac." in test for test in first)
    assert any(".rbac." not in test for test in first)

    one = next(test for test in first if ".rbac." not in test)
    said = json.loads((out / "results.json").read_text())
    (out / "results.json").write_text(
        json.dumps([each | {"outcome": "failed"} for each in said if each["test"] == one])
    )
    typed(ROOT, failed, "--out", out)
    assert outcomes(out) == {one: "passed"}

    typed(ROOT, some, "--out", out)
    assert all("test_trust" in test for test in outcomes(out))


def test_this_cloud_is_measured_alone_and_beside_openstack(workshop: Path) -> None:
    sources = workshop / "measured"
    shutil.copytree(ROOT, sources, ignore=MADE_HERE)
    (sources / ".venv").symlink_to(sys.prefix)
    page, gates = sources / FIGURES.relative_to(ROOT), tomllib.loads((ROOT / "bench/gates.toml").read_text())["gate"]
    own, keystone, whole = block_of("docs/figures.md", "--peer all").commands()
    whole[whole.index("all")] = "cinder"  # each of them is measured as the others are

    for words in (own, keystone, whole):
        before, asked = page.read_text(), parsed(words[1:])
        said = typed(sources, words, *SHORT, right=(0, OVER_OR_VOID))
        measured = {asked.peer, *chosen(asked)}
        assert [
            gate["what"] for gate in gates.values() if gate["workload"] in measured and gate["what"] not in said
        ] == []
        assert asked.check
        assert (page.read_text() != before) == asked.publish == (asked.peer is not None)
