"""Filters mean the same on both databases, and a bad one is told by its name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from pileus.kernel.db import Database, Text, metadata
from pileus.kernel.errors import BadRequest
from pileus.kernel.filters import Field, Filters

things = sa.Table(
    "filters_thing",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", Text),
    sa.Column("size", sa.BigInteger),
    sa.Column("locked", sa.Boolean),
    sa.Column("at", sa.Float),
    sa.Column("owner", sa.Uuid),
)
ONE, TWO = UUID(int=1), UUID(int=2)
ROWS = [
    {"n": 1, "name": "Web", "size": 1, "locked": True, "at": 1_767_225_600.0, "owner": ONE},
    {"n": 2, "name": "web-2", "size": 5, "locked": False, "at": 1_767_225_601.5, "owner": TWO},
    {"n": 3, "name": "a%b_c", "size": 9, "locked": False, "at": None, "owner": None},
    {"n": 4, "name": None, "size": None, "locked": None, "at": 1_767_312_000.0, "owner": ONE},
    {"n": 5, "name": "x,y:ÄÖ", "size": -1, "locked": True, "at": 0.0, "owner": ONE},
]
FIELDS = {
    "name": Field(things.c.name),
    "size": Field(things.c.size, "integer"),
    "n": Field(things.c.n, "integer"),
    "locked": Field(things.c.locked, "boolean"),
    "at": Field(things.c.at, "time"),
    "owner": Field(things.c.owner, "uuid"),
    "ended": Field(things.c.at, "time", spelling="prefix"),
    "changes-since": Field(things.c.at, "time", fixed="gte"),
    "changes-before": Field(things.c.at, "time", fixed="lte"),
}
PLAIN, PREFIX, SUFFIX = Filters(FIELDS), Filters(FIELDS, "prefix"), Filters(FIELDS, "suffix")

FOUND: list[tuple[Filters, dict[str, list[str]], list[int]]] = [
    (SUFFIX, {"ended": ["lt:2026-01-01T00:00:00Z"]}, [5]),
    (SUFFIX, {"ended": ["2026-01-01T00:00:00Z"]}, [1]),
    (SUFFIX, {"ended__lt": ["2026-01-01T00:00:00Z"]}, [5]),
    (PLAIN, {}, [1, 2, 3, 4, 5]),
    (PLAIN, {"name": ["Web"]}, [1]),
    (PLAIN, {"name": ["Web", "a%b_c"]}, [1, 3]),
    (PLAIN, {"name": ["web"]}, []),
    (PLAIN, {"name": ["Web"], "size": ["5"]}, []),
    (PLAIN, {"size": ["5"], "unknown": ["x"]}, [2]),
    (PLAIN, {"name": ["in:Web"]}, []),
    (PLAIN, {"locked": ["True"]}, [1, 5]),
    (PLAIN, {"locked": ["off"]}, [2, 3]),
    (PLAIN, {"owner": [str(TWO)]}, [2]),
    (PLAIN, {"owner": ["no uuid"]}, []),
    (PLAIN, {"owner": ["no uuid", str(TWO)]}, [2]),
    (PLAIN, {"changes-since": ["2026-01-01T00:00:01Z"]}, [2, 4]),
    (PLAIN, {"changes-since": ["2026-01-01T01:00:01+01:00"]}, [2, 4]),
    (PLAIN, {"changes-since": ["2026-01-01T01:00:01 01:00"]}, [2, 4]),
    (PLAIN, {"changes-since": ["2026-01-01 00:00:01"]}, [2, 4]),
    (PLAIN, {"changes-since": ["2026-01-01"], "changes-before": ["2026-01-01T12:00:00"]}, [1, 2]),
    (PREFIX, {"size": ["gt:1"]}, [2, 3]),
    (PREFIX, {"n": [f"in:2,{2**60}"]}, [2]),
    (PREFIX, {"n": [f"lt:{2**60}", f"neq:{2**61}", f"gt:-{2**60}"]}, [1, 2, 3, 4, 5]),
    (PLAIN, {"n": [f"{2**60}"]}, []),
    (PREFIX, {"size": ["gte:1", "lt:9"]}, [1, 2]),
    (PREFIX, {"size": ["lte:1"]}, [1, 5]),
    (PREFIX, {"size": ["5"]}, [2]),
    (PREFIX, {"size": ["eq:5"]}, [2]),
    (PREFIX, {"size": ["in:1,9,77"]}, [1, 3]),
    (PREFIX, {"name": ['in:Web,"x,y:ÄÖ"']}, [1, 5]),
    (PREFIX, {"name": ["in:"]}, []),
    (PREFIX, {"name": ["neq:Web"]}, [2, 3, 5]),
    (PREFIX, {"owner": [f"neq:{ONE}"]}, [2]),
    (PREFIX, {"owner": ["neq:no uuid"]}, [1, 2, 4, 5]),
    (PREFIX, {"name": ["x,y:ÄÖ"]}, [5]),
    (PREFIX, {"at": ["gt:2026-01-01T00:00:00Z"]}, [2, 4]),
    (PREFIX, {"changes-since": ["2026-01-01T00:00:01Z"]}, [2, 4]),
    (SUFFIX, {"name": ["Web"]}, [1]),
    (SUFFIX, {"name__contains": ["eb"]}, [1, 2]),
    (SUFFIX, {"name__contains": ["%"]}, [3]),
    (SUFFIX, {"name__contains": [""]}, [1, 2, 3, 5]),
    (SUFFIX, {"name__contains": ["WEB"]}, []),
    (SUFFIX, {"name__icontains": ["WEB"]}, [1, 2]),
    (SUFFIX, {"name__icontains": ["äö"]}, []),
    (SUFFIX, {"name__startswith": ["w"]}, [2]),
    (SUFFIX, {"name__istartswith": ["w"]}, [1, 2]),
    (SUFFIX, {"name__endswith": ["b_c"]}, [3]),
    (SUFFIX, {"name__endswith": ["a longer text than all"]}, []),
    (SUFFIX, {"name__iendswith": ["B_C"]}, [3]),
    (SUFFIX, {"name__iexact": ["wEb"]}, [1]),
    (SUFFIX, {"size__gte": ["5"]}, [2, 3]),
    (SUFFIX, {"size__neq": ["5"]}, [1, 3, 5]),
    (SUFFIX, {"__x": ["1"]}, [1, 2, 3, 4, 5]),
]


@pytest.fixture
async def rows(database: Database) -> Database:
    async with database.transaction() as connection:
        for row in ROWS:
            await connection.execute(things.insert().values(row))
    return database


async def test_each_spelling_finds_what_it_says(rows: Database) -> None:
    async with rows.read() as connection:
        for filters, query, expected in FOUND:
            statement = sa.select(things.c.n).where(*filters.where(query)).order_by(things.c.n)
            found = [row.n for row in await connection.execute(statement)]
            assert found == expected, query


@pytest.mark.parametrize(
    ("filters", "query", "named"),
    [
        (PLAIN, {"size": ["big"]}, "size"),
        (PLAIN, {"size": [str(2**63)]}, "size"),
        (PLAIN, {"locked": ["maybe"]}, "locked"),
        (PLAIN, {"changes-since": ["yesterday"]}, "changes-since"),
        (PREFIX, {"name": ['in:"a"b']}, "name"),
        (PREFIX, {"owner": ["gt:no uuid"]}, "owner"),
        (SUFFIX, {"size__contains": ["1"]}, "size"),
        (SUFFIX, {"name__like": ["1"]}, "name"),
        (Filters(FIELDS, refuse=True), {"nmae": ["x"]}, "nmae"),
    ],
)
def test_a_bad_filter_is_told_by_its_name(filters: Filters, query: dict[str, Any], named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        filters.where(query)
