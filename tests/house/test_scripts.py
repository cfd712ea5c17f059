"""The scripts do what the README says of them."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from support.coverage_gate import gaps
from support.source import ROOT

TOOLS = Path(sys.executable).parent


def run(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(w) for w in words], cwd=cwd, capture_output=True, text=True)


def test_a_new_noun_is_clean_before_anybody_touched_it(tmp_path: Path) -> None:
    made = run(sys.executable, ROOT / "script/new-noun", "compute", "keypairs", tmp_path)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "services/compute/keypairs"
    assert {p.name for p in folder.iterdir()} == {"__init__.py", "api.py", "service.py", "store.py"}
    for command in (["check"], ["format", "--check"]):
        clean = run(TOOLS / "ruff", *command, "--config", ROOT / "pyproject.toml", "--no-cache", folder)
        assert clean.returncode == 0, clean.stdout
    for file in folder.iterdir():
        compile(file.read_text(), file, "exec")


@pytest.mark.parametrize("words", [["compute"], ["compute", "Keypairs"], ["compute", "../x"], ["compute", "keypair"]])
def test_a_noun_that_cannot_be_one_is_refused(tmp_path: Path, words: list[str]) -> None:
    assert run(sys.executable, ROOT / "script/new-noun", *words, tmp_path).returncode != 0
    assert not list(tmp_path.iterdir())


def test_the_coverage_gate_tells_a_gap(tmp_path: Path) -> None:
    (tmp_path / "whole.py").touch()
    (tmp_path / "part.py").touch()
    (tmp_path / "never.py").touch()
    files = {
        str(tmp_path / "whole.py"): {"missing_lines": [], "missing_branches": []},
        str(tmp_path / "part.py"): {"missing_lines": [], "missing_branches": [[3, 5]]},
    }
    told = list(gaps({"files": files}, str(tmp_path)))
    assert told == [f"{tmp_path}/never.py: never imported", f"{tmp_path}/part.py: lines [] branches ['3->5']"]


def test_locked_dependencies_name_no_host_and_have_hashes() -> None:
    for path in ROOT.glob("*.lock"):
        lines = path.read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("-")]
        pinned = [line for line in lines if "==" in line]
        assert pinned
        assert all(line.endswith("\\") for line in pinned), f"{path}: something has no hash"


def test_the_scripts_are_clean_shell() -> None:
    for script in [ROOT / ".ci/run", *(ROOT / "script").iterdir()]:
        if script.read_text().startswith("#!/bin/sh"):
            assert run("sh", "-n", script).returncode == 0, script
            assert "\nset -eu\n" in script.read_text(), script


@pytest.mark.parametrize(("lock", "extras"), [("requirements.lock", ()), ("requirements-dev.lock", ("dev",))])
def test_a_lock_holds_all_that_is_asked_for(lock: str, extras: tuple[str, ...]) -> None:
    """Else a fresh checkout lacks what this one has: `script/lock` renews them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(name for extra in extras for name in project["optional-dependencies"][extra])]
    named = {re.split(r"[\[<>=!~; ]", line)[0].lower().replace("_", "-").replace(".", "-") for line in asked}
    locked = set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==", (ROOT / lock).read_text(), re.MULTILINE))
    assert named <= locked
