"""How Block Storage lists: filters, order, pages and counts, the same for every noun.

    LISTED = Listed(Volume, ALL, volumes.c.id, filters={"name": Field(volumes.c.name), ...}, sorts={...})

    async def page(ctx, asked, visible) -> Found[Volume]:
        return await LISTED.page(ctx, asked, visible)

stands in a noun's store.py; its api.py reads `asked(ctx, query, ...)` and answers with `document(here, "volumes", found, ...)`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.filters import Condition, Field, Filters, compared
from pileus.kernel.http import Here, Query
from pileus.kernel.http.queries import boolean
from pileus.kernel.paging import Ask, Listing, Page, Sort

T = TypeVar("T")
Special = Callable[[str], Condition]

MOST = 1000
PAGING = frozenset({"limit", "marker", "offset", "sort", "sort_key", "sort_dir", "all_tenants", "with_count"})
LONGEST = 4096
BIGGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks of a list."""

    ask: Ask
    offset: int
    sorts: tuple[Sort, ...]
    filters: dict[str, list[str]]
    all_projects: bool = False
    with_count: bool = False


def asked(ctx: Ctx, query: Query, known: Collection[str], *, lenient: bool = False) -> Asked:
    """The wishes in a query string. Raises BadRequest.

    `known`: the filters there are. Others are passed over before 3.31 and refused from then on; `lenient` callers
    (administrators) get them passed over always.
    """
    filters = {name.removesuffix("~"): values for name, values in query.items() if name not in PAGING}
    unknown = sorted(filters.keys() - set(known))
    if unknown and ctx.at("3.31") and not lenient:
        raise BadRequest(f"Invalid filters {', '.join(unknown)[:200]} are found in query options.")
    return Asked(
        ask=Ask(limit(query), last(query, "marker") or None),
        offset=offset(query),
        sorts=sorts(query),
        filters={name: values for name, values in filters.items() if name in known},
        all_projects=truth(query, "all_tenants"),
        with_count=ctx.at("3.45") and truth(query, "with_count"),
    )


def last(query: Query, name: str) -> str | None:
    return query[name][-1] if name in query else None


def truth(query: Query, name: str) -> bool:
    """False when it is not there. Raises BadRequest."""
    text = last(query, name)
    return text is not None and boolean(name, text)


def limit(query: Query) -> int:
    text = last(query, "limit")
    if text is None:
        return MOST
    try:
        number = int(text[:20])
    except ValueError:
        raise BadRequest("limit param must be an integer") from None
    if number < 0:
        raise BadRequest("limit param must be positive")
    return min(number, MOST)


def offset(query: Query) -> int:
    text = last(query, "offset")
    if text is None:
        return 0
    if not text.isdecimal() or not text.isascii():
        raise BadRequest(f"offset must be an integer, not {text[:80]!r}")
    if len(text) > 10 or int(text) > BIGGEST:
        raise BadRequest(f"offset must be <= {BIGGEST}")
    return int(text)


def sorts(query: Query) -> tuple[Sort, ...]:
    """`sort=name:asc,created_at`, or the older `sort_key` and `sort_dir`. Raises BadRequest."""
    text = last(query, "sort")
    if text is not None and ("sort_key" in query or "sort_dir" in query):
        raise BadRequest(
            "The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with the 'sort' parameter."
        )
    if text is None:
        text = f"{last(query, 'sort_key') or 'created_at'}:{last(query, 'sort_dir') or 'desc'}"
    return tuple(sort(part) for part in text.strip().split(","))


def sort(text: str) -> Sort:
    key, _, way = (part.strip() for part in text.partition(":"))
    if (way or "desc").lower() not in {"asc", "desc"}:
        raise BadRequest(f"Unknown sort direction, must be one of: asc, desc; not {way[:80]!r}")
    return Sort(key, (way or "desc").lower() == "desc")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A page of a list, and how many there are in all if that was asked."""

    items: list[T]
    page: Page
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """How the rows of one noun are listed. `kind` is the Struct that a row becomes, field by field.

    `filters` by columns; `special` ones by a function of the value. Times among the filters are `gt:2026-01-01,lt:...`.
    """

    kind: type[T]
    rows: sa.Select[Any]
    id: sa.ColumnElement[Any]
    filters: Mapping[str, Field]
    sorts: Mapping[str, sa.ColumnElement[Any]]
    special: Mapping[str, Special] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """The filters there are."""
        return frozenset([*self.filters, *self.special])

    def where(self, filters: Mapping[str, Sequence[str]]) -> list[Condition]:
        """Raises BadRequest that names the filter."""
        found: list[Condition] = []
        for name, values in filters.items():
            if name in self.special:
                found.append(self.special[name](values[-1]))
            elif self.filters[name].kind == "time":
                found += times(self.filters[name], name, values[-1])
            else:
                found += Filters({name: self.filters[name]}).where({name: values})
        return found

    async def page(self, ctx: Ctx, asked: Asked, visible: Condition) -> Found[T]:
        """Raises BadRequest for a filter, key or marker that is none."""
        listing = Listing(self.id, {"id": self.id, **self.sorts}, max_limit=MOST, missing=no_such_marker)
        wanted = self.rows.where(*self.where(asked.filters))
        rows = wanted.offset(asked.offset) if asked.offset else wanted
        async with ctx.read() as reading:
            page = await listing.page(reading, rows, visible=visible, order=listing.order(asked.sorts), ask=asked.ask)
            count = None
            if asked.with_count:
                counted = sa.select(sa.func.count()).select_from(wanted.where(visible).order_by(None).subquery())
                count = (await reading.execute(counted)).scalar_one()
        return Found([self.kind(**row._mapping) for row in page.rows], page, count)


def no_such_marker(marker: str) -> NotFound:
    return NotFound(f"marker [{marker}] could not be found.")


def times(of: Field, name: str, text: str) -> list[Condition]:
    """`gt:2026-01-01T00:00:00,lte:...`. Raises BadRequest."""
    found = []
    for part in text.split(","):
        relation, colon, moment = part.partition(":")
        if not colon or relation not in {"gt", "gte", "eq", "neq", "lt", "lte"}:
            raise BadRequest(f"Invalid {name} operator")
        found.append(compared(of, name, relation, [moment]))
    return found


def pairs(text: str) -> dict[str, str]:
    """What `metadata={'key': 'value'}` names: JSON, or how Python writes it. Raises BadRequest."""
    try:
        read: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        read = literal(text)
    if not isinstance(read, dict) or not all(isinstance(part, str) for pair in read.items() for part in pair):
        raise BadRequest(f"Invalid filter: {text[:80]!r} is no dictionary of texts.")
    return read


def literal(text: str) -> Any:
    if len(text) > LONGEST:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def document(here: Here, collection: str, found: Found[T], shown: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """The answer of a list: its items, the way on, and the count."""
    said: dict[str, Any] = {collection: [shown(each) for each in found.items]}
    if found.items and len(found.items) == found.page.ask.limit:  # a full page has a next one, which may be empty
        href = here.base + here.again(marker=found.page.ids[-1], offset=None)
        said[f"{collection}_links"] = [{"rel": "next", "href": href}]
    return said if found.count is None else {**said, "count": found.count}
