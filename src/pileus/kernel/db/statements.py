"""What SQLAlchemy writes anew for each call, as statements that are built once: that costs a tenth.

Its IN has a place for each value, and each length is another statement to the database; `among` takes all of them as one
value: an array on PostgreSQL, a JSON document on SQLite. Its ON CONFLICT is never kept; `insert_if_new` is.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeDecorator

from pileus.kernel.db.base import to_json

Narrowable = TypeVar("Narrowable", bound=sa.Select[Any])


class _Many(TypeDecorator[Any]):
    """Some ids, or some words."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, ids: bool) -> None:
        super().__init__()
        self.ids = ids

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(postgresql.ARRAY(sa.Uuid() if self.ids else sa.Text()))

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "sqlite":
            return _ids_as_json if self.ids else _words_as_json
        plain = self.load_dialect_impl(dialect).bind_processor(dialect)
        return (lambda values: plain(list(values))) if plain else list


def _ids_as_json(ids: Collection[UUID]) -> str:
    return to_json([each.hex for each in ids])


def _words_as_json(words: Collection[str]) -> str:
    return to_json(list(words))


class _Among(sa.ColumnElement[bool]):
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - as SQLAlchemy reads it
        ("column", sa.sql.visitors.InternalTraversal.dp_clauseelement),
        ("many", sa.sql.visitors.InternalTraversal.dp_clauseelement),
    ]
    type = sa.Boolean()

    def __init__(self, column: sa.ColumnElement[Any], many: sa.BindParameter[Any]) -> None:
        self.column, self.many = column, many

    def self_group(self, against: Any = None) -> _Among:
        """It is a condition as it stands: SQLite finds no index behind `(...) = 1`."""
        return self


@compiles(_Among, "sqlite")
def _sqlite(element: _Among, compiler: SQLCompiler, **more: Any) -> str:
    column, many = compiler.process(element.column, **more), compiler.process(element.many, **more)
    return f"{column} IN (SELECT value FROM json_each({many}))"  # noqa: S608 - SQLAlchemy wrote both


@compiles(_Among)
def _postgresql(element: _Among, compiler: SQLCompiler, **more: Any) -> str:
    return f"{compiler.process(element.column, **more)} = ANY ({compiler.process(element.many, **more)})"


def among(column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """Whether the column, of UUIDs or text, is one of the values that are given for `name`."""
    return _Among(column, sa.bindparam(name, type_=_Many(_of_ids(column))))


def one_of(column: sa.ColumnElement[Any], values: Collection[UUID] | Collection[str]) -> sa.ColumnElement[bool]:
    """The same with the values themselves."""
    return _Among(column, sa.bindparam(None, values, type_=_Many(_of_ids(column)), unique=True))


def _of_ids(column: sa.ColumnElement[Any]) -> bool:
    return isinstance(column.type, sa.Uuid)


class _DoNothing(postgresql.dml.OnConflictDoNothing):
    """It has no parts that could differ: each is the same as any other."""

    _traverse_internals = []  # noqa: RUF012


def insert_if_new(table: sa.Table) -> sa.Insert:
    """INSERT that leaves out a row of which the table has one already, by any of its unique indexes."""
    statement = table.insert()
    statement._post_values_clause = _DoNothing()
    return statement


@lru_cache(1_000)
def narrowed(statement: Narrowable, *conditions: sa.ColumnElement[bool]) -> Narrowable:
    """`statement.where(*conditions)`, for conditions that are built once: it is, too."""
    return statement.where(*conditions) if conditions else statement
