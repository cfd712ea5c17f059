"""SQLite in one process: one connection that writes, one that reads, one that looks, a thread that waits for the disk.

Statements run inline: 0.1 ms each, where a thread per statement costs 0.8. What waits for the disk, COMMIT and
checkpoints, runs in threads of its own. Transactions that begin while a COMMIT is on its way share the next one (group
commit): each is a savepoint in a common transaction, and each is acknowledged only when that is durable. They come in
one in each round of the event loop, and go on one in each: whoever else lives on the loop is served between.

Between its begin and the end of its block a transaction must await nothing but the database, which here never suspends.
Who awaits something else would hold up everybody; that is asserted at the end of the block, where the guilty is known.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy

from pileus.kernel.db import plans
from pileus.kernel.db.base import LockOrder, Params, Probe, metadata
from pileus.kernel.errors import Unavailable

logger = logging.getLogger(__name__)

UNDONE = "The database undid this transaction: its disk is full or failing."
PROGRESS_STEPS = 10_000
SWEEP_BYTES = 8 * 2**20
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "wal_autocheckpoint=0",
    "cache_spill=OFF",  # a spilled page would be written inline, on the event loop
    "temp_store=MEMORY",
    "cache_size=-16000",
    f"journal_size_limit={SWEEP_BYTES}",  # a log that begins anew is cut to this: its size tells whether it is due
)


def translated(error: Exception) -> Unavailable:
    """What an error of the database file means to a caller."""
    text = str(getattr(error, "orig", error))
    if "interrupted" in text:
        return Unavailable("The database took too long to answer this; narrow the query or ask for a smaller page.")
    return Unavailable(f"The database cannot read or write: {text}. Check the disk that holds the state directory.")


class SqliteConnection:
    """A transaction, or a read."""

    def __init__(self, connection: sa.Connection, *, writes: bool, on_statement: list[Callable[[str], None]]) -> None:
        self._connection, self._raw = connection, raw_connection(connection)
        self._on_statement = on_statement
        self._order = LockOrder()
        self.writes = writes
        self.committed: list[Callable[[], None]] = []

    async def execute(self, statement: sa.Executable, params: Params = None) -> sa.CursorResult[Any]:
        if not (self.writes or statement.is_select):
            raise AssertionError("a read connection was asked to write")
        for tell in self._on_statement:
            tell(str(statement))
        if not self._raw.in_transaction:  # or each statement would be committed by itself
            raise Unavailable(UNDONE)
        try:
            answer = plans.run(self._raw, statement, params)
            if answer is not None:
                return answer  # type: ignore[return-value]
            result = self._connection.execute(statement, params)
            # all rows now, unless they have been fetched: the cursor must not outlive the transaction
            if result.returns_rows and type(result.cursor_strategy) is not FullyBufferedCursorFetchStrategy:
                rows = result.cursor.fetchall()
                result.cursor_strategy = FullyBufferedCursorFetchStrategy(result.cursor, initial_buffer=rows)
        except (sa.exc.OperationalError, sqlite3.OperationalError) as e:
            raise translated(e) from e
        return result

    async def lock(self, kind: str, key: object) -> None:
        """One writer: nothing to do but to hold the order, so that PostgreSQL's deadlocks show here too."""
        self._order.take(kind, str(key))

    async def hold(self, statement: sa.Executable, params: Params = None) -> None:
        """One writer: nobody to hold off."""

    def after_commit(self, call: Callable[[], None]) -> None:
        self.committed.append(call)


@dataclass
class Batch:
    """Transactions that share a COMMIT. `members` are told of it."""

    full_at: float
    changes_before: int
    members: list[asyncio.Future[None]] = field(default_factory=list)


class SqliteDatabase:
    """A database in a file, for one process. `base.Database` says what each method promises."""

    dialect = "sqlite"

    def __init__(self, path: Path, *, read_deadline_s: float = 5.0) -> None:
        self.path = path
        self.read_deadline_s = read_deadline_s
        self.on_statement: list[Callable[[str], None]] = []
        self.on_commit: list[Callable[[], None]] = []
        self.fill_s = 0.005  # a batch takes in who waits for so long, or for as long as the last COMMIT took
        self.wal_sweep_bytes = SWEEP_BYTES  # beyond this the log is copied into the file, beside whoever writes
        self.wal_restart_bytes = 64 * 2**20  # beyond this writers are held until all of it is
        self._read_until = 0.0
        self._batch: Batch | None = None  # None: the next transaction begins one
        self._entering = 0  # blocks that are open or wait for that
        self._commit_took_s = 0.0
        self._writing: asyncio.Task[Any] | None = None  # whose block is open
        self._reading: asyncio.Task[Any] | None = None
        self._ended: deque[tuple[asyncio.Future[None], BaseException | None]] = deque()  # members that may go on
        self._going_on = False  # in this round of the event loop one did
        self._suspended = self._restart_wal = False

    async def start(self) -> None:
        self._entrance = asyncio.Lock()  # held by the block that is open, until the next round of the event loop
        self._free = asyncio.Event()  # no COMMIT is on its way
        self._free.set()
        self._reader_free = asyncio.Lock()
        try:
            self._engine = plans.engine_for(self._connect)
            self._writer, self._reader = self._engine.connect(), self._engine.connect()
            self._looking = self._connect()
        except (sqlite3.Error, sa.exc.SQLAlchemyError) as e:
            raise Unavailable(f"The database {self.path} cannot be opened: {e}") from e
        self._raw = raw_connection(self._writer)
        self._raw_reader = raw_connection(self._reader)
        self._raw_reader.set_progress_handler(lambda: int(time.monotonic() > self._read_until), PROGRESS_STEPS)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="pileus-commit")
        self._sweeper = ThreadPoolExecutor(1, thread_name_prefix="pileus-checkpoint")
        self._sweep: asyncio.Future[Any] | None = None

    def _connect(self) -> sqlite3.Connection:
        raw = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, timeout=0, cached_statements=512
        )
        try:
            for line in PRAGMAS:
                raw.execute(f"PRAGMA {line}")
        except sqlite3.Error:
            raw.close()
            raise
        return raw

    async def close(self) -> None:
        while self._entering or self._batch is not None or not self._free.is_set():
            await asyncio.sleep(0)
            await self._free.wait()
        if self._sweep is not None:
            await asyncio.wait([self._sweep])
        self._disk.shutdown()
        self._sweeper.shutdown()
        for connection in (self._reader, self._writer):
            connection.close()
        self._looking.close()
        self._engine.dispose()

    async def create_schema(self) -> None:
        await self.run_sync(metadata.create_all)

    async def run_sync(self, call: Callable[[sa.Connection], Any]) -> Any:
        async with self.transaction():
            assert self._batch is not None
            self._batch.changes_before = -1  # SQLite does not count a change of the schema
            return call(self._writer)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[SqliteConnection]:
        refuse_to_wait_for(self._reading)
        async with self._reader_free:
            self._reading = asyncio.current_task()
            self._read_until = time.monotonic() + self.read_deadline_s
            self._raw_reader.execute("BEGIN DEFERRED")
            ticked: list[int] = []
            tick = asyncio.get_running_loop().call_soon(ticked.append, 1)
            try:
                yield SqliteConnection(self._reader, writes=False, on_statement=self.on_statement)
                refuse_if(bool(ticked))
            finally:
                tick.cancel()
                self._reading = None
                if self._raw_reader.in_transaction:  # a failing disk may have ended it
                    self._raw_reader.execute("ROLLBACK")

    async def look(self, question: str) -> Sequence[Any] | None:
        for tell in self.on_statement:
            tell(question)
        try:
            return self._looking.execute(question).fetchone()  # type: ignore[no-any-return]
        except sqlite3.OperationalError as e:
            raise translated(e) from e

    @asynccontextmanager
    async def transaction(self, *, probe: Probe | None = None) -> AsyncIterator[SqliteConnection]:
        refuse_to_wait_for(self._writing)
        connection = SqliteConnection(self._writer, writes=True, on_statement=self.on_statement)
        self._entering += 1
        try:
            await self._entrance.acquire()
            try:
                await self._free.wait()
                with self._block() as batch:
                    yield connection
            finally:  # each has a round of the event loop of its own
                asyncio.get_running_loop().call_soon(self._entrance.release)
        finally:
            self._entering -= 1
        durable = asyncio.get_running_loop().create_future()
        batch.members.append(durable)
        await durable
        for call in (*self.on_commit, *connection.committed):
            call()

    @contextmanager
    def _block(self) -> Iterator[Batch]:
        """A savepoint in the batch that is being filled."""
        batch = self._begin()
        try:
            yield batch
            refuse_if(self._suspended)
            if not self._raw.in_transaction:
                raise Unavailable(UNDONE)
            self._raw.execute("RELEASE member")
        except BaseException:
            if self._raw.in_transaction:  # a full disk has undone the whole batch already
                self._raw.execute("ROLLBACK TO member")
                self._raw.execute("RELEASE member")
            raise
        finally:
            self._end_block()

    def _begin(self) -> Batch:
        """Join the batch that is being filled, or begin one."""
        if self._batch is None:
            try:
                self._raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as e:
                raise translated(e) from e
            full_at = time.monotonic() + max(self.fill_s, self._commit_took_s)
            self._batch = Batch(full_at, self._raw.total_changes)
            asyncio.get_running_loop().call_soon(self._commit)
        self._raw.execute("SAVEPOINT member")
        self._writing = asyncio.current_task()
        return self._batch

    def _end_block(self) -> None:
        self._writing = None
        if not self._raw.in_transaction:
            self._commit()  # now: nobody may join a batch that is lost
        elif self._suspended:
            asyncio.get_running_loop().call_soon(self._commit)
        self._suspended = False

    def _commit(self) -> None:
        """In each round of the event loop, until nobody waits to join the batch, or it is full."""
        loop, batch, lost = asyncio.get_running_loop(), self._batch, not self._raw.in_transaction
        if self._writing:  # the open block awaited something that is no database: it comes back to this, and is told
            self._suspended = True
            return
        if batch is None:  # it was lost, and its members know
            return
        if not lost and self._entering and time.monotonic() < batch.full_at:
            loop.call_soon(self._commit)
            return
        self._batch = None
        if lost:
            self._acknowledge(batch, Unavailable(UNDONE))
        elif self._raw.total_changes == batch.changes_before:
            self._raw.execute("ROLLBACK")
            self._acknowledge(batch, None)
        else:
            self._free.clear()
            done = loop.run_in_executor(self._disk, self._commit_on_disk)
            done.add_done_callback(lambda done: self._committed(batch, done.exception()))

    def _acknowledge(self, batch: Batch, error: BaseException | None) -> None:
        """Let its members go on, behind those of the batches before it."""
        self._ended.extend((durable, error) for durable in batch.members)
        if not self._going_on:
            self._go_on()

    def _go_on(self) -> None:
        """Let one go on, in each round of the event loop."""
        self._going_on = False
        while self._ended:
            durable, error = self._ended.popleft()
            if not durable.done():  # else its task was cancelled
                durable.set_result(None) if error is None else durable.set_exception(error)
                self._going_on = True
                asyncio.get_running_loop().call_soon(self._go_on)
                return

    def _commit_on_disk(self) -> None:
        """In the writer's thread: returns when the batch is on the disk."""
        began = time.monotonic()
        try:
            self._raw.execute("COMMIT")
        except sqlite3.Error:
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
            raise
        finally:
            self._commit_took_s = time.monotonic() - began
        if self._restart_wal:  # readers and sweeps never catch up with a steady stream of writes: hold it once
            self._restart_wal = False
            checkpoint(lambda: nullcontext(self._raw), "RESTART")

    def _committed(self, batch: Batch, error: BaseException | None) -> None:
        self._free.set()
        self._acknowledge(batch, translated(error) if isinstance(error, Exception) else error)
        wal_bytes = os.stat(f"{self.path}-wal").st_size
        self._restart_wal = wal_bytes > self.wal_restart_bytes
        if wal_bytes > self.wal_sweep_bytes and (self._sweep is None or self._sweep.done()):
            sweep = partial(checkpoint, lambda: closing(self._connect()), "PASSIVE")
            self._sweep = asyncio.get_running_loop().run_in_executor(self._sweeper, sweep)


def checkpoint(connected: Callable[[], AbstractContextManager[sqlite3.Connection]], kind: str) -> None:
    """Copy the log into the file. What fails is tried again after the next commit: the log has it all."""
    try:
        with connected() as raw:
            raw.execute(f"PRAGMA wal_checkpoint({kind})").fetchall()
    except sqlite3.Error as e:
        logger.warning("The write-ahead log cannot be copied into the database: %s", e)


def raw_connection(connection: sa.Connection) -> sqlite3.Connection:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def refuse_to_wait_for(holder: asyncio.Task[Any] | None) -> None:
    if holder is not None and holder is asyncio.current_task():
        raise AssertionError("this task has one open already and would wait for itself: pass the open Ctx on")


def refuse_if(suspended: bool) -> None:
    if suspended:
        raise AssertionError("a block awaited something that is not the database; do that before or after")
