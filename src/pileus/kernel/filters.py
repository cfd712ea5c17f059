"""Filters of lists, as each service spells them, made into SQL that means the same on both databases.

    FILTERS = Filters({"name": Field(servers.c.name), "locked": Field(servers.c.locked, "boolean"),
                       "changes-since": Field(servers.c.updated_at, "time", fixed="gte")}, spelling="prefix")
    statement = sa.select(servers).where(*FILTERS.where(query.others))

Spellings of operators:
    plain    name=x, again and again: any of them
    prefix   size=gte:5, status=in:a,"b,c", name=neq:x            image, volume
    suffix   name__contains=x, name__istartswith=x, size__gt=5    identity
Comparisons of text are by code point; `i…` ones fold A-Z only: both databases agree on no more than that.
"""

from __future__ import annotations

import csv
import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from pileus.kernel.errors import BadRequest
from pileus.kernel.http.plan import parse_uuid
from pileus.kernel.http.queries import boolean, integer

Kind = Literal["text", "integer", "boolean", "time", "uuid"]
Spelling = Literal["plain", "prefix", "suffix"]
Condition = sa.ColumnElement[bool]

NEVER = object()
"""A value that no row has: a UUID filter that is no UUID."""

ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
FOLD = str.maketrans({chr(c): chr(c + 32) for c in range(ord("A"), ord("Z") + 1)})


def contains(column: sa.ColumnElement[Any], part: str) -> Condition:
    """Not LIKE: on SQLite that folds case, on PostgreSQL it does not."""
    return sa.func.replace(column, part, "") != column if part else column.is_not(None)


def starts(column: sa.ColumnElement[Any], part: str) -> Condition:
    return sa.func.substr(column, 1, len(part)) == part


def ends(column: sa.ColumnElement[Any], part: str) -> Condition:
    length = sa.func.length(column)
    return sa.and_(length >= len(part), sa.func.substr(column, length - len(part) + 1) == part)


TEXTS: dict[str, Callable[[sa.ColumnElement[Any], str], Condition]] = {
    "contains": contains,
    "startswith": starts,
    "endswith": ends,
}


@dataclass(frozen=True, slots=True)
class Field:
    """What one parameter filters by. `fixed`: the comparison it stands for (`changes-since` is gte); else equality.

    `spelling`: how operators are spelled here, where that is not as with the rest of the list.
    """

    column: sa.ColumnElement[Any]
    kind: Kind = "text"
    fixed: str = "eq"
    spelling: Spelling | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of one list. `refuse`: an unknown parameter is a 400; else it is ignored."""

    fields: Mapping[str, Field]
    spelling: Spelling = "plain"
    refuse: bool = False

    def where(self, query: Mapping[str, Sequence[str]]) -> list[Condition]:
        """The conditions that a row must meet, all of them. Raises BadRequest that names the parameter."""
        conditions = []
        for name, values in query.items():
            bare, relation = self._named(name)
            if bare in self.fields:
                conditions.append(self._condition(bare, relation, values))
            elif self.refuse:
                raise BadRequest(f"Invalid input: there is no filter {name[:80]!r}.", field=name)
        return conditions

    def _named(self, name: str) -> tuple[str, str]:
        """The field and the operator in a parameter's name."""
        if self.spelling != "suffix" or name in self.fields:
            return name, ""
        bare, _, relation = name.rpartition("__")
        return (bare, relation) if bare else (name, "")

    def _condition(self, name: str, relation: str, values: Sequence[str]) -> Condition:
        field = self.fields[name]
        if (field.spelling or self.spelling) == "prefix" and field.fixed == "eq" and not relation:
            return sa.and_(*(self._prefixed(field, name, value) for value in values))
        return sa.or_(*(compared(field, name, relation or field.fixed, [value]) for value in values))

    def _prefixed(self, field: Field, name: str, value: str) -> Condition:
        relation, colon, rest = value.partition(":")
        if not colon or relation not in {"in", "eq", "neq", *ORDERS}:
            return compared(field, name, "eq", [value])  # a colon may be part of a value
        return compared(field, name, relation, split(name, rest) if relation == "in" else [rest])


def compared(field: Field, name: str, relation: str, texts: Sequence[str]) -> Condition:
    """`column relation value`. Raises BadRequest for a value that is none, or a relation this field does not have."""
    folded = relation.removeprefix("i")
    if field.kind == "text" and (relation in TEXTS or folded in {*TEXTS, "exact"}):
        return texted(field.column, relation, texts[0])
    values = [value for text in texts if (value := read(field.kind, name, text)) is not NEVER]
    if relation in {"eq", "in"}:
        return field.column.in_(values) if len(values) != 1 else field.column == values[0]
    if relation == "neq":
        return field.column != values[0] if values else field.column.is_not(None)
    if relation not in ORDERS or not values:
        raise BadRequest(f"Invalid input for {name}: it cannot be compared by {relation[:40]!r}.", field=name)
    compare: Condition = ORDERS[relation](field.column, values[0])
    return compare


def texted(column: sa.ColumnElement[Any], relation: str, text: str) -> Condition:
    """A comparison of a part of a text."""
    if relation in TEXTS:
        return TEXTS[relation](column, text)
    folded, relation = sa.func.lower(column), relation.removeprefix("i")
    return folded == text.translate(FOLD) if relation == "exact" else TEXTS[relation](folded, text.translate(FOLD))


def read(kind: Kind, name: str, text: str) -> Any:
    """The value that a text stands for. Raises BadRequest naming the parameter."""
    if kind == "text":
        return text
    if kind == "integer":  # 64 bits wide, also beside a column of 32
        return sa.literal(integer(name, text), sa.BigInteger())
    if kind == "boolean":
        return boolean(name, text)
    if kind == "time":
        return seconds(name, text)
    try:
        return parse_uuid(text)
    except ValueError:
        return NEVER


def seconds(name: str, text: str) -> float:
    """ISO 8601 as seconds since the epoch; without an offset it is UTC. Raises BadRequest naming the parameter."""
    for form in (text, text.replace(" ", "+")):  # a + of an offset that was not escaped
        with suppress(ValueError):
            moment = datetime.fromisoformat(form)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    raise BadRequest(f"Invalid input for {name}: {text[:80]!r} is no time in ISO 8601.", field=name)


def split(name: str, text: str) -> list[str]:
    """The values of an `in:` list; one with a comma stands in double quotes. Raises BadRequest."""
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        raise BadRequest(f"Invalid input for {name}: {text[:80]!r} is no list of values.", field=name) from None
