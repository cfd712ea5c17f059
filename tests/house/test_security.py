"""The security review (docs/security.md): each line names tests that exist, and nothing of the list is left out."""

from __future__ import annotations

import re

import pytest

from house.test_docs import check_named
from house.test_package import in_git
from support.source import ROOT

SECTIONS = (
    "Listening sockets",
    "File modes",
    "Rights of processes",
    "TLS between machines",
    "Secrets at rest",
    "Scope of tokens",
    "Requests that the cloud makes (SSRF)",
    "Paths",
    "Archives and images",
    "Rates and sizes",
    "Dependencies",
    "Classes of OpenStack's CVEs",
)
HEAD = "| Line | What holds | Shown by |"
LINE = re.compile(r"\| (?P<number>\d+\.\d+) \| (?P<holds>[^|]+) \| (?P<tests>`[^`|]+`(?:, `[^`|]+`)*) \|")


def sections() -> dict[str, list[str]]:
    """The lines of the table below each heading."""
    found = re.split(r"^## ", (ROOT / "docs/security.md").read_text(), flags=re.MULTILINE)[1:]
    tables = {text.partition("\n")[0]: text.partition(HEAD)[2].splitlines() for text in found}
    return {head: [line for line in table if line.startswith("|")][1:] for head, table in tables.items()}


LINES = [line for table in sections().values() for line in table]


def test_every_lock_is_audited_or_it_is_said_why_not() -> None:
    audited = re.search(r"^for lock in (.+); do$", (ROOT / "script/audit").read_text(), re.MULTILINE)
    assert audited
    left_out = set(re.findall(r"^`(\S+\.lock)` is left out:", (ROOT / "docs/security.md").read_text(), re.MULTILINE))
    locks = {name for name in in_git() if name.endswith(".lock")}
    assert set(audited[1].split()) == locks - left_out
    assert left_out < {name for name in locks if "/" in name}


def test_every_section_is_there_in_its_order() -> None:
    assert list(sections()) == [f"{number}. {name}" for number, name in enumerate(SECTIONS, 1)]


@pytest.mark.parametrize("heading", sections())
def test_the_lines_of_a_section_are_numbered(heading: str) -> None:
    table = sections()[heading]
    section = heading.partition(".")[0]
    assert table
    assert [line.split()[1] for line in table] == [f"{section}.{at}" for at in range(1, len(table) + 1)]


@pytest.mark.parametrize("line", LINES, ids=[line.split()[1] for line in LINES])
def test_each_line_names_tests_that_exist(line: str) -> None:
    read = LINE.fullmatch(line)
    assert read, "a line is | 1.2 | what holds | `path::test`, ... |"
    check_named(read["tests"])
