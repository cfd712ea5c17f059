"""PostgreSQL 14 or newer, READ COMMITTED, through asyncpg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncTransaction, create_async_engine
from sqlalchemy.util import LRUCache

from pileus.kernel.db.base import LockOrder, Params, Probe, from_json, lock_number, metadata, to_json
from pileus.kernel.errors import TryAgain, Unavailable

UNDONE = {"40001", "40P01"}  # serialization_failure, deadlock_detected: the same work may be done again
TOO_LONG = {"57014", "55P03"}  # query_canceled (statement_timeout), lock_not_available
LOST = ("08", "57P")  # connection exceptions, server shutting down
TAKE_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.bindparam("n", type_=sa.BigInteger)))
WAITS_MS = {"statement_timeout": "30000", "lock_timeout": "10000", "idle_in_transaction_session_timeout": "60000"}
END_BACKEND = sa.text(
    "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE pid = :pid AND usename = current_user"
)
COMPILED_STATEMENTS = 1_000
_known: dict[str, tuple[sa.Dialect, LRUCache[Any, Any]]] = {}
SLOW = "The database took too long to answer this; narrow the query or ask again."
UNREACHABLE = (sa.exc.DBAPIError, sa.exc.TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


def sqlstate(error: sa.exc.DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def is_lost(error: sa.exc.DBAPIError) -> bool:
    """Whether the connection is gone, and with it any answer."""
    return error.connection_invalidated or sqlstate(error).startswith(LOST)


def translated(error: sa.exc.DBAPIError) -> Exception:
    """TryAgain, Unavailable with the cause, or the error itself when it is the statement's own fault."""
    code = sqlstate(error)
    if code in UNDONE or is_lost(error):
        return TryAgain(f"{code or 'connection lost'}: {error}")
    return Unavailable(SLOW) if code in TOO_LONG else error


class PostgresConnection:
    """A transaction, or a read."""

    def __init__(self, connection: AsyncConnection, *, writes: bool, on_statement: list[Callable[[str], None]]) -> None:
        self._connection = connection
        self._on_statement = on_statement
        self._order = LockOrder()
        self.writes = writes
        self.committed: list[Callable[[], None]] = []

    async def execute(self, statement: sa.Executable, params: Params = None) -> sa.CursorResult[Any]:
        if not (self.writes or statement.is_select):
            raise AssertionError("a read connection was asked to write")
        for tell in self._on_statement:
            tell(str(statement))
        try:
            return await self._connection.execute(statement, params)
        except sa.exc.DBAPIError as e:
            raise translated(e) from e.__cause__

    async def lock(self, kind: str, key: object) -> None:
        if self._order.take(kind, str(key)):
            await self.execute(TAKE_LOCK, {"n": lock_number(kind, str(key))})

    async def hold(self, statement: sa.Executable, params: Params = None) -> None:
        await self.execute(statement, params)

    def after_commit(self, call: Callable[[], None]) -> None:
        self.committed.append(call)


class PostgresDatabase:
    """Connections to PostgreSQL: half of `pool_size` to read and half to write, so that nobody who only looks waits behind
    those who wait for a lock. `base.Database` says what each method promises.
    """

    dialect = "postgresql"

    def __init__(self, url: str, *, pool_size: int = 10, read_deadline_s: float = 5.0) -> None:
        self.url = sa.make_url(url)
        self.pool_size = pool_size
        self.read_deadline_s = read_deadline_s
        self.on_statement: list[Callable[[str], None]] = []
        self.on_commit: list[Callable[[], None]] = []
        self.probe_pauses_s = (0.05, 0.2, 0.5, 1.0, 2.0)  # when COMMIT's answer was lost and the server is away

    async def start(self) -> None:
        readers = self.pool_size // 2
        self._writing = self._pool(self.pool_size - readers)
        self._reading = self._pool(readers, isolation_level="AUTOCOMMIT")
        async with self.read() as connection:
            await connection.execute(sa.select(1))
        self._share()

    def _share(self) -> None:
        """Let all connections of this process to this server find the statements compiled that one of them has compiled.

        SQLAlchemy keeps them by dialect, and makes one for each pool; what it knows of the server it has learnt by now.
        """
        server = self.url.set(username=None, password=None, database=None).render_as_string()
        dialect, compiled = _known.setdefault(server, (self._reading.dialect, LRUCache(COMPILED_STATEMENTS)))
        for engine in (self._reading.sync_engine, self._writing.sync_engine):
            engine.dialect = dialect
            engine._compiled_cache = compiled

    def _pool(self, size: int, **options: Any) -> AsyncEngine:
        return create_async_engine(
            self.url,
            pool_size=size,
            max_overflow=0,
            json_serializer=to_json,
            json_deserializer=from_json,
            connect_args={"server_settings": {**WAITS_MS, "application_name": "pileus"}, "timeout": 10},
            **options,
        )

    async def close(self) -> None:
        await self._reading.dispose()
        await self._writing.dispose()

    async def create_schema(self) -> None:
        await self.run_sync(metadata.create_all)

    async def run_sync(self, call: Callable[[sa.Connection], Any]) -> Any:
        async with self._writing.begin() as connection:
            return await connection.run_sync(call)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[PostgresConnection]:
        deadline = asyncio.timeout(self.read_deadline_s)
        try:
            async with deadline, self._connected(self._reading) as raw:
                yield PostgresConnection(raw, writes=False, on_statement=self.on_statement)
        except TimeoutError as e:
            if deadline.expired():
                raise Unavailable(SLOW) from e
            raise

    async def look(self, question: str) -> Sequence[Any] | None:
        async with self.read() as connection:
            return (await connection.execute(sa.text(question).columns())).first()

    @asynccontextmanager
    async def transaction(self, *, probe: Probe | None = None) -> AsyncIterator[PostgresConnection]:
        async with self._connected(self._writing) as raw:
            connection = PostgresConnection(raw, writes=True, on_statement=self.on_statement)
            transaction = await raw.begin()
            try:
                yield connection
            except BaseException:
                await self._give_up(raw, transaction)
                raise
            pid = (await raw.get_raw_connection()).driver_connection.get_server_pid()  # type: ignore[union-attr]
            lost = await self._commit(transaction)
        if lost is not None:
            await self._ask_whether_it_came_through(pid, probe, lost)
        for call in (*self.on_commit, *connection.committed):
            call()

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            raw = await engine.connect()
        except UNREACHABLE as e:
            raise Unavailable(f"The database does not answer: {getattr(e, 'orig', None) or e}.") from e
        try:
            yield raw
        finally:
            await raw.close()

    async def _commit(self, transaction: AsyncTransaction) -> Exception | None:
        """None when it is durable; what happened when the connection was lost on the way, and nobody knows."""
        try:
            await transaction.commit()
        except sa.exc.DBAPIError as e:
            if is_lost(e):
                return e
            raise translated(e) from e.__cause__
        return None

    async def _give_up(self, raw: AsyncConnection, transaction: AsyncTransaction) -> None:
        try:
            await transaction.rollback()
        except sa.exc.DBAPIError:
            await raw.invalidate()  # the connection is gone, and the transaction with it

    async def _see_it_gone(self, connection: PostgresConnection, pid: int) -> None:
        """End the backend that was to commit: as long as it lives, what is not there yet may still come."""
        if (await connection.execute(END_BACKEND, {"pid": pid})).scalar() is False:
            raise Unavailable(f"Backend {pid} is still at its COMMIT.")

    async def _ask_whether_it_came_through(self, pid: int, probe: Probe | None, lost: Exception) -> None:
        """COMMIT was sent and its answer lost. Returns when it took effect, raises TryAgain when it did not."""
        if probe is None:
            raise TryAgain("connection lost in COMMIT") from lost
        for pause_s in self.probe_pauses_s:
            try:
                async with self.transaction() as connection:
                    await self._see_it_gone(connection, pid)
                    came_through = await probe(connection)
            except (TryAgain, Unavailable):
                await asyncio.sleep(pause_s)
                continue
            if came_through:
                return
            raise TryAgain("connection lost before COMMIT took effect") from lost
        raise Unavailable(
            "The database went away while this was being written; look before you send it again."
        ) from lost
