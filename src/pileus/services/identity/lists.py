"""How Identity lists: filters, order and pages, the same for every noun.

    LISTED = Listed(User, ALL, users.c.id, filters={"name": Field(users.c.name), "enabled": Field(users.c.enabled, "boolean")})

    async def page(ctx: Ctx, query: Query, domain_id: str | None) -> Found[User]:
        return await LISTED.page(ctx, query, *([] if domain_id is None else [users.c.domain_id == domain_id]))

stands in a noun's store.py; its service hands `page` on, and its api.py answers `listed(here, "users", shown, found)`. What a
caller may see is a condition of the query, never a look at each row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.filters import Condition, Field, Filters
from pileus.kernel.http import Query
from pileus.kernel.http.queries import integer
from pileus.kernel.paging import Ask, Listing, Page, Step, by_keys
from pileus.kernel.recent import Recent

__all__ = ["Condition", "Field", "Found", "Listed", "asked_page", "last"]

T = TypeVar("T")
KEPT = 64  # statements of a list: there are few ways in which clients ask
NO_FILTERS = frozenset({"limit", "marker", "sort_key", "sort_dir"})


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A page of a list: what is shown of it, and where it goes on."""

    items: list[T]
    page: Page


class Listed(Generic[T]):
    """How the rows of one noun are listed.

    `kind` is the Struct that a row of `rows` becomes, field by field; `id` what a marker names, and the last key of every
    order. `filters` are the parameters that narrow the list, also as `name__contains` and its like; `sorts` (the text
    filters, unless said otherwise) what it may be ordered by.
    """

    def __init__(
        self,
        kind: type[T],
        rows: sa.Select[Any],
        id: sa.ColumnElement[Any],
        *,
        filters: Mapping[str, Field],
        sorts: Mapping[str, sa.ColumnElement[Any]] | None = None,
    ) -> None:
        if sorts is None:
            sorts = {name: field.column for name, field in filters.items() if field.kind == "text"}
        self._kind, self._rows = kind, rows
        self._listing = Listing(id, {"id": id, **sorts}, max_limit=None)
        self._filters = Filters(filters, spelling="suffix")
        self._kept: Recent[tuple[Any, ...], sa.Select[Any]] = Recent(KEPT)
        self._truths = frozenset(name for name, field in filters.items() if field.kind == "boolean")

    async def page(self, ctx: Ctx, query: Query, *visible: Condition, narrowed: Sequence[Condition] = ()) -> Found[T]:
        """The page that the query string asks for, of the rows that meet every `visible`. Raises BadRequest.

        At most `identity.list_limit` rows, whatever was asked for. `narrowed`: what a filter says that is no `Field`.
        """
        ask = asked_page(ctx, query)
        if visible or narrowed or ask.marker is not None or ask.limit == 0:
            rows = self._narrowed(query).where(*narrowed)
            seen, order = sa.and_(sa.true(), *visible), self._order(query)
            page = await self._listing.page(ctx, rows, visible=seen, order=order, ask=ask)
        else:
            page = await self._listing.run(ctx, self._first(query, ask), ask)
        return Found([self._kind(*row) for row in page.rows], page)

    def _first(self, query: Query, ask: Ask) -> sa.Select[Any]:
        """The statement of a first page of all there is, kept: to make it costs as much as to run it."""
        key = (ask.limit, *((name, *values) for name, values in query.items()))
        return self._kept.made(
            key, lambda: self._listing.first(self._narrowed(query), order=self._order(query), ask=ask)
        )

    def _order(self, query: Query) -> tuple[Step, ...]:
        return self._listing.order(by_keys(query.get("sort_key", ()), query.get("sort_dir", ()), default="asc"))

    def _narrowed(self, query: Query) -> sa.Select[Any]:
        asked = {name: values for name, values in query.items() if name not in NO_FILTERS}
        for name in self._truths & asked.keys():
            asked[name] = [value or "true" for value in asked[name]]  # `?enabled` alone says yes
        return self._rows.where(*self._filters.where(asked))


def asked_page(ctx: Ctx, query: Query) -> Ask:
    """The page that the query string asks for: never more than `identity.list_limit` items. Raises BadRequest."""
    most = ctx.world.config.identity.list_limit
    text = last(query, "limit")
    limit = most if text is None else integer("limit", text)
    if limit < 0:
        raise BadRequest("Invalid input for limit: it must not be negative.", field="limit")
    return Ask(min(limit, most), last(query, "marker") or None)


def last(query: Query, name: str) -> str | None:
    """What a parameter was given last; None without."""
    return query[name][-1] if name in query else None
