"""How limits compare, and which one counts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pileus.kernel.quota import UNLIMITED


class Row(NamedTuple):
    """A registered limit beside the limit of one owner that rests on it; both are None where nobody has one."""

    registered_id: str
    resource_name: str
    region_id: str | None
    default_limit: int
    owner: str | None
    resource_limit: int | None


def is_above(limit: int, other: int) -> bool:
    """Whether one limit allows more than the other; -1 allows any amount."""
    return other != UNLIMITED and (limit == UNLIMITED or limit > other)


def counting(rows: Iterable[Row], names: Sequence[str]) -> list[Row]:
    """The rows of the registered limit that counts: by the first of these names that one has, of a region before of all."""
    ranked: dict[tuple[int, bool, str], list[Row]] = {}
    for row in rows:
        if row.resource_name in names:
            rank = names.index(row.resource_name), row.region_id is None, row.registered_id
            ranked.setdefault(rank, []).append(row)
    return ranked[min(ranked)] if ranked else []
