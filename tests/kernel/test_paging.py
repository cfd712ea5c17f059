"""Pages put together are the list: on both databases, for any keys with NULLs and ties, in both directions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pileus.kernel.context import Ctx
from pileus.kernel.db import Database, Text, metadata
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Here
from pileus.kernel.paging import (
    Ask,
    Listing,
    Page,
    Sort,
    by_keys,
    by_sort,
    collection_links,
    identity_links,
    image_links,
)

things = sa.Table(
    "paging_thing",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("owner", Text, nullable=False),
    sa.Column("name", Text),
    sa.Column("size", sa.BigInteger),
    sa.Column("at", sa.Float),
    sa.Column("shared", sa.Boolean),
)
numbers = sa.Table("paging_number", metadata, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False))
KEYS = {"name": things.c.name, "size": things.c.size, "at": things.c.at, "shared": things.c.shared}
LISTING = Listing(things.c.id, KEYS, default=(Sort("name"),), max_limit=5)
MINE = things.c.owner == "me"


class World:
    """All that a list needs of one."""

    def __init__(self, db: Database) -> None:
        self.db = db


def thing(number: int, **columns: Any) -> dict[str, Any]:
    empty = {"name": None, "size": None, "at": None, "shared": None}
    return {"id": UUID(int=number), "owner": "me", **empty, **columns}


async def seeded(database: Database, *rows: dict[str, Any]) -> Ctx:
    ctx = Ctx(World(database))  # type: ignore[arg-type]
    async with ctx.transaction() as tx:
        await tx.execute(things.delete())
        for row in rows:
            await tx.execute(things.insert().values(row))
    return ctx


async def paged(ctx: Ctx, sorts: list[Sort], limit: int, *, reverse: bool = False) -> list[UUID]:
    """Every id, page by page."""
    seen: list[UUID] = []
    marker: str | None = None
    while True:
        ask = LISTING.ask(limit, marker, reverse=reverse)
        page = await LISTING.page(ctx, sa.select(things), visible=MINE, order=LISTING.order(sorts), ask=ask)
        ids = [row.id for row in page.rows]
        seen = ids + seen if reverse else seen + ids
        marker = page.previous_marker if reverse else page.next_marker
        assert (marker is None) == (not page.more)
        if marker is None:
            return seen


def in_order(rows: list[dict[str, Any]], sorts: list[Sort]) -> list[UUID]:
    """What Python says the order is: NULL is smaller than anything."""
    ordered = sorted(rows, key=lambda row: row["id"], reverse=sorts[-1].descending if sorts else False)
    for key, descending in reversed(sorts or [Sort("name")]):
        ordered.sort(
            key=lambda row: (row[key] is not None, row[key]) if row[key] is not None else (False,), reverse=descending
        )
    return [row["id"] for row in ordered]


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.none() | st.sampled_from(["", "a", "B", "b", "Ab", "ä", "\U0001f600", "\uffff"]),
            "size": st.none() | st.sampled_from([-(2**63), -1, 0, 1, 2**63 - 1]),
            "at": st.none() | st.sampled_from([0.1, 1_767_225_600.123456, 1e300]),
            "shared": st.none() | st.booleans(),
        }
    ),
    max_size=9,
)
SORTS = st.lists(st.builds(Sort, st.sampled_from(sorted(KEYS)), st.booleans()), max_size=4, unique_by=lambda s: s.key)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, sorts=SORTS, limit=st.integers(1, 6), reverse=st.booleans())
async def test_pages_put_together_are_the_list(
    database: Database, rows: list[dict[str, Any]], sorts: list[Sort], limit: int, reverse: bool
) -> None:
    mine = [thing(i * 7919 % 101, **row) for i, row in enumerate(rows)]
    ctx = await seeded(database, *mine, thing(200, owner="you"), thing(201, owner="you", name="a"))
    assert await paged(ctx, sorts, limit, reverse=reverse) == in_order(mine, sorts)


async def page_of(ctx: Ctx, ask: Ask, rows: sa.Select[Any] | None = None) -> Page:
    statement = sa.select(things) if rows is None else rows
    return await LISTING.page(ctx, statement, visible=MINE, order=LISTING.order(), ask=ask)


@pytest.mark.database("sqlite")
async def test_a_marker_is_looked_up_among_what_the_caller_may_see(database: Database) -> None:
    ctx = await seeded(database, thing(1, name="a"), thing(2, name="b", size=1), thing(3, owner="you", name="a"))
    for marker in (str(UUID(int=3)), str(UUID(int=9)), "no-uuid", f"{{{UUID(int=1)}}}"):
        with pytest.raises(BadRequest, match="marker") as refused:
            await page_of(ctx, LISTING.ask(2, marker))
        assert refused.value.message == f"marker [{marker}] not found"
    only_b = sa.select(things).where(things.c.size == 1)
    page = await page_of(ctx, LISTING.ask(2, str(UUID(int=1))), only_b)  # a marker that the filter hides still counts
    assert [row.name for row in page.rows] == ["b"]


@pytest.mark.database("sqlite")
async def test_a_service_says_its_own_words_about_a_missing_marker(database: Database) -> None:
    ctx = await seeded(database)
    listing = Listing(things.c.id, {}, missing=lambda marker: NotFound(f"Thing {marker} is not here."))
    ask = listing.ask(None, str(UUID(int=1)))
    with pytest.raises(NotFound, match="is not here"):
        await listing.page(ctx, sa.select(things), visible=MINE, order=listing.order(), ask=ask)


async def test_numbers_are_markers_too(database: Database) -> None:
    ctx = Ctx(World(database))  # type: ignore[arg-type]
    async with ctx.transaction() as tx:
        await tx.execute(numbers.insert(), [{"id": n} for n in range(4)])
    listing = Listing(numbers.c.id, {})
    ask = listing.ask("2", "1")
    page = await listing.page(ctx, sa.select(numbers), visible=sa.true(), order=listing.order(), ask=ask)
    assert [row.id for row in page.rows] == [2, 3]
    for missing in ("9" * 40, str(2**60)):
        ask = listing.ask(None, missing)
        with pytest.raises(BadRequest, match="marker"):
            await listing.page(ctx, sa.select(numbers), visible=sa.true(), order=listing.order(), ask=ask)


@pytest.mark.database("sqlite")
async def test_text_is_a_marker_too(database: Database) -> None:
    ctx = await seeded(database, thing(1, name="a"), thing(2, name="b"))
    listing = Listing(things.c.name, {})
    ask = listing.ask(None, "a")
    page = await listing.page(ctx, sa.select(things), visible=MINE, order=listing.order(), ask=ask)
    assert page.ids == ["b"]


@pytest.mark.database("sqlite")
async def test_without_any_limit_everything_is_one_page(database: Database) -> None:
    ctx = await seeded(database, *(thing(n) for n in range(12)))
    listing = Listing(things.c.id, {}, max_limit=None)
    page = await listing.page(ctx, sa.select(things), visible=MINE, order=listing.order(), ask=listing.ask())
    assert (len(page.rows), page.more) == (12, False)


@pytest.mark.database("sqlite")
async def test_a_limit_of_zero_is_an_empty_page_without_a_query(database: Database) -> None:
    ctx = await seeded(database, thing(1))
    told: list[str] = []
    database.on_statement.append(told.append)
    page = await page_of(ctx, LISTING.ask("0"))
    assert (page.rows, page.more, page.next_marker, page.previous_marker, told) == ((), False, None, None, [])


def test_limits_are_read_and_clamped() -> None:
    assert LISTING.ask().limit == 5
    assert LISTING.ask("3").limit == 3
    assert LISTING.ask("4000").limit == 5
    assert LISTING.ask(2, "").marker is None
    assert Listing(things.c.id, {}, zero_is_all=True, max_limit=7).ask("0").limit == 7
    assert Listing(things.c.id, {}, max_limit=None).ask("4000").limit == 4000
    for bad in ("-1", "x", "", "1.0", "9" * 30):
        with pytest.raises(BadRequest, match="limit"):
            LISTING.ask(bad)


def test_an_order_ends_in_the_id_and_names_no_key_twice() -> None:
    order = LISTING.order([Sort("size", True), Sort("name"), Sort("size")])
    assert [(step.column.name, step.descending) for step in order] == [("size", True), ("name", False), ("id", False)]  # type: ignore[attr-defined]
    assert [step.descending for step in Listing(things.c.id, {}).order()] == [False]
    with pytest.raises(BadRequest, match="none of at, name, shared, size"):
        LISTING.order([Sort("password")])


def test_text_that_would_sort_differently_is_refused_when_declared() -> None:
    loose = sa.Table("paging_loose", sa.MetaData(), sa.Column("id", sa.Uuid), sa.Column("name", sa.Text))
    with pytest.raises(TypeError, match="Text"):
        Listing(loose.c.id, {"name": loose.c.name})


def test_the_spellings_of_an_order() -> None:
    assert by_keys(["a", "b"], ["asc"]) == [Sort("a", False), Sort("b", True)]
    assert by_keys(["a"], [], default="asc") == [Sort("a", False)]
    assert by_sort("a:asc, b ,c:desc,") == [Sort("a", False), Sort("b", True), Sort("c", True)]
    for bad in (lambda: by_keys(["a"], ["up"]), lambda: by_sort("a:up"), lambda: by_keys([], ["asc"])):
        with pytest.raises(BadRequest, match="sort_dir"):
            bad()
    with pytest.raises(BadRequest, match="must be same"):
        by_keys(["a", "b"], ["asc"], paired=True)


HERE = Here("http://c/compute", "/v2.1/servers", {"limit": ["2"], "tag": ["a", "b"], "marker": ["old"]})


def page(*ids: str, more: bool, marker: str | None = None, reverse: bool = False) -> Page:
    return Page((), Ask(2, marker, reverse), more, ids)


def test_the_way_on_as_compute_volume_and_network_spell_it() -> None:
    assert collection_links(HERE, "servers", page("a", "b", more=False)) == {}
    following = {"rel": "next", "href": "http://c/compute/v2.1/servers?limit=2&tag=a&tag=b&marker=b"}
    assert collection_links(HERE, "servers", page("a", "b", more=True)) == {"servers_links": [following]}
    both = collection_links(HERE, "ports", page("a", "b", more=True, marker="0"), both=True)["ports_links"]
    previous = "http://c/compute/v2.1/servers?limit=2&tag=a&tag=b&marker=a&page_reverse=True"
    assert both == [following, {"rel": "previous", "href": previous}]
    assert collection_links(HERE, "ports", page("a", more=False), both=True) == {}


def test_a_page_read_backwards_leads_on_to_where_it_came_from() -> None:
    assert page("a", "b", more=False, marker="c", reverse=True).next_marker == "b"
    assert page("a", "b", more=False, marker="c", reverse=True).previous_marker is None
    assert page("a", "b", more=True, reverse=True).previous_marker == "a"
    assert page("a", "b", more=True, reverse=True).next_marker is None


def test_the_way_on_as_image_and_identity_spell_it() -> None:
    first = "/v2.1/servers?limit=2&tag=a&tag=b"
    assert image_links(HERE, page("a", more=False)) == {"first": first}
    assert image_links(HERE, page("a", more=True)) == {"first": first, "next": f"{first}&marker=a"}
    own = "http://c/compute/v2.1/servers?limit=2&tag=a&tag=b&marker=old"
    assert identity_links(HERE) == {"links": {"self": own, "previous": None, "next": None}}
    following = identity_links(HERE, page("a", more=True))["links"]["next"]
    assert following == f"http://c/compute{first}&marker=a"
