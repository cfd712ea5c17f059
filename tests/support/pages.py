"""The pages of the docs as tests read them: their blocks.

```sh                                        run, in order, in one shell of its page; the exit status is 0
```{ .sh until="words" }                     goes on behind those after it, which begin when it has said these words
```{ .sh why="..." test="path::test" }       not run there: why, and which test does the same, or which script it is
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

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


def pages() -> list[str]:
    """All but decisions, which are written once."""
    return ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


@cache
def blocks(page: str) -> tuple[Block, ...]:
    """In their order."""
    text = (ROOT / page).read_text()
    return tuple(block(page, text.count("\n", 0, found.start()) + 1, found) for found in FENCE.finditer(text))


def block(page: str, line: int, found: re.Match[str]) -> Block:
    marked = MARKED.fullmatch(found["info"])
    language = marked["language"] if marked else found["info"]
    return Block(page, line, language, dict(FACT.findall(marked["facts"])) if marked else {}, found["text"])
