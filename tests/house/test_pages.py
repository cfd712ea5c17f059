"""No command of the docs escapes the test that runs them (tests/clients/test_docs.py)."""

from __future__ import annotations

import argparse
import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from house.test_docs import check_named
from pileus.cli.parser import parser
from support.pages import FENCE, Block, block_of, blocks, pages
from support.source import ROOT

LANGUAGES = {"sh", "text", "toml", "python", "yaml"}
FACTS: tuple[set[str], ...] = (set(), {"until"}, {"why", "test"}, {"why", "script"})
COMMAND = re.compile(r"^(?:pileus|openstack|script/|\.ci/|curl|ssh|systemctl|sudo|pip|git|\. |\$ )", re.MULTILINE)
INLINE = re.compile(r"`(pileus|openstack) ([^`]+)`")
WORD = re.compile(r"[a-z][a-z0-9-]*")
BLOCKS = [block for page in pages() for block in blocks(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_run_or_says_why_not(block: Block) -> None:
    assert block.language in LANGUAGES, "say what it is: support/pages.py says how"
    assert set(block.facts) in FACTS
    assert "why" not in block.facts or block.language == "sh"
    assert "test" not in block.facts or is_read_by(block, block.facts["test"]), "it takes it from the page: block_of"


def test_no_others_are_left_to_scripts() -> None:
    """What tests are run by, and in, and what would take that away from them. A script is there for each."""
    left = {block.text: block.facts["script"] for block in BLOCKS if "script" in block.facts}
    assert left == {"script/setup\n": ".ci/run", ".ci/run\n": ".ci/run"}
    assert all(os.access(ROOT / script, os.X_OK) for script in left.values())


def is_read_by(block: Block, test: str) -> bool:
    """Whether this very test, which is no long one, asks for that block, in words that stand there and nowhere else."""
    check_named(f"`{test}`")
    path, _, name = test.partition("::")
    module = ast.parse((ROOT / path).read_text())
    marks = [
        ast.unparse(node) for node in module.body if isinstance(node, ast.Assign) and "pytestmark" in ast.unparse(node)
    ]
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    [found] = [node for node in functions if node.name == name]
    marks += map(ast.unparse, found.decorator_list)
    asked = [
        node.args for node in ast.walk(found) if isinstance(node, ast.Call) and ast.unparse(node.func) == "block_of"
    ]
    return "mark.long" not in " ".join(marks) and block in [block_of(*map(ast.literal_eval, words)) for words in asked]


def test_a_test_that_reads_another_block_does_not_count() -> None:
    path, name = Path(__file__).relative_to(ROOT), "test_a_test_that_reads_another_block_does_not_count"
    assert is_read_by(block_of("docs/user-guide.md", "--uri"), f"{path}::{name}")
    others = [block for block in BLOCKS if "--uri" not in block.text]
    assert not any(is_read_by(block, f"{path}::{name}") for block in others)


@pytest.mark.parametrize("page", pages())
def test_there_is_no_block_but_a_fenced_one(page: str) -> None:
    outside = FENCE.sub("", (ROOT / page).read_text())
    assert "```" not in outside
    assert not re.search(r"^(?: {4}|\t)(?![-*] )\S", outside, re.MULTILINE)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in {"text", "toml"}], ids=str)
def test_what_is_no_shell_holds_no_command(block: Block) -> None:
    assert not COMMAND.search(block.text)


@pytest.mark.parametrize("page", pages())
def test_commands_in_the_text_exist(page: str) -> None:
    """`pileus op retry` and `openstack volume show`, as far as their words go."""
    text = FENCE.sub("", (ROOT / page).read_text())
    unknown = [found[0] for found in INLINE.finditer(text) if not is_known(found[1], found[2].split())]
    assert not unknown


@pytest.mark.parametrize("command", ["pileus oops", "pileus op mend", "openstack servers", "openstack volume grow"])
def test_a_command_that_does_not_exist_is_told(command: str) -> None:
    program, *words = command.split()
    assert not is_known(program, words)


def is_known(program: str, words: list[str]) -> bool:
    if words[0].startswith("-") or words[0] == "...":
        return True
    names = known_pileus() if program == "pileus" else known_openstack()
    plain = [word for word in words if WORD.fullmatch(word)]
    if any(" ".join(plain[:count]) in names for count in range(1, len(plain) + 1)):
        return True
    return any(name.startswith(" ".join(plain) + " ") for name in names)  # a group of commands


@cache
def known_openstack() -> frozenset[str]:
    plugins = ("openstack.cli.base", "openstack.cli.extension")
    groups = [group for group in entry_points().groups if group.startswith("openstack.") and group not in plugins]
    return frozenset(entry.name.replace("_", " ") for group in groups for entry in entry_points(group=group))


@cache
def known_pileus() -> frozenset[str]:
    return frozenset(leaves(parser()))


def leaves(said: argparse.ArgumentParser, before: str = "") -> Iterator[str]:
    """Its commands; of a group of commands each."""
    for action in said._actions:
        for name, command in action.choices.items() if isinstance(action.choices, dict) else ():
            below = list(leaves(command, f"{before}{name} "))
            yield from below or [f"{before}{name}"]
