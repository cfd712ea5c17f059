"""Regular expressions of list filters, as far as both databases agree on them and none can be made to think for long.

Alternatives (a|b), ^ and $, any character (.), any text (.*, .+), sets ([a-z], [^0-9]) and what a backslash takes the meaning
from. A set is repeated ([0-9]+) beside any text, where one of it is as good as many, or at the end, behind a character that
is not of it. Nothing else: other repetitions could be made to cost any time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pileus.kernel.errors import BadRequest
from pileus.kernel.filters import Condition

LONGEST = 255
TOKEN = re.compile(r"\.\*\??|\.\+\??|\.|\[\^?\]?[^\]\[\\]*\]\+?|\\[^a-zA-Z0-9]|[^\\.*+?()\[\]{}|^$]", re.S)
ANY = {".*": ("*", ".*"), ".+": ("?*", ".+"), ".": ("?", ".")}
GLOB_SPECIAL = "*?["
MOST_OF_A_RANGE = 128


@dataclass(frozen=True)
class Way:
    """One alternative, as SQLite and as PostgreSQL have it."""

    glob: str
    regex: str
    tail: str = ""  # characters, one or more of which end it: for SQLite, whose globs cannot say so

    def globbed(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        if not self.tail:
            return column.op("GLOB")(self.glob)
        rest = sa.func.rtrim(column, self.tail)
        return sa.and_(rest != column, rest.op("GLOB")(self.glob))


def matches(column: sa.ColumnElement[Any], name: str, pattern: str, dialect: str) -> Condition:
    """Whether the column holds what the expression says. Raises BadRequest for what is none, or none of these."""
    if len(pattern) > LONGEST:
        raise BadRequest(f"Invalid input for query parameters {name}: it has more than {LONGEST} characters.")
    ways = [_way(name, part) for part in split(pattern)]
    if dialect == "sqlite":
        return sa.or_(*(way.globbed(column) for way in ways))
    return sa.or_(*(column.op("~")(way.regex) for way in ways))


def split(pattern: str) -> list[str]:
    """The alternatives."""
    return re.split(r"(?<!\\)\|", pattern)


def _way(name: str, text: str) -> Way:
    begins, ends = text.startswith("^"), text.endswith("$") and not text.endswith("\\$")
    tokens = _tokens(text[begins : len(text) - ends])
    around = ["" if begins else ".*", *(tokens or [""]), "" if ends else ".*"]
    tail = _tail(around) if tokens is not None else None
    if tokens is None or tail is None:
        raise BadRequest(
            f"Invalid input for query parameters {name}. Value: {text[:80]}. This cloud reads in a regular expression: "
            "| ^ $ . .* .+ [a-z] [^a-z], [a-z]+ beside .* or at the end, and what follows a backslash."
        )
    said = [_token(token) for token in tokens]
    glob = "".join(glob for glob, _ in (said[:-1] if tail else said))
    glob = ("" if begins else "*") + glob + ("" if ends else "*")
    return Way(glob, ("^" if begins else "") + "".join(regex for _, regex in said) + ("$" if ends else ""), tail)


def _tokens(text: str) -> list[str] | None:
    """None when there is something else between them."""
    found = TOKEN.findall(text)
    return found if "".join(found) == text else None


def _tail(around: list[str]) -> str | None:
    """The characters of the set whose repetition ends the text, if one does; None when a set is repeated elsewhere."""
    tail = ""
    for before, token, after in zip(around, around[1:], around[2:], strict=False):
        if not _repeats(token) or {".*", ".+"} & {before[:2], after[:2]}:
            continue
        tail = _members(token)
        if not tail or after or before[:1] in {".", "["} or (before and before[-1] in tail):
            return None
    return tail


def _repeats(token: str) -> bool:
    return token.startswith("[") and token.endswith("+")


def _members(token: str) -> str:
    """Of a repeated set; nothing when they are too many to be told one by one."""
    found = ""
    for first, last, single in re.findall(r"(.)-(.)|(.)", token[1:-2], re.S):
        if token[1] == "^" or (first and ord(last) - ord(first) > MOST_OF_A_RANGE):
            return ""
        found += single or "".join(map(chr, range(ord(first), ord(last) + 1)))
    return found


def _token(text: str) -> tuple[str, str]:
    if text[0] == "." and text.rstrip("?") in ANY:
        return ANY[text.rstrip("?")]
    if text[0] == "[":
        return text.removesuffix("+"), text
    sign = text[-1]
    return f"[{sign}]" if sign in GLOB_SPECIAL else sign, sign if sign.isalnum() or sign.isspace() or ord(
        sign
    ) > 127 else f"\\{sign}"
