"""Documents of lists, each rendered once for as long as it would come out the same.

    @rendered(2_000)
    def rendered_port(row: tuple[Any, ...], tags: tuple[str, ...], hides: tuple[str, ...]) -> dict[str, Any]: ...

What is decorated depends on its arguments alone, all of them: then nothing that is kept can be out of date, whoever changed
whatever in which process. It saves what Python costs, not what the database does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any

import msgspec

from pileus.kernel.http.answers import ENCODER


def rendered(most: int) -> Callable[[Callable[..., Any]], Callable[..., msgspec.Raw]]:
    """Make a function of hashable values give its document as JSON, and keep that for the `most` used last."""

    def decorate(document: Callable[..., Any]) -> Callable[..., msgspec.Raw]:
        @lru_cache(most)
        def kept(*made_of: Hashable) -> msgspec.Raw:
            return msgspec.Raw(ENCODER.encode(document(*made_of)))

        return kept

    return decorate
