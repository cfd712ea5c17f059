"""Rows as the driver gives them: plain values, that are hashed and compared fast; what they mean is read when it matters.

A list shows what is a function of its rows, and most of them are as they were when it was asked for last: see
`kernel.http.rendered`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from pileus.kernel.db.documents import Document

JSON = (sa.JSON, Document)


def given(result: sa.CursorResult[Any]) -> list[tuple[Any, ...]]:
    """All rows, past SQLAlchemy, whose rows cost more than those of the driver."""
    return [*map(tuple, result._fetchall_impl())]


class Given:
    """Columns for a SELECT, and what they mean as they are given."""

    def __init__(self, *columns: sa.Column[Any]) -> None:
        self.columns = [sa.cast(each, sa.Text) if isinstance(each.type, JSON) else each for each in columns]
        self._meanings = [(each.name, _meaning(each.type)) for each in columns]

    def read(self, row: Sequence[Any]) -> dict[str, Any]:
        """The values of a row that begins with these columns, by their names, as SQLAlchemy would have read them."""
        pairs = zip(self._meanings, row, strict=False)
        return {name: None if value is None else mean(value) for (name, mean), value in pairs}


def _meaning(kind: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    if isinstance(kind, sa.Uuid):
        return given_uuid
    if isinstance(kind, Document):
        return kind.read
    if isinstance(kind, sa.JSON):
        return json.loads
    return bool if isinstance(kind, sa.Boolean) else _as_it_is


def given_uuid(value: Any) -> UUID:
    """An id as it was given."""
    return value if isinstance(value, UUID) else UUID(hex=value)


def _as_it_is(value: Any) -> Any:
    return value


class _json_array(GenericFunction[Any]):
    """All texts of a column as one document."""

    type = sa.types.NULLTYPE
    inherit_cache = True


@compiles(_json_array, "sqlite")
def _sqlite(element: _json_array, compiler: SQLCompiler, **more: Any) -> str:
    return f"json_group_array({compiler.process(element.clauses, **more)})"


@compiles(_json_array)
def _postgresql(element: _json_array, compiler: SQLCompiler, **more: Any) -> str:
    return f"CAST(json_agg({compiler.process(element.clauses, **more)}) AS TEXT)"


def gathered(word: sa.ColumnElement[str], *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
    """The texts of those rows of another table for which this holds, in no order, as one; `apart` takes it apart."""
    return sa.select(_json_array(word)).where(*where).scalar_subquery()


def apart(texts: str | None) -> list[str]:
    """What was gathered, in order."""
    return [] if texts is None else sorted(json.loads(texts))
