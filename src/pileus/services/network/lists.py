"""How Networking lists: filters, order and pages, the same for every noun.

    LISTED = Listed("network", Network, ALL, networks.c.id, filters={"name": Field(networks.c.name)})

    async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[Network]:
        return await LISTED.page(ctx, query, *visible)

stands in a noun's store.py; its service hands `page` on, and its api.py answers `listed(here, query, "networks", found, shown)`.
What a caller may see is a condition of the query, never a look at each row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar, Unpack

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, CloudError, NotFound
from pileus.kernel.filters import Condition, Field, Filters
from pileus.kernel.http import Query
from pileus.kernel.paging import Ask, Listing, Page, Step, by_keys
from pileus.kernel.recent import Recent

__all__ = ["Condition", "Field", "Found", "Listed", "last"]

T = TypeVar("T")
KEPT = 64  # statements of a list: there are few ways in which clients ask
NO_FILTERS = frozenset({"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"})

Narrow = Callable[[Sequence[str]], Condition]
"""A filter that is no comparison of one column: what its values mean."""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A page of a list. `limited`: the client had asked for so many at most."""

    items: list[T]
    page: Page
    limited: bool


class Rest(TypedDict, total=False):
    """What not every list has."""

    more: Mapping[str, Narrow]
    sorts: Collection[str]


class Listed(Generic[T]):
    """How the rows of one noun are listed.

    `kind` is the Struct that a row of `rows` becomes, field by field; `id` what a marker names, and the last key of every
    order. `filters` are the parameters that narrow the list, each as often as one likes: any of its values will do; `more`
    those that are no comparison of a column. `sorts`: what it may be ordered by; the filters, unless said otherwise.
    """

    def __init__(
        self,
        noun: str,
        kind: type[T],
        rows: sa.Select[Any],
        id: sa.ColumnElement[Any],
        *,
        filters: Mapping[str, Field],
        **rest: Unpack[Rest],
    ) -> None:
        sorts, more = rest.get("sorts"), rest.get("more", {})
        self._kind, self._rows, self._noun = kind, rows, noun
        columns = {name: field.column for name, field in filters.items() if sorts is None or name in sorts}
        self._listing = Listing(id, {"id": id, **columns}, missing=self._missing)
        self._filters, self._more = Filters({"id": Field(id, "uuid"), **filters}), more
        self._kept: Recent[tuple[Any, ...], sa.Select[Any]] = Recent(KEPT)

    async def page(self, ctx: Ctx, query: Query, *visible: Condition) -> Found[T]:
        """The page that the query string asks for, of the rows that meet every `visible`. Raises BadRequest, NotFound."""
        ask, limited = asked_page(self._listing, query)
        async with ctx.read() as ctx:
            page = await self._listing.run(ctx, await self._statement(ctx, self._rows, query, visible, ask), ask)
        names = self._kind.__struct_fields__  # type: ignore[attr-defined]
        return Found([self._kind(**dict(zip(names, row, strict=False))) for row in page.rows], page, limited)

    async def given(self, ctx: Ctx, rows: sa.Select[Any], query: Query, *visible: Condition) -> Found[tuple[Any, ...]]:
        """The same page of another SELECT of the same rows, as they are given."""
        ask, limited = asked_page(self._listing, query)
        async with ctx.read() as ctx:
            page = await self._listing.given(ctx, await self._statement(ctx, rows, query, visible, ask), ask)
        return Found(list(page.rows), page, limited)

    async def _statement(
        self, ctx: Ctx, rows: sa.Select[Any], query: Query, visible: tuple[Condition, ...], ask: Ask
    ) -> sa.Select[Any]:
        if ask.marker is None:
            return self._first(rows, query, visible, ask)
        narrowed, seen = rows.where(*self._narrowed(query)), sa.and_(sa.true(), *visible)
        return await self._listing.statement(ctx, narrowed, visible=seen, order=self._order(query), ask=ask)

    def _first(self, rows: sa.Select[Any], query: Query, visible: tuple[Condition, ...], ask: Ask) -> sa.Select[Any]:
        """The statement of a first page, kept: to make it costs more than to run it."""
        key = (rows, visible, ask, *((name, *values) for name, values in query.items()))

        def make() -> sa.Select[Any]:
            narrowed = rows.where(*self._narrowed(query), *visible)
            return self._listing.first(narrowed, order=self._order(query), ask=ask)

        return self._kept.made(key, make)

    def _narrowed(self, query: Query) -> list[Condition]:
        asked = {name: values for name, values in query.items() if name not in NO_FILTERS}
        unknown = sorted(name for name in asked if name not in self._filters.fields and name not in self._more)
        if unknown:
            raise BadRequest(f"{unknown} is invalid attribute for filtering")
        found = self._filters.where({name: values for name, values in asked.items() if name not in self._more})
        return [*found, *(self._more[name](values) for name, values in asked.items() if name in self._more)]

    def _order(self, query: Query) -> tuple[Step, ...]:
        keys = [key for key in query.get("sort_key", ()) if key]
        unknown = [key for key in keys if key not in self._listing.keys]
        if unknown:
            raise BadRequest(f"{unknown} is invalid attribute for sort_keys")
        directions = [each for each in query.get("sort_dir", ()) if each]
        return self._listing.order(by_keys(keys, directions, default="asc", paired=True))

    def _missing(self, marker: str) -> CloudError:
        name = self._noun.replace("_", " ")
        kind = name.title().replace(" ", "")
        return NotFound(f"{name.capitalize()} {marker[:80]} could not be found.", type=f"{kind}NotFound")


def asked_page(listing: Listing, query: Query) -> tuple[Ask, bool]:
    """The page that the query string asks for, and whether it says how long it may be. Raises BadRequest."""
    text = last(query, "limit") or "0"
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise BadRequest(f"Limit must be an integer 0 or greater and not '{text[:80]}'", type="BadRequest")
    number = int(text)
    reverse = (last(query, "page_reverse") or "").lower() == "true"
    return listing.ask(number or None, last(query, "marker"), reverse=reverse), number > 0


def last(query: Query, name: str) -> str | None:
    """What a parameter was given last; None without."""
    return query[name][-1] if name in query else None
