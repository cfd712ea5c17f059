"""Regular expressions of list filters, as far as both databases agree on them and none can be made to think for long.

Alternatives (a|b), ^ and $, any character (.), any text (.*, .+), sets ([a-z], [^0-9]) and what a backslash takes the meaning
from. Nothing else: repetitions of anything but a dot could be made to cost any time.
"""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa

from pileus.kernel.errors import BadRequest
from pileus.kernel.filters import Condition

LONGEST = 255
TOKEN = re.compile(r"\.\*\??|\.\+\??|\.|\[\^?\]?[^\]\[\\]*\]|\\[^a-zA-Z0-9]|[^\\.*+?()\[\]{}|^$]", re.S)
ANY = {".*": ("*", ".*"), ".+": ("?*", ".+"), ".": ("?", ".")}
GLOB_SPECIAL = "*?["


def matches(column: sa.ColumnElement[Any], name: str, pattern: str, dialect: str) -> Condition:
    """Whether the column holds what the expression says. Raises BadRequest for what is none, or none of these."""
    if len(pattern) > LONGEST:
        raise BadRequest(f"Invalid input for query parameters {name}: it has more than {LONGEST} characters.")
    ways = [_way(name, part) for part in split(pattern)]
    if dialect == "sqlite":
        return sa.or_(*(column.op("GLOB")(glob) for glob, _ in ways))
    return sa.or_(*(column.op("~")(regex) for _, regex in ways))


def split(pattern: str) -> list[str]:
    """The alternatives."""
    return re.split(r"(?<!\\)\|", pattern)


def _way(name: str, text: str) -> tuple[str, str]:
    """One alternative as SQLite and as PostgreSQL have it."""
    begins, ends = text.startswith("^"), text.endswith("$") and not text.endswith("\\$")
    inner = text[begins : len(text) - ends]
    globs, regexes, at = [], [], 0
    while at < len(inner):
        token = TOKEN.match(inner, at)
        if token is None:
            raise BadRequest(
                f"Invalid input for query parameters {name}. Value: {text[:80]}. This cloud reads in a regular expression: "
                "| ^ $ . .* .+ [a-z] [^a-z] and what follows a backslash."
            )
        glob, regex = _token(token.group())
        globs.append(glob)
        regexes.append(regex)
        at = token.end()
    glob = ("" if begins else "*") + "".join(globs) + ("" if ends else "*")
    return glob, ("^" if begins else "") + "".join(regexes) + ("$" if ends else "")


def _token(text: str) -> tuple[str, str]:
    if text[0] == "." and text.rstrip("?") in ANY:
        return ANY[text.rstrip("?")]
    if text[0] == "[":
        return text, text
    sign = text[-1]
    return f"[{sign}]" if sign in GLOB_SPECIAL else sign, sign if sign.isalnum() or sign.isspace() or ord(
        sign
    ) > 127 else f"\\{sign}"
