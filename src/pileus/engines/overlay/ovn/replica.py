"""What an OVSDB database holds, kept in this process by the server's updates, and who holds whom.

A column is a set of atoms or a map, whatever its schema says: an optional value is a set of at most one, a scalar a set of
one. So rows of the server and rows that are wished for compare without a schema.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from pileus.engines.overlay.ovn.ovsdb import Json

KEY = "pileus"  # in external_ids: which part of which wish a row is, "port/ID" or "router/ID/leg/ID"
HOLDING = "ports"  # the column whose members are looked up backwards


class Uuid(str):
    """The name of a row: the server's, or, before it has one, ours."""

    __slots__ = ()

    @property
    def wire(self) -> Json:
        return ["named-uuid" if self.startswith("new_") else "uuid", str(self)]


Atom: TypeAlias = str | int | bool | float | Uuid
Column: TypeAlias = frozenset[Atom] | dict[str, str]
Columns: TypeAlias = dict[str, Column]
Changed = Callable[[str, Uuid, Columns | None, Columns | None], None]


def column(wire: Json) -> Column:
    """A column as it came from the server."""
    match wire:
        case ["map", pairs]:
            return dict(pairs)
        case ["set", atoms]:
            return frozenset(map(atom, atoms))
    return frozenset({atom(wire)})


def atom(wire: Json) -> Atom:
    return Uuid(wire[1]) if isinstance(wire, list) else wire


def on_wire(value: Column) -> Json:
    """A column as the server takes it."""
    if isinstance(value, dict):
        return ["map", sorted(value.items())]
    atoms = [each.wire if isinstance(each, Uuid) else each for each in value]
    return ["set", sorted(atoms, key=str)]


def one(columns: Mapping[str, Column], name: str) -> Any:
    """The only atom of a column, or None."""
    value = columns.get(name) or frozenset()
    return next(iter(value)) if len(value) == 1 else None


def key_of(columns: Mapping[str, Column]) -> str | None:
    ids = columns.get("external_ids", {})
    return ids.get(KEY) if isinstance(ids, dict) else None


def owner_of(key: str) -> str:
    """ "router/ID" of "router/ID/leg/ID": whose wish the row is part of."""
    return "/".join(key.split("/", 2)[:2])


class Replica:
    """The rows of some tables of one database. `changed` hears of each: table, row, before, after."""

    def __init__(self, changed: Changed = lambda table, row, old, new: None) -> None:
        self.tables: dict[str, dict[Uuid, Columns]] = defaultdict(dict)
        self.by_key: dict[tuple[str, str], Uuid] = {}
        self.by_name: dict[tuple[str, str], Uuid] = {}
        self.owned: dict[str, set[tuple[str, Uuid]]] = defaultdict(set)
        self.holders: dict[Uuid, set[tuple[str, Uuid]]] = defaultdict(set)
        self._changed = changed

    def update(self, tables: Mapping[str, Mapping[str, Mapping[str, Json]]]) -> None:
        """Take in what the server has told: an `update` of RFC 7047."""
        for table, rows in tables.items():
            for uuid, change in rows.items():
                new = {name: column(value) for name, value in change["new"].items()} if "new" in change else None
                self._put(table, Uuid(uuid), new)

    def _put(self, table: str, row: Uuid, new: Columns | None) -> None:
        old = self.tables[table].pop(row, None)
        if old is not None:
            self._forget(table, row, old)
        if new is not None:
            self.tables[table][row] = new
            self._note(table, row, new)
        self._changed(table, row, old, new)

    def _note(self, table: str, row: Uuid, columns: Columns) -> None:
        if name := one(columns, "name"):
            self.by_name[table, name] = row
        if key := key_of(columns):
            self.by_key[table, key] = row
            self.owned[owner_of(key)].add((table, row))
        for member in members(columns):
            self.holders[member].add((table, row))

    def _forget(self, table: str, row: Uuid, columns: Columns) -> None:
        if self.by_name.get((table, name := one(columns, "name"))) == row:
            del self.by_name[table, name]
        if key := key_of(columns):
            if self.by_key.get((table, key)) == row:
                del self.by_key[table, key]
            self._let_go(self.owned, owner_of(key), (table, row))
        for member in members(columns):
            self._let_go(self.holders, member, (table, row))

    def _let_go(self, index: dict[Any, set[tuple[str, Uuid]]], at: str, row: tuple[str, Uuid]) -> None:
        index[at].discard(row)
        if not index[at]:
            del index[at]


def members(columns: Mapping[str, Column]) -> Iterator[Uuid]:
    """The rows that this one holds."""
    return (each for each in columns.get(HOLDING, ()) if isinstance(each, Uuid))
