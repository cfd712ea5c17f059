"""What the rest of Pileus sees of a database."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

metadata = sa.MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_ix",
        "uq": "%(table_name)s_%(column_0_N_name)s_uq",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
        "pk": "%(table_name)s_pk",
    }
)

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text in the C collation: both databases sort and compare it by code point."""

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
"""A JSON document. Not for what is searched by."""

LOCK_ORDER = ("subject", "quota", "consumer", "provider", "subnet")
"""The order in which one transaction may take locks; a kind that is not named here comes last."""

Params = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


def to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def from_json(text: str | bytes) -> Any:
    return msgspec.json.decode(text)


class Connection(Protocol):
    """An open transaction, or an open read."""

    writes: bool

    async def execute(self, statement: sa.Executable, params: Params = None) -> sa.CursorResult[Any]:
        """Run one statement. A connection that only reads refuses anything but a SELECT."""
        ...

    async def lock(self, kind: str, key: object) -> None:
        """Hold others who lock the same (kind, key) off until this transaction ends.

        To be taken in the order of LOCK_ORDER, then by key: whoever does otherwise is told at once, not by a deadlock.
        """
        ...

    async def hold(self, statement: sa.Executable, params: Params = None) -> None:
        """Hold others who change the rows that a SELECT ... FOR UPDATE finds off until this transaction ends."""
        ...

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this once the transaction is durable; never when it is not."""
        ...


Probe = Callable[["Connection"], Awaitable[bool]]
"""Asked on a new connection when COMMIT was sent and the answer lost: is what we wrote there?"""


class Database(Protocol):
    """A pool of connections to one database."""

    dialect: str
    on_statement: list[Callable[[str], None]]
    on_commit: list[Callable[[], None]]

    async def start(self) -> None:
        """Open it. Raises Unavailable with the cause when it can't be reached."""
        ...

    async def close(self) -> None: ...

    async def create_schema(self) -> None:
        """Make every table of `metadata` that is not there."""
        ...

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """A connection to read with: one snapshot on SQLite, one per statement on PostgreSQL. Bounded by a deadline."""
        ...

    def transaction(self, *, probe: Probe | None = None) -> AbstractAsyncContextManager[Connection]:
        """A transaction: committed and durable when the block has ended, rolled back when it raised.

        Raises TryAgain when the database undid it and the same work may be done again.
        """
        ...

    async def look(self, question: str) -> Sequence[Any] | None:
        """The first row of a SELECT without parameters, as committed by now; None without. For what every request asks:
        it costs a tenth of a `read`. Raises Unavailable.
        """
        ...

    async def run_sync(self, call: Callable[[sa.Connection], Any]) -> Any:
        """Call with a plain SQLAlchemy connection in a transaction: for migrations and schema questions."""
        ...


class LockOrder:
    """Notes the locks of one transaction and refuses one out of order."""

    def __init__(self) -> None:
        self._last: tuple[int, str, str] = (-1, "", "")
        self._held: set[tuple[str, str]] = set()

    def take(self, kind: str, key: str) -> bool:
        """False when the lock is held already. Raises AssertionError when it comes too late."""
        if (kind, key) in self._held:
            return False
        place = (LOCK_ORDER.index(kind) if kind in LOCK_ORDER else len(LOCK_ORDER), kind, key)
        if place < self._last:
            raise AssertionError(f"lock {kind}:{key} is taken after {self._last[1]}:{self._last[2]}")
        self._last = place
        self._held.add((kind, key))
        return True


def lock_number(kind: str, key: str) -> int:
    """The 64-bit number by which PostgreSQL knows the lock (kind, key)."""
    digest = hashlib.blake2b(f"{kind}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
