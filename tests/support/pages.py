"""The pages of the docs as tests read them: their blocks.

```sh                                        run, in order, in one shell of its page; the exit status is 0
```{ .sh until="words" }                     goes on behind those after it, which begin when it has said these words
```{ .sh why="..." test="path::test" }       not run there: why, and which test takes it from its page and runs it
```{ .sh why="..." script="path" }           nor by any test: which script runs it
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from cli.conftest import PILEUS, environment
from support.source import ROOT

FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
MARKED = re.compile(r"\{ \.(?P<language>\w+)(?P<facts>(?: \w+=\"[^\"]*\")+) \}")
FACT = re.compile(r" (\w+)=\"([^\"]*)\"")


@dataclass(frozen=True)
class Block:
    """One of a page. `facts`: what stands behind its language."""

    page: str
    line: int
    language: str
    facts: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.language == "sh" and "why" not in self.facts

    def here(self, places: Mapping[str, object]) -> Block:
        """With what stands for an address, a path or a name of the reader's put in its place. All of them must be there."""
        text = self.text
        for word, place in places.items():
            assert word in text, f"{self} has no {word}"
            text = text.replace(word, str(place))
        return replace(self, text=text)

    def commands(self) -> list[list[str]]:
        """Their words, of a block in which each line is a command and needs no shell."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]

    def said(self, place: Path, *, before: str = "", answers: str = "", within_s: float = 120, **more: str) -> str:
        """What comes of typing it there: all that is said. `before`: what the shell has been told until then. `answers`: what
        is typed afterwards. AssertionError: a command has failed."""
        shell = ["bash", "-c", f"set -euo pipefail\n{before}\n{self.text}"]
        outside = environment(PATH=f"{PILEUS.parent}:/usr/sbin:/usr/bin:/sbin:/bin", **more)
        done = subprocess.run(
            shell, cwd=place, env=outside, input=answers, capture_output=True, text=True, timeout=within_s, check=False
        )
        assert done.returncode == 0, f"{self}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout


def pages() -> list[str]:
    """All but decisions, which are written once."""
    return ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """In their order."""
    text = (ROOT / page).read_text()
    return tuple(block(page, text.count("\n", 0, found.start()) + 1, found) for found in FENCE.finditer(text))


def block_of(page: str, words: str) -> Block:
    """The one in which they stand."""
    [found] = [each for each in blocks(page) if words in each.text]
    return found


def block(page: str, line: int, found: re.Match[str]) -> Block:
    marked = MARKED.fullmatch(found["info"])
    language = marked["language"] if marked else found["info"]
    return Block(page, line, language, dict(FACT.findall(marked["facts"])) if marked else {}, found["text"])
