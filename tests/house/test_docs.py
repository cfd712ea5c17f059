"""What the docs promise is tested, and what they list is there."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache

import pytest

from support.source import ROOT

CLAIM = re.compile(r"^- (?P<promise>.+?) — (?P<tests>`[^`]+`(?:, `[^`]+`)*)$")


def claims() -> list[str]:
    """The lines of docs/claims.md that begin as a list item."""
    return [line for line in (ROOT / "docs/claims.md").read_text().splitlines() if line.startswith("- ")]


def test_there_are_claims() -> None:
    assert claims()


@pytest.mark.parametrize("line", claims())
def test_each_claim_names_tests_that_exist(line: str) -> None:
    claim = CLAIM.match(line)
    assert claim, "a claim is `- promise — `path::test``"
    check_named(claim["tests"])


def check_named(tests: str) -> None:
    """`path::test`, ...: each is there."""
    for test in re.findall(r"`([^`]+)`", tests):
        path, _, name = test.partition("::")
        assert name in defined(path), f"{path} has no {name}"


@cache
def defined(path: str) -> frozenset[str]:
    """The tests of a file, or the gates of a benchmark's gate file."""
    file = ROOT / path
    assert file.is_file(), f"there is no {path}"
    if file.suffix == ".toml":
        return frozenset(tomllib.loads(file.read_text())["gate"])
    nodes = ast.walk(ast.parse(file.read_text()))
    named = (n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))
    return frozenset(name for name in named if name.startswith(("test_", "Test")))  # a helper proves nothing


def test_every_decision_is_in_the_index_and_short() -> None:
    index = (ROOT / "docs/adr/index.md").read_text()
    for path in sorted((ROOT / "docs/adr").glob("[0-9]*.md")):
        assert f"]({path.name})" in index, f"{path.name} is not in docs/adr/index.md"
        words = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("```")]
        assert len(words) <= 14, f"{path.name}: a decision takes twelve lines, and a title"
        assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name), path.name


def test_decisions_are_numbered_without_a_gap_or_a_twin() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/adr").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_option_of_setup_and_test_is_told_by_its_script() -> None:
    """The README may only name scripts that are there."""
    for name in re.findall(r"script/([a-z-]+)", (ROOT / "README.md").read_text()):
        assert (ROOT / "script" / name).stat().st_mode & 0o111, f"script/{name}"
