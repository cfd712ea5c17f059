"""A file to a socket without passing through the process, and without stopping the loop for the disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pileus.kernel.errors import ClientGone

if TYPE_CHECKING:
    from pileus.kernel.http.connection import Connection

STEP_BYTES = 8_388_608  # most that one turn of a thread sends


async def send_file(link: Connection, file: Any, offset: int, count: int) -> None:
    """Send bytes [offset, offset + count) of `file` (a descriptor, or what has a `fileno`). Raises ClientGone.

    Waits until the transport's buffer is empty. The loop's own sendfile reads the disk in the loop's thread (and uvloop has
    none): a page that is not in memory would stop everybody. Here threads do it; the socket itself never blocks them.
    The socket is a duplicate, for neither loop lets others watch a descriptor it owns.
    """
    file = file if isinstance(file, int) else file.fileno()
    socket = os.dup(link.transport.get_extra_info("socket").fileno())
    try:
        while count:
            if link.transport.is_closing():
                raise ClientGone("closed")
            sent = 0
            if not link.transport.get_write_buffer_size():
                sent = await _to_its_end(link.site.threads, _push, socket, file, offset, min(count, STEP_BYTES))
                offset, count = offset + sent, count - sent
            if count and sent < STEP_BYTES:
                await _writable(link, socket)
    finally:
        os.close(socket)


def _push(socket: int, file: Any, offset: int, count: int) -> int:
    """Send until the socket is full; how many bytes went. Raises ClientGone, EOFError if the file ends too early."""
    done = 0
    try:
        while done < count:
            sent = os.sendfile(socket, file, offset + done, count - done)
            if sent == 0:
                raise EOFError(f"the file ends before byte {offset + count}")
            done += sent
    except BlockingIOError:
        pass
    except ConnectionError as e:
        raise ClientGone("closed") from e
    return done


async def _writable(link: Connection, socket: int) -> None:
    """Return when the socket takes more or the connection is lost, which it is when the client stalls for too long."""
    loop = asyncio.get_running_loop()
    link.pause_writing()
    loop.add_writer(socket, link.resume_writing)
    try:
        await link.drained()
    finally:
        loop.remove_writer(socket)


async def _to_its_end(threads: ThreadPoolExecutor, call: Callable[..., int], *args: Any) -> int:
    """The result of a call in a thread, waited for even when cancelled: it uses descriptors that are closed after it."""
    running = asyncio.get_running_loop().run_in_executor(threads, call, *args)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # nobody else will look at it
        raise
