"""Many bytes by threads: a file to a socket without passing through the process, and a socket's in large pieces.

The loop stops neither for the disk nor for the copying.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket as sockets
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fcntl import ioctl
from termios import FIONREAD
from typing import TYPE_CHECKING, Any, TypeVar

from pileus.kernel.errors import ClientGone

if TYPE_CHECKING:
    from pileus.kernel.http.connection import Connection

T = TypeVar("T")

STEP_BYTES = 8_388_608  # most that one turn of a thread sends
WAIT_S = 0.002  # a client that takes more so soon is waited for by the thread: a turn of the loop and it costs more
TURN_S = 0.02  # and then it is another one's turn
NEAR_US = 500  # a round trip so short needs no more under way than NEAR_BYTES to fill any line
NEAR_BYTES = 524_288  # (the kernel makes it twice that); what fits the caches of a processor goes twice as fast
_ROUND_TRIP = slice(68, 72)  # tcpi_rtt of struct tcp_info


async def send_file(link: Connection, file: Any, offset: int, count: int) -> None:
    """Send bytes [offset, offset + count) of `file` (a descriptor, or what has a `fileno`). Raises ClientGone.

    Waits until the transport's buffer is empty. The loop's own sendfile reads the disk in the loop's thread (and uvloop has
    none): a page that is not in memory would stop everybody. Here threads do it; the socket itself never blocks them.
    The socket is a duplicate, for neither loop lets others watch a descriptor it owns.
    """
    file = file if isinstance(file, int) else file.fileno()
    loop, patient = asyncio.get_running_loop(), True
    sock = link.transport.get_extra_info("socket")
    if count > NEAR_BYTES:
        _keep_near(sock)
    socket = os.dup(sock.fileno())
    try:
        while count:
            if link.transport.is_closing():
                raise ClientGone("closed")
            sent = 0
            if not link.transport.get_write_buffer_size():
                step = min(count, STEP_BYTES)
                sent = await _to_its_end(link.site.threads, _push, socket, file, offset, step, patient)
                offset, count = offset + sent, count - sent
            if count and sent < STEP_BYTES:
                began = loop.time()
                await _writable(link, socket)
                patient = loop.time() - began < WAIT_S  # no thread waits for who is slow
    finally:
        os.close(socket)


def _keep_near(sock: Any) -> None:
    """Let little be under way to a client that is near; to others as much as the kernel finds right."""
    with suppress(OSError):  # not TCP
        about = sock.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _ROUND_TRIP.stop)
        if int.from_bytes(about[_ROUND_TRIP], sys.byteorder) < NEAR_US:
            sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, NEAR_BYTES)


def _push(socket: int, file: int, offset: int, count: int, patient: bool) -> int:
    """Send until the socket is full; if `patient`, until it stays so for a moment. How many bytes went.

    Raises ClientGone, EOFError if the file ends too early.
    """
    until, room, done = time.monotonic() + TURN_S * patient, select.poll(), 0
    room.register(socket, select.POLLOUT)
    try:
        while done < count:
            sent = _sent(socket, file, offset + done, count - done)
            if sent is None and (time.monotonic() >= until or not room.poll(1000 * WAIT_S)):
                break
            done += sent or 0
    except ConnectionError as e:
        raise ClientGone("closed") from e
    return done


def _sent(socket: int, file: int, offset: int, count: int) -> int | None:
    """How many bytes went at once; None if the socket is full. Raises EOFError."""
    try:
        sent = os.sendfile(socket, file, offset, count)
    except BlockingIOError:
        return None
    if sent == 0:
        raise EOFError(f"the file ends before byte {offset + count}")
    return sent


async def _writable(link: Connection, socket: int) -> None:
    """Return when the socket takes more or the connection is lost, which it is when the client stalls for too long."""
    loop = asyncio.get_running_loop()
    link.pause_writing()
    loop.add_writer(socket, link.resume_writing)
    try:
        await link.drained()
    finally:
        loop.remove_writer(socket)


async def read_socket(link: Connection, most: int, least: int) -> bytes:
    """At most `most` bytes of what waits in the socket of a connection that does not read; nothing if less than `least` do.

    The transport would read a quarter of it at once, and copy it in the loop's thread.
    """
    socket = os.dup(link.transport.get_extra_info("socket").fileno())
    try:
        count = min(most, int.from_bytes(ioctl(socket, FIONREAD, bytes(4)), sys.byteorder))
        # exactly what is there: of memory that is returned in part, malloc would make new pages each time
        return b"" if count < least else await _to_its_end(link.site.threads, os.read, socket, count)
    finally:
        os.close(socket)


async def _to_its_end(threads: ThreadPoolExecutor, call: Callable[..., T], *args: Any) -> T:
    """The result of a call in a thread, waited for even when cancelled: it uses descriptors that are closed after it."""
    running = asyncio.get_running_loop().run_in_executor(threads, call, *args)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # nobody else will look at it
        raise
