"""A transaction in the making: what must change so that the database is as wished. It sees its own changes.

A wish is a set of `Row`s that one owner owns. Rows are told by their key (`external_ids:pileus`), else by their name, so
that one whose key somebody has wiped is taken back instead of clashing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pileus.engines.overlay.ovn.ovsdb import Json
from pileus.engines.overlay.ovn.replica import HOLDING, KEY, Column, Columns, Replica, Uuid, members, on_wire, one

Value = Any  # an atom, a Ref, None, or a sequence or mapping of atoms


HELD_BY = {
    "Logical_Switch_Port": ("Logical_Switch", "ports"),
    "Logical_Router_Port": ("Logical_Router", "ports"),
    "Logical_Router_Static_Route": ("Logical_Router", "static_routes"),
    "NAT": ("Logical_Router", "nat"),
    "Gateway_Chassis": ("Logical_Router_Port", "gateway_chassis"),
    "ACL": ("Port_Group", "acls"),
}
"""Rows that live only as long as another holds them: the table and column of those."""


@dataclass(frozen=True)
class Ref:
    """A row, by its key."""

    table: str
    key: str


@dataclass(frozen=True)
class Row:
    """A row as it shall be. Columns that it does not name stay as they are. `within`: the row that holds it."""

    table: str
    key: str
    columns: Mapping[str, Value]
    ids: Mapping[str, str] = field(default_factory=dict)  # more external_ids
    within: Ref | None = None

    @property
    def ref(self) -> Ref:
        return Ref(self.table, self.key)


class Draft:
    """Operations for one transaction on top of what `replica` holds."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._rows: dict[tuple[str, Uuid], Columns | None] = {}  # as they will be; None: deleted
        self._new: dict[tuple[str, str], Uuid] = {}
        self.operations: list[dict[str, Json]] = []

    # look

    def find(self, ref: Ref) -> Uuid | None:
        """The row, if it is there."""
        found = self._new.get((ref.table, ref.key)) or self._replica.by_key.get((ref.table, ref.key))
        return found if found and self.columns(ref.table, found) is not None else None

    def columns(self, table: str, row: Uuid) -> Columns | None:
        if (table, row) in self._rows:
            return self._rows[table, row]
        return self._replica.tables[table].get(row)

    def row(self, ref: Ref) -> Columns | None:
        found = self.find(ref)
        return None if found is None else self.columns(ref.table, found)

    def named(self, table: str, name: str) -> Columns | None:
        """The row of that name."""
        added = (row for (of, row), new in self._rows.items() if of == table and new and one(new, "name") == name)
        found = self._replica.by_name.get((table, name)) or next(added, None)
        return None if found is None else self.columns(table, found)

    def rows(self, table: str) -> Iterator[Columns]:
        """Every row of a table."""
        added = [row for (of, row) in self._rows if of == table and row not in self._replica.tables[table]]
        for row in [*self._replica.tables[table], *added]:
            if (columns := self.columns(table, row)) is not None:
                yield columns

    def holders(self, member: Uuid, table: str) -> list[Uuid]:
        """Which rows of the table hold it."""
        known = {row for of, row in self._replica.holders.get(member, ()) if of == table}
        known |= {row for of, row in self._rows if of == table}
        return sorted(row for row in known if member in members(self.columns(table, row) or {}))

    # change

    def ensure(self, owner: str, rows: Iterable[Row]) -> None:
        """The owner's rows are these, and no others."""
        kept = {self.put(row) for row in rows}
        for table, row in sorted(self._replica.owned.get(owner, ())):
            if row not in kept:
                self.drop(table, row)

    def put(self, row: Row) -> Uuid:
        """The row is there, and where it belongs."""
        found = self.find(row.ref) or self._replica.by_name.get((row.table, row.columns.get("name", "")))
        wanted = {name: self._resolved(value) for name, value in row.columns.items()}
        wanted["external_ids"] = {KEY: row.key, **row.ids}
        if found is None or self.columns(row.table, found) is None:
            found = self._insert(row, wanted)
        else:
            self._update(row.table, found, wanted)
        if row.within is not None:
            self._hold(row, found)
        return found

    def set(self, ref: Ref, columns: Mapping[str, Value]) -> None:
        """These columns of the row, if it is there; the rest stays."""
        found = self.find(ref)
        if found is not None:
            self._update(ref.table, found, {name: self._resolved(value) for name, value in columns.items()})

    def drop(self, table: str, row: Uuid) -> None:
        """The row is gone, from wherever it is held."""
        if self.columns(table, row) is None:
            return
        if table in HELD_BY:
            holder, by = HELD_BY[table]
            self._mutate_where(holder, [by, "includes", ["set", [row.wire]]], [by, "delete", ["set", [row.wire]]])
        else:
            self.operations.append({"op": "delete", "table": table, "where": [["_uuid", "==", row.wire]]})
        self._rows[table, row] = None

    def join(self, holder: Ref, member: Uuid) -> None:
        """The row holds the member, too."""
        found = self.find(holder)
        if found is not None and member not in self._members(holder.table, found):
            self._mutate(holder.table, found, "insert", member)

    def leave(self, table: str, holder: Uuid, member: Uuid) -> None:
        if member in self._members(table, holder):
            self._mutate(table, holder, "delete", member)

    def _resolved(self, value: Value) -> Column:
        if isinstance(value, Mapping):
            return {str(name): str(each) for name, each in value.items()}
        each = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        found = [self.find(atom) if isinstance(atom, Ref) else atom for atom in each]
        return frozenset(atom for atom in found if atom is not None)

    def _insert(self, row: Row, wanted: Columns) -> Uuid:
        name = Uuid(f"new_{len(self.operations)}")
        data = {column: on_wire(value) for column, value in wanted.items()}
        self.operations.append({"op": "insert", "table": row.table, "uuid-name": str(name), "row": data})
        self._rows[row.table, name] = wanted
        self._new[row.table, row.key] = name
        return name

    def _update(self, table: str, row: Uuid, wanted: Columns) -> None:
        now = self.columns(table, row) or {}
        differing = {name: value for name, value in wanted.items() if now.get(name) != value}
        if differing:
            data = {name: on_wire(value) for name, value in differing.items()}
            self.operations.append({"op": "update", "table": table, "where": [["_uuid", "==", row.wire]], "row": data})
            self._rows[table, row] = {**now, **differing}

    def _hold(self, row: Row, found: Uuid) -> None:
        """It is held where it belongs and nowhere else: held twice, a row breaks OVN's own rules."""
        table, by = HELD_BY[row.table]
        holder = None if row.within is None else self.find(row.within)
        if holder is None:
            return
        for other in self.holders(found, table):
            if other != holder:
                self._mutate(table, other, "delete", found, by=by)
        if found not in self._members(table, holder, by):
            self._mutate(table, holder, "insert", found, by=by)

    def _members(self, table: str, holder: Uuid, by: str = HOLDING) -> frozenset[Any]:
        value = (self.columns(table, holder) or {}).get(by, frozenset())
        return value if isinstance(value, frozenset) else frozenset()

    def _mutate(self, table: str, holder: Uuid, how: str, member: Uuid, *, by: str = HOLDING) -> None:
        self._mutate_where(table, ["_uuid", "==", holder.wire], [by, how, ["set", [member.wire]]])
        now = self._members(table, holder, by)
        after = now | {member} if how == "insert" else now - {member}
        self._rows[table, holder] = {**(self.columns(table, holder) or {}), by: after}

    def _mutate_where(self, table: str, where: Json, mutation: Json) -> None:
        self.operations.append({"op": "mutate", "table": table, "where": [where], "mutations": [mutation]})
