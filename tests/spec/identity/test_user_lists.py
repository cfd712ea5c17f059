"""A page of users costs the same out of 1,000 and out of 100,000: an index is entered at the marker and read to the limit."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from pileus.kernel.db import Connection
from support.identity import World


@pytest.mark.parametrize("query", ["", "&domain_id=default", "&enabled=true"])
async def test_a_page_is_read_from_an_index_in_its_order(identity: World, query: str) -> None:
    admin = await identity.admin()
    ids = [await identity.user(f"user {n}") for n in range(5)]
    path = f"/v3/users?limit=2&marker={min(ids)}{query}"
    await admin.get(path)  # from now on the token is known
    answer, statements = await identity.count_statements(admin.get(path))
    assert len(answer.json()["users"]) == 2
    assert len(statements) == 3  # the revision, the marker's row, the page: nothing for each row
    assert statements[2].count("SELECT") == 1
    async with identity.database.transaction() as connection:
        plan = await explained(connection, identity.database.dialect, statements[2])
    assert "SORT" not in plan
    assert "TEMP B-TREE" not in plan
    assert re.search(r"INDEX (SCAN|\w+ \()|USING (COVERING )?INDEX", plan), plan


async def explained(connection: Connection, dialect: str, statement: str) -> str:
    """How the database would go about it, were there so many rows that reading them all is dear."""
    values = {name: "default" for name in re.findall(r":(\w+)", statement)}
    values[statement.rpartition("LIMIT :")[2]] = 3
    if dialect == "sqlite":
        rows = await connection.execute(sa.text(f"EXPLAIN QUERY PLAN {statement}"), values)
        return "\n".join(row[3] for row in rows).upper()
    for kind in ("seqscan", "bitmapscan"):
        await connection.execute(sa.text(f"SET LOCAL enable_{kind} = off"))
    rows = await connection.execute(sa.text(f"EXPLAIN {statement}"), values)
    return "\n".join(row[0] for row in rows).upper()
