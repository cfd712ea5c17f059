"""Which requests access rules allow. Pure.

In the path of a rule `*` and `{anything}` stand for one or more characters but a slash, `**` for any number of any. A
pattern is matched in one pass, all its positions at once: whoever writes the pattern and the path cannot make it slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

TOKEN = re.compile(r"(\*\*+)|(\*|{[^}]*})|(.)", re.DOTALL)
SLASH_IN_A_SEGMENT = "\0"  # no path and no rule has one
VALIDATION = ["v3", "auth", "tokens"]


class AccessRule(msgspec.Struct, frozen=True):
    id: str
    service: str
    path: str
    method: str


class Pattern(NamedTuple):
    """A path with wildcards. Bit n of a mask is about the nth token; bit n of a state: n tokens have matched so far."""

    literals: dict[str, int]
    some: int  # `*` and `{tag}`
    any: int  # `**`
    length: int

    def matches(self, path: str) -> bool:
        state = self._skipped(1)
        for character in path:
            after = (state & self.literals.get(character, 0)) << 1 | state & (self.any << 1)
            if character != "/":
                after |= (state & self.some) << 1 | state & (self.some << 1)
            state = self._skipped(after)
        return bool(state >> self.length)

    def _skipped(self, state: int) -> int:
        """With each `**` that may stand for nothing; no two of them are neighbours."""
        return state | (state & self.any) << 1


def pattern(path: str) -> Pattern:
    literals: dict[str, int] = {}
    some = any_ = length = 0
    for rest, part, literal in TOKEN.findall(path):
        bit = 1 << length
        if rest:
            any_ |= bit
        elif part:
            some |= bit
        else:
            literals[literal] = literals.get(literal, 0) | bit
        length += 1
    return Pattern(literals, some, any_, length)


def reach(rules: Iterable[AccessRule]) -> Callable[[Collection[str], str, Sequence[str]], bool]:
    """What a token with these access rules may ask: (types of the service, method, segments of the path) -> yes or no.

    Whoever has a token may always ask Identity about it.
    """
    allowed = [(rule.service, rule.method, pattern(rule.path)) for rule in rules]

    def reaches(types: Collection[str], method: str, segments: Sequence[str]) -> bool:
        if "identity" in types and method == "GET" and list(segments) == VALIDATION:
            return True
        path = "/" + "/".join(segment.replace("/", SLASH_IN_A_SEGMENT) for segment in segments)
        return any(s in types and m == method and each.matches(path) for s, m, each in allowed)

    return reaches
