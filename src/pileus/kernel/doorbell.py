"""What wakes a worker. A lost ring costs one poll interval, never correctness."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Protocol

from pileus.kernel.clock import SystemClock

if TYPE_CHECKING:
    import asyncpg

log = logging.getLogger(__name__)

CHANNEL = "pileus_doorbell"
ANSWERS_WITHIN_S = 10.0
AGAIN_AFTER_S = (0.1, 0.5, 2.0, 5.0)


class Doorbell(Protocol):
    """Rung after a commit that gave workers something to do."""

    def ring(self) -> None:
        """Wake whoever waits. Never blocks, never fails."""
        ...

    async def wait(self, timeout_s: float) -> None:
        """Return when it was rung since the last return, or after `timeout_s`."""
        ...


class LocalDoorbell:
    """An event in the process."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()


class PostgresDoorbell:
    """LISTEN and NOTIFY, for processes that share a PostgreSQL database.

    A ring wakes this process at once and the others by a notification without payload, sent after the commit on a
    connection of its own; rings that come while one is being sent share the next. Without a connection the others find
    their work by polling, and are woken when it is back.

    `url` goes to PostgreSQL itself: a pooler in between would lose the LISTEN.
    """

    def __init__(self, url: str, *, alive_every_s: float = 15.0) -> None:
        self._url = url
        self._alive_every_s = alive_every_s
        self._local = LocalDoorbell()
        self._owed = asyncio.Event()
        self._connected = asyncio.Event()
        self._rings = self._said = 0
        self._passed_on = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen. A database that is away is tried again for ever."""
        self._task = asyncio.create_task(self._run(), name="doorbell")

    async def stop(self) -> None:
        """Stop listening. May be called twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def connected(self) -> None:
        """Return when it listens."""
        await self._connected.wait()

    async def settled(self) -> None:
        """Return when every ring so far was passed on."""
        wanted = self._rings
        while self._said < wanted:
            self._passed_on.clear()
            await self._passed_on.wait()

    def ring(self) -> None:
        self._local.ring()
        self._rings += 1
        self._owed.set()

    async def wait(self, timeout_s: float) -> None:
        await self._local.wait(timeout_s)

    async def _run(self) -> None:
        import asyncpg

        # a connection that the server ends while it is asked may fall over its own feet
        broken = (asyncpg.InterfaceError, asyncpg.InternalClientError)
        failures = 0
        while True:
            try:
                async with asyncio.timeout(ANSWERS_WITHIN_S):
                    connection = await asyncpg.connect(
                        self._url, server_settings={"application_name": "pileus doorbell"}
                    )
                failures = 0
                await self._serve(connection)
            except (OSError, TimeoutError, asyncpg.PostgresError, *broken) as e:
                if not failures:
                    log.warning("The doorbell has no database; workers poll.", extra={"facts": {"cause": e}})
                await SystemClock().sleep(AGAIN_AFTER_S[min(failures, len(AGAIN_AFTER_S) - 1)])
                failures += 1

    async def _serve(self, connection: asyncpg.Connection[Any]) -> None:
        """Listen, and pass on what is owed. Raises what ends the connection."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                await connection.add_listener(CHANNEL, lambda *_: self._local.ring())
            self._local.ring()  # whatever was rung while nobody listened
            self._connected.set()
            while True:
                await self._say(await self._next_statement(), connection)
        finally:
            self._connected.clear()
            connection.terminate()

    async def _next_statement(self) -> str:
        """What is owed; after a while without rings a question that shows whether the server is still there."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._alive_every_s):
                await self._owed.wait()
        return f"NOTIFY {CHANNEL}" if self._owed.is_set() else "SELECT 1"

    async def _say(self, statement: str, connection: asyncpg.Connection[Any]) -> None:
        """Within the deadline, for a peer that vanished without a word answers never. What failed is owed still."""
        self._owed.clear()
        rings = self._rings
        try:
            await connection.execute(statement, timeout=ANSWERS_WITHIN_S)
        except BaseException:
            self._owed.set()
            raise
        self._said = rings
        self._passed_on.set()
