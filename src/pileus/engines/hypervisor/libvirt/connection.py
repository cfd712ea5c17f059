"""Calls to libvirt: each in a thread, with a deadline; a daemon that died is started anew. And what guests do by themselves.

libvirt's own event loop is one thread of the process, whatever loops of asyncio come and go.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

import libvirt

from pileus.engines.hypervisor.libvirt.daemon import Libvirtd
from pileus.kernel.errors import Unavailable

T = TypeVar("T")

THREADS = 8
CALL_S = 60.0
KEEPALIVE_S, KEEPALIVES = 5, 3
GONE = frozenset(
    {
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_INVALID_CONN,
        libvirt.VIR_ERR_RPC,
        libvirt.VIR_ERR_OPERATION_TIMEOUT,
    }
)
"""What says nothing about the guest: the daemon is away, or too busy."""

WAITS = (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)
SETTLED_S = (2.0, 10.0)
UNHEARD = (libvirt.VIR_DOMAIN_EVENT_STOPPED, -1)
"""It is off, perhaps since a time in which nobody listened."""
INACTIVE = libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE
Lifecycle = Callable[[UUID, int, int], None]
_events = threading.Lock()
_event_thread: threading.Thread | None = None


def ensure_event_thread() -> None:
    """libvirt wants its events turned by somebody, from before the first connection on."""
    global _event_thread
    with _events:
        if _event_thread is None:
            libvirt.virEventRegisterDefaultImpl()
            libvirt.registerErrorHandler(lambda *_: None, None)  # else it prints what it raises
            _event_thread = threading.Thread(target=turn_events, name="libvirt events", daemon=True)
            _event_thread.start()


def turn_events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


class Connection:
    """The connection to one daemon, opened when it is needed. `lifecycle` hears of guests: id, VIR_DOMAIN_EVENT_*, and its detail."""

    def __init__(self, daemon: Libvirtd, lifecycle: Lifecycle) -> None:
        self._daemon, self._lifecycle = daemon, lifecycle
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="libvirt")
        self._opening = asyncio.Lock()
        self._connection: Any = None
        self._looking: asyncio.Future[None] | None = None
        self._off: set[bytes] = set()  # who was off at the last look
        self._closed = False

    @property
    def now(self) -> Any:
        """The connection that is open, for what may take longer than a call: whoever uses it hears when it breaks."""
        return self._connection

    async def call(self, work: Callable[..., T], *arguments: Any) -> T:
        """`work(connection, *arguments)`, in a thread. Raises libvirtError for what the daemon refuses, Unavailable."""
        connection = await self._opened()
        try:
            return await self._in_thread(work, connection, *arguments)
        except libvirt.libvirtError as e:
            if e.get_error_code() in GONE or not connection.isAlive():
                raise Unavailable(f"libvirtd does not answer: {e}") from e
            raise

    async def _opened(self) -> Any:
        async with self._opening:
            if self._connection is None or not self._connection.isAlive():
                await self._daemon.ensure()
                ensure_event_thread()
                loop = asyncio.get_running_loop()
                try:
                    self._connection = await self._in_thread(self._open, loop)
                except libvirt.libvirtError as e:
                    raise Unavailable(f"libvirtd does not answer: {e}") from e
                for seconds in SETTLED_S:
                    loop.call_later(seconds, self.look_again)
            return self._connection

    def look_again(self) -> None:
        """A libvirtd that begins sees only after a while who has gone while it was away, and tells nobody of that."""
        if self._connection is not None and not self._closed:
            loop = asyncio.get_running_loop()
            self._looking = loop.run_in_executor(self._threads, self._tell_who_is_off, self._connection, loop)

    def _tell_who_is_off(self, connection: Any, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(libvirt.libvirtError):  # then it is opened again, and looked at again
            off = {domain.UUID(): domain for domain in connection.listAllDomains(INACTIVE)}
            for each in off.keys() - self._off:
                self._hear(loop, off[each], *UNHEARD)
            self._off = set(off)

    def _hear(self, loop: asyncio.AbstractEventLoop, domain: Any, event: int, detail: int) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._lifecycle, UUID(domain.UUIDString()), event, detail)

    def _open(self, loop: asyncio.AbstractEventLoop) -> Any:
        connection = libvirt.open(self._daemon.uri)
        connection.setKeepAlive(KEEPALIVE_S, KEEPALIVES)

        def heard(_: Any, domain: Any, event: int, detail: int, opaque: Any) -> None:
            self._hear(loop, domain, event, detail)

        connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, heard, None)
        self._off = set()
        self._tell_who_is_off(connection, loop)
        for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PAUSED):
            if waits_for_disk(domain):
                heard(connection, domain, *WAITS, None)
        return connection

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        call = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        try:
            async with asyncio.timeout(CALL_S):
                return await call
        except TimeoutError as e:
            raise Unavailable(f"libvirtd has not answered for {CALL_S:.0f} s.") from e

    async def close(self) -> None:
        self._closed = True
        if self._connection is not None:
            await asyncio.to_thread(close, self._connection)
        self._threads.shutdown(wait=False, cancel_futures=True)


def close(connection: Any) -> None:
    try:
        connection.close()
    except libvirt.libvirtError:
        return  # the daemon was gone before us


def waits_for_disk(domain: Any) -> bool:
    """Whether it stands still as it could not read or write a disk."""
    return tuple(domain.state()) == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)


def domain_of(connection: Any, guest_id: UUID) -> Any:
    """The guest's domain, or None."""
    try:
        return connection.lookupByUUID(guest_id.bytes)
    except libvirt.libvirtError as e:
        if e.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise
