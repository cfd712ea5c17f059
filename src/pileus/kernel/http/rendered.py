"""Documents of lists, each rendered once for as long as it would come out the same.

    @rendered(2_000)
    def rendered_port(row: tuple[Any, ...], tags: tuple[str, ...], hides: tuple[str, ...]) -> dict[str, Any]: ...

What is decorated depends on its arguments alone, all of them: then nothing that is kept can be out of date, whoever changed
whatever in which process. It saves what Python costs, not what the database does.

Few are long, and those are made anew each time: the memory that all of them take is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any

import msgspec

from pileus.kernel.http.answers import ENCODER

LONG = 16_384  # a document and what it is made of


class _Long(Exception):
    def __init__(self, document: msgspec.Raw) -> None:
        self.document = document


def rendered(most: int) -> Callable[[Callable[..., Any]], Callable[..., msgspec.Raw]]:
    """Make a function of hashable values give its document as JSON, and keep that for the `most` used last."""

    def decorate(document: Callable[..., Any]) -> Callable[..., msgspec.Raw]:
        @lru_cache(most)
        def kept(*made_of: Hashable) -> msgspec.Raw:
            text = ENCODER.encode(document(*made_of))
            if len(text) + length(made_of) > LONG:
                raise _Long(msgspec.Raw(text))
            return msgspec.Raw(text)

        def found(*made_of: Hashable) -> msgspec.Raw:
            try:
                return kept(*made_of)
            except _Long as long:
                return long.document

        return found

    return decorate


def length(value: Hashable) -> int:
    """Of all texts in it."""
    if isinstance(value, tuple):
        return sum(map(length, value))
    return len(value) if isinstance(value, str | bytes) else 0
