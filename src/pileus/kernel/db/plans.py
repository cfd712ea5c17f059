"""SQLite by way of SQLAlchemy, which says once what is said to the driver and how it is read: a plan.

To run a statement that is kept compiled costs SQLAlchemy three times what it costs by its plan. A plan holds for one
statement, itself and none that is like it, and for as long as that lives: what is built for a call has none.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID, SafeUUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.pool import NullPool
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import LRUCache

from pileus.kernel.db.base import Params, from_json, to_json

COMPILED_STATEMENTS = 1_000
KINDS = (sa.Select, sa.CompoundSelect, sa.Insert, sa.Update, sa.Delete)
TIMES = 2  # after so many a statement is taken for one that is kept
NO_ROWS = SimpleResultMetaData([])


class ReadyUuid(sa.Uuid[Any]):
    """Ids as this process itself has written them: 32 hexadecimal digits, which need no check."""

    def result_processor(self, dialect: sa.Dialect, coltype: Any) -> Any:
        return id_of


def id_of(digits: str | None, unknown: SafeUUID = SafeUUID.unknown) -> UUID | None:
    """`UUID(digits)` in half the time: a list of servers has thousands."""
    if digits is None:
        return None
    made = UUID.__new__(UUID)
    object.__setattr__(made, "int", int(digits, 16))
    object.__setattr__(made, "is_safe", unknown)
    return made


class ReadyJson(sqlite.JSON):
    """Documents, decoded in one call. One that is a number SQLite has made a number of."""

    def result_processor(self, dialect: sa.Dialect, coltype: Any) -> Any:
        decode = msgspec.json.Decoder().decode
        return lambda value: decode(value) if isinstance(value, str) else value


@cache
def template() -> sa.Engine:
    """What all databases of this process have in common: the dialect, and with it the statements compiled so far."""
    engine = sa.create_engine("sqlite://", json_serializer=to_json, json_deserializer=from_json)
    engine.dialect.colspecs = {**engine.dialect.colspecs, sa.Uuid: ReadyUuid, sa.JSON: ReadyJson}
    engine.connect().close()
    return engine.execution_options(compiled_cache=LRUCache(COMPILED_STATEMENTS))


def engine_for(connect: Callable[[], Any]) -> sa.Engine:
    """An engine whose connections come from `connect`. A database opened later finds the statements compiled."""
    same = template()
    return sa.Engine(NullPool(connect), same.dialect, same.url, execution_options=same.get_execution_options())


class Answer(IteratorResult[Any]):
    """What a statement answered: all its rows, and how many it wrote."""

    def __init__(self, shape: SimpleResultMetaData, rows: Sequence[Any], rowcount: int) -> None:
        super().__init__(shape, iter(rows))
        self.rowcount = rowcount


@dataclass(slots=True)
class Plan:
    """How one statement is said with parameters of these names."""

    sql: str
    values: list[Any]  # one for each place, None where a parameter stands
    places: list[tuple[int, str, Any]]  # of the parameters: where, its name, and what makes of it what the driver takes
    shape: SimpleResultMetaData | None  # None: it answers no rows

    def filled(self, params: Mapping[str, Any]) -> list[Any]:
        values = self.values.copy()
        for place, name, process in self.places:
            values[place] = process(params[name]) if process else params[name]
        return values

    def run(self, raw: sqlite3.Connection, params: Mapping[str, Any]) -> Answer:
        cursor = raw.execute(self.sql, self.filled(params))
        rows = cursor.fetchall() if self.shape else ()
        return Answer(self.shape or NO_ROWS, rows, cursor.rowcount)

    def run_each(self, raw: sqlite3.Connection, several: Sequence[Mapping[str, Any]]) -> Answer:
        return Answer(NO_ROWS, (), raw.executemany(self.sql, map(self.filled, several)).rowcount)


@dataclass(slots=True)
class Known:
    """A statement that lives, how often it was run, and its plans by the names of its parameters."""

    statement: weakref.ref[Any]
    times: int = 1
    plans: dict[tuple[str, ...], Plan | None] = field(default_factory=dict)


_known: dict[int, Known] = {}


def run(raw: sqlite3.Connection, statement: sa.Executable, params: Params) -> Answer | None:
    """Run it by its plan; None when it has none. Raises SQLAlchemy's IntegrityError; else what the driver does."""
    several = () if params is None or isinstance(params, Mapping) else params
    one: Any = several[0] if several else params or {}
    plan = _plan_of(statement, one)
    if plan is None or (len(several) > 1 and plan.shape):
        return None
    try:
        return plan.run_each(raw, several) if len(several) > 1 else plan.run(raw, one)
    except sqlite3.IntegrityError as e:
        raise sa.exc.IntegrityError(plan.sql, None, e) from e


def _plan_of(statement: sa.Executable, params: Mapping[str, Any]) -> Plan | None:
    known = _known.get(id(statement))
    if known is None or known.statement() is not statement:
        if isinstance(statement, KINDS):
            _remember(statement)
        return None
    known.times += 1
    if known.times <= TIMES:
        return None
    names = tuple(params)
    if names not in known.plans:
        known.plans[names] = _planned(statement, sorted(names))
    return known.plans[names]


def _remember(statement: sa.Executable) -> None:
    """For as long as it lives: another may have its address after it."""
    address = id(statement)
    _known[address] = Known(weakref.ref(statement, lambda _: _known.pop(address)))


def _planned(statement: Any, names: list[str]) -> Plan | None:
    """None for a statement of which SQLAlchemy decides something only when it has the parameters."""
    compiled: SQLCompiler = statement.compile(dialect=template().dialect, column_keys=names)
    late = (compiled.literal_execute_params, compiled.post_compile_params, compiled.insert_prefetch)
    if any((*late, compiled.update_prefetch, compiled.implicit_returning, statement.get_execution_options())):
        return None
    places: list[tuple[int, str, Any]] = []
    values: list[Any] = []
    for place, name in enumerate(compiled.positiontup or ()):
        bound, process = compiled.binds[name], compiled._bind_processors.get(name)
        given = next((each for each in (bound.key, name) if each in names), None)
        value: Any = None
        if given is not None:
            places.append((place, given, process))
        elif bound.required or bound.callable or isinstance(process, Sequence):
            return None
        else:
            value = process(bound.value) if process else bound.value
        values.append(value)
    columns = compiled._result_columns
    if len({column.keyname for column in columns}) < len(columns):
        return None
    return Plan(compiled.string, values, places, _shape(compiled) if columns else None)


def _shape(compiled: SQLCompiler) -> SimpleResultMetaData:
    columns = compiled._result_columns
    extra = [tuple(each for each in column.objects if isinstance(each, sa.ColumnElement)) for column in columns]
    read = [column.type._cached_result_processor(compiled.dialect, None) for column in columns]
    return SimpleResultMetaData([column.keyname for column in columns], extra, _processors=read)
