"""Lists in pages: the same order, the same pages and no row twice on both databases, while others write.

    LISTING = Listing(servers.c.id, {"created_at": servers.c.created_at, "name": servers.c.name},
                      default=(Sort("created_at", descending=True),))

    order = LISTING.order(by_keys(query.sort_key, query.sort_dir))
    page = await LISTING.page(ctx, sa.select(servers).where(*filters), visible=servers.c.project_id == project,
                              order=order, ask=LISTING.ask(query.limit, query.marker))
    return {"servers": [...page.rows], **next_link(here, "servers", page)}

A place in a list is what stands in (sort keys, id). NULL comes first when ascending, last when descending, as the
services' own databases have it. A page asks for one row more than it shows, so that it knows whether another follows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from pileus.kernel.context import Ctx
from pileus.kernel.db.given import given, given_uuid
from pileus.kernel.errors import BadRequest, CloudError
from pileus.kernel.http.plan import parse_uuid
from pileus.kernel.http.queries import integer
from pileus.kernel.http.urls import Here

T = TypeVar("T")
R = TypeVar("R")

POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]

Condition = sa.ColumnElement[bool]

ROWS_AT_ONCE = 200


class Sort(NamedTuple):
    """One key of an order, by its name in the API."""

    key: str
    descending: bool = False


class Step(NamedTuple):
    """One key of an order, by its column."""

    column: sa.ColumnElement[Any]
    descending: bool


class Ask(NamedTuple):
    """Which page: so many rows from after (reverse: from before) the marker; limit None is all there is."""

    limit: int | None
    marker: str | None = None
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, in the list's order whichever way they were asked for. `more`: others follow in that way. `ids`: of the
    first and of the last.
    """

    rows: Sequence[Any]
    ask: Ask
    more: bool
    ids: Sequence[str]

    @property
    def next_marker(self) -> str | None:
        """After which id the next page begins; None when there is none."""
        after = self.more if not self.ask.reverse else self.ask.marker is not None
        return self.ids[-1] if after and self.ids else None

    @property
    def previous_marker(self) -> str | None:
        """Before which id the previous page ends; None when there is none."""
        before = self.more if self.ask.reverse else self.ask.marker is not None
        return self.ids[0] if before and self.ids else None


def no_such_marker(marker: str) -> CloudError:
    """What most services say."""
    return BadRequest(f"marker [{marker}] not found", field="marker")


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind of thing is listed: by which keys, how many at most, and what it says to a marker that is none.

    `id`: the unique column that a marker names; each SELECT has it. `max_limit` None: any number. `zero_is_all`: limit=0 means no limit, as
    in network; else it is an empty page.
    """

    id: sa.ColumnElement[Any]
    keys: Mapping[str, sa.ColumnElement[Any]]
    default: tuple[Sort, ...] = ()
    max_limit: int | None = 1000
    zero_is_all: bool = False
    missing: Callable[[str], CloudError] = field(default=no_such_marker)

    def __post_init__(self) -> None:
        for column in (self.id, *self.keys.values()):
            if isinstance(column.type, sa.String):
                postgres = column.type.dialect_impl(POSTGRES)
                if getattr(postgres, "collation", None) != "C":
                    raise TypeError(f"{column}: text sorts alike on both databases only as pileus.kernel.db.Text")

    def ask(self, limit: str | int | None = None, marker: str | None = None, *, reverse: bool = False) -> Ask:
        """The page a client wants, clamped to `max_limit`. Raises BadRequest for a limit that is none."""
        number = integer("limit", limit) if isinstance(limit, str) else limit
        if number is not None and number < 0:
            raise BadRequest("Invalid input for limit: it must not be negative.", field="limit")
        if number is None or (number == 0 and self.zero_is_all):
            number = self.max_limit
        elif self.max_limit is not None:
            number = min(number, self.max_limit)
        return Ask(number, marker or None, reverse)

    def order(self, sorts: Sequence[Sort] = ()) -> tuple[Step, ...]:
        """The whole order: these keys, or the default ones, then the id. Raises BadRequest for an unknown key."""
        steps: dict[str, Step] = {}
        for key, descending in sorts or self.default:
            if key not in self.keys:
                known = ", ".join(sorted(self.keys))
                raise BadRequest(f"Invalid input for sort_key: {key[:80]!r} is none of {known}.", field="sort_key")
            steps.setdefault(key, Step(self.keys[key], descending))
        last = next(reversed(steps.values())).descending if steps else False
        return (*steps.values(), Step(self.id, last))

    async def page(
        self, ctx: Ctx, rows: sa.Select[Any], *, visible: Condition, order: Sequence[Step], ask: Ask
    ) -> Page:
        """One page of `rows` (a SELECT with its filters) of what the caller may see (`visible`).

        The marker may be anything visible, filtered away or not. Raises what `missing` says when it is not.
        """
        if ask.limit == 0:
            return Page((), ask, False, ())
        async with ctx.read() as ctx:
            return await self.run(ctx, await self.statement(ctx, rows, visible=visible, order=order, ask=ask), ask)

    async def statement(
        self, ctx: Ctx, rows: sa.Select[Any], *, visible: Condition, order: Sequence[Step], ask: Ask
    ) -> sa.Select[Any]:
        """The one that gives the page, to be `run`."""
        if ask.marker is None:
            return self.first(rows.where(visible), order=order, ask=ask)
        steps = turned(order, ask)
        place = await self._place(ctx, steps, visible, ask.marker)
        return self.first(rows.where(visible, after(steps, place)), order=order, ask=ask)

    def first(self, rows: sa.Select[Any], *, order: Sequence[Step], ask: Ask) -> sa.Select[Any]:
        """The statement of the first page of these rows: to be kept and `run` again, if a list is asked for often."""
        statement = rows.order_by(*map(ordered, turned(order, ask)))
        return statement if ask.limit is None else statement.limit(ask.limit + 1)

    async def run(self, ctx: Ctx, statement: sa.Select[Any], ask: Ask) -> Page:
        """The page that a statement of `first` gives for the same `ask`."""
        shown, more = cut((await ctx.execute(statement)).all(), ask)
        return Page(shown, ask, more, self._ends(shown))

    async def given(self, ctx: Ctx, statement: sa.Select[Any], ask: Ask) -> Page:
        """The same with rows as they are given, each of which begins with its id."""
        shown, more = cut(given(await ctx.execute(statement)), ask)
        return Page(shown, ask, more, [str(given_uuid(row[0])) for row in ends(shown)])

    def _ends(self, rows: Sequence[sa.Row[Any]]) -> list[str]:
        """The ids of the first and of the last: what a marker may have to name."""
        return [str(row._mapping[self.id]) for row in ends(rows)]

    async def _place(self, ctx: Ctx, steps: Sequence[Step], visible: Condition, marker: str) -> Sequence[Any]:
        """What stands in the order's columns of the marker's row."""
        key: Any = marker
        if isinstance(self.id.type, sa.Uuid):
            try:
                key = parse_uuid(marker)
            except ValueError:
                raise self.missing(marker) from None
        elif isinstance(self.id.type, sa.Integer):
            key = sa.literal(integer("marker", marker), sa.BigInteger())  # also beside a column of 32 bits
        columns = [step.column.label(f"k{i}") for i, step in enumerate(steps)]
        row = (await ctx.execute(sa.select(*columns).where(self.id == key, visible))).one_or_none()
        if row is None:
            raise self.missing(marker)
        return tuple(row)


def cut(found: Sequence[R], ask: Ask) -> tuple[Sequence[R], bool]:
    """What of these rows stands on the page, in the list's order, and whether others follow."""
    shown = found[: ask.limit]
    return shown[::-1] if ask.reverse else shown, len(found) > len(shown)


def ends(rows: Sequence[R]) -> Sequence[R]:
    """The first and the last, which may be one."""
    return [*rows[:1], *rows[1:][-1:]]


def turned(order: Sequence[Step], ask: Ask) -> list[Step]:
    """The order in which a page is read: backwards, if it ends at its marker."""
    return [Step(column, descending != ask.reverse) for column, descending in order]


def nullable(step: Step) -> bool:
    return bool(getattr(step.column, "nullable", True))


def ordered(step: Step) -> sa.UnaryExpression[Any]:
    """The ORDER BY of one key, with the place of NULL written out.

    But where there is no NULL: an index of PostgreSQL gives no order that says NULLS FIRST.
    """
    order = step.column.desc() if step.descending else step.column.asc()
    if not nullable(step):
        return order
    return order.nulls_last() if step.descending else order.nulls_first()


def after(steps: Sequence[Step], place: Sequence[Any]) -> Condition:
    """The rows that come after that place: the first key is beyond it, or it is equal and the second is, and so on."""
    ways: list[Condition] = []
    same: list[Condition] = []
    for step, value in zip(steps, place, strict=True):
        ways.append(sa.and_(*same, beyond(step, value)))
        same.append(step.column.is_(None) if value is None else step.column == bound(step, value))
    return sa.and_(since(steps[0], place[0]), sa.or_(*ways)) if len(ways) > 1 else ways[0]


def since(step: Step, value: Any) -> Condition:
    """What follows from being after a place, said so that an index is entered there and not walked from its beginning."""
    if value is None or (step.descending and nullable(step)):
        return sa.true()
    here: Condition = step.column <= bound(step, value) if step.descending else step.column >= bound(step, value)
    return here


def beyond(step: Step, value: Any) -> Condition:
    """The column's values that come later than this one."""
    if value is None:
        return sa.false() if step.descending else step.column.is_not(None)
    limit = bound(step, value)
    later: Condition = step.column < limit if step.descending else step.column > limit
    return sa.or_(later, step.column.is_(None)) if step.descending and nullable(step) else later


def bound(step: Step, value: Any) -> sa.BindParameter[Any]:
    """The value as a parameter: true and false, too, which SQLAlchemy would not compare by size."""
    return sa.bindparam(None, value, step.column.type)


# How services spell an order


def by_keys(keys: Sequence[str], dirs: Sequence[str], *, default: str = "desc", paired: bool = False) -> list[Sort]:
    """`sort_key` and `sort_dir`, each as often as one likes; a key without a direction has the default one.

    `paired`: as many directions as keys, as network wants it. Raises BadRequest.
    """
    if len(dirs) > len(keys) or (paired and len(dirs) != len(keys)):
        raise BadRequest("The number of sort_keys and sort_dirs must be same.", field="sort_dir")
    directions = [*dirs, *[default] * (len(keys) - len(dirs))]
    return [Sort(key, descends(direction)) for key, direction in zip(keys, directions, strict=True)]


def by_sort(text: str, *, default: str = "desc") -> list[Sort]:
    """`sort=key:dir,key`, as volume and image have it. Raises BadRequest."""
    parts = [part.strip().partition(":")[::2] for part in text.split(",") if part.strip()]
    return [Sort(key.strip(), descends(direction.strip() or default)) for key, direction in parts]


def descends(direction: str) -> bool:
    """Raises BadRequest for what is neither asc nor desc."""
    if direction not in {"asc", "desc"}:
        raise BadRequest(f"Invalid input for sort_dir: {direction[:80]!r} is neither asc nor desc.", field="sort_dir")
    return direction == "desc"


# How services spell the way on


def collection_links(here: Here, noun: str, page: Page, *, both: bool = False) -> dict[str, Any]:
    """{"servers_links": [{"rel": "next", …}]}, as compute, volume and (`both` ways) network have it; {} without any."""
    links = []
    if page.next_marker is not None:
        links.append({"rel": "next", "href": here.base + here.again(marker=page.next_marker, page_reverse=None)})
    if both and page.previous_marker is not None:
        href = here.base + here.again(marker=page.previous_marker, page_reverse="True")
        links.append({"rel": "previous", "href": href})
    return {f"{noun}_links": links} if links else {}


def image_links(here: Here, page: Page) -> dict[str, str]:
    """{"first": …, "next": …} as paths, as image has it."""
    links = {"first": here.again(marker=None)}
    if page.next_marker is not None:
        links["next"] = here.again(marker=page.next_marker)
    return links


def identity_links(here: Here, page: Page | None = None) -> dict[str, Any]:
    """{"links": {"self", "previous", "next"}}, as identity has it."""
    marker = page.next_marker if page is not None else None
    following = None if marker is None else here.base + here.again(marker=marker)
    return {"links": {"self": here.base + here.again(), "previous": None, "next": following}}


async def every_page(
    ctx: Ctx, query: sa.Select[Any], key: sa.ColumnElement[Any]
) -> AsyncIterator[Sequence[sa.Row[Any]]]:
    """All rows of a query that are there all the while, some at a time, by a unique column that it selects first."""
    rows = (await ctx.execute(query.order_by(key).limit(ROWS_AT_ONCE))).all()
    while rows:
        yield rows
        rows = (await ctx.execute(query.where(key > rows[-1][0]).order_by(key).limit(ROWS_AT_ONCE))).all()


async def one_by_one(pages: AsyncIterator[Sequence[T]]) -> AsyncIterator[T]:
    """What stands on these pages."""
    async for page in pages:
        for each in page:
            yield each
