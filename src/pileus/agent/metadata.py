"""The metadata process of a host: it answers guests at 169.254.169.254, in all networks.

    python -m pileus.agent.metadata DIRECTORY UID

It lives in a network namespace that has a device for each network with guests here, and listens on each of them: which
device a question comes in from says the network, whatever addresses networks may share. It has no rights, no secrets and no
way out but a socket of the agent, and it passes on nothing that a guest says about itself.

    DIRECTORY/networks.json  {device: network id}, read at the start and at SIGHUP
    DIRECTORY/guests.sock    where the agent answers
    DIRECTORY/metadata.pid   ours; locked as long as we live
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import signal
import socket
import sys
from collections import Counter
from functools import partial
from uuid import UUID

import h11
import msgspec

from pileus.engines.guests import BODY_BYTES, Asked, Told

logger = logging.getLogger("pileus.metadata")

ADDRESS, PORT = "169.254.169.254", 80
HEAD_BYTES = 16 * 1024
PATIENCE_S = 10.0  # with a guest that speaks, or listens, slowly
ANSWERS_WITHIN_S = 30.0
AT_ONCE, OF_ONE = 1024, 8  # connections: of all guests, of one
METHODS = (b"GET", b"HEAD", b"POST", b"PUT")
FORWARDED_PATH = re.compile(rb"/[\x21-\x7e]*")
AWAY = Told(status=503, body=b"Ask again.\n")
REFUSED = Told(status=400, body=b"Bad Request\n")
NETWORKS, SOCKET, PID_FILE = "networks.json", "guests.sock", "metadata.pid"


class Refused(Exception):
    """Not a question that we pass on."""


class Metadata:
    """A listener for each network; `directory` is a path that needs no rights of us."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._servers: dict[tuple[str, UUID], asyncio.Server] = {}
        self._speaking: Counter[tuple[UUID, str]] = Counter()

    async def follow(self) -> None:
        """Listen where there are networks by now, and nowhere else."""
        wanted = set(self._networks().items())
        for gone in self._servers.keys() - wanted:
            self._servers.pop(gone).close()
        for device, network_id in sorted(wanted - self._servers.keys()):
            try:
                sock = listening(device)
            except OSError as e:  # its device is gone again: whoever took it away tells us next
                logger.warning("%s cannot be listened on: %s", device, e)
                continue
            speak = partial(self._speak, network_id)
            self._servers[device, network_id] = await asyncio.start_server(speak, sock=sock)

    def _networks(self) -> dict[str, UUID]:
        with open(f"{self._directory}/{NETWORKS}", "rb") as file:
            return msgspec.json.decode(file.read(), type=dict[str, UUID])

    async def _speak(self, network_id: UUID, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One question and its answer. Who takes too many places is sent away: there are others to be heard."""
        address = writer.get_extra_info("peername")[0]
        guest = (network_id, address)
        self._speaking[guest] += 1
        try:
            if self._speaking[guest] <= OF_ONE and self._speaking.total() <= AT_ONCE:
                await self._answer(network_id, address, reader, writer)
                async with asyncio.timeout(PATIENCE_S):
                    await writer.drain()
        except (OSError, TimeoutError):
            writer.transport.abort()
        finally:
            self._speaking -= Counter({guest: 1})
            writer.close()

    async def _answer(
        self, network_id: UUID, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
        try:
            async with asyncio.timeout(PATIENCE_S):
                request, body = await question(connection, reader)
            asked = Asked(
                network_id=network_id,
                address=address,
                path=request.target.decode("ascii"),
                method=request.method.decode("ascii"),
                body=body,
            )
            told = await self._pass_on(asked)
        except (Refused, h11.RemoteProtocolError):
            request, told = None, REFUSED
        writer.write(response(told, with_body=request is None or request.method != b"HEAD"))

    async def _pass_on(self, asked: Asked) -> Told:
        """What the control plane says, by way of the agent."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                reader, writer = await asyncio.open_unix_connection(f"{self._directory}/{SOCKET}")
                try:
                    writer.write(msgspec.json.encode(asked))
                    writer.write_eof()
                    return msgspec.json.decode(await reader.read(), type=Told)
                finally:
                    writer.close()
        except (OSError, TimeoutError, msgspec.DecodeError) as e:
            logger.warning("the agent does not answer: %s", e)
            return AWAY


async def question(connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[h11.Request, bytes]:
    """The request and its body. Raises Refused, h11.RemoteProtocolError."""
    request, body = None, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(HEAD_BYTES))
        elif isinstance(event, h11.Request):
            if event.method not in METHODS or not FORWARDED_PATH.fullmatch(event.target):
                raise Refused
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_BYTES:
                raise Refused
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return request, body
        else:
            raise Refused


def response(told: Told, *, with_body: bool) -> bytes:
    """On the wire; the connection ends with it."""
    head = (
        f"HTTP/1.1 {told.status} \r\nContent-Type: {told.content_type}\r\nContent-Length: {len(told.body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (told.body if with_body else b"")


def listening(device: str) -> socket.socket:
    """A socket that hears this device only; several networks may have guests of one address."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        sock.bind((ADDRESS, PORT))
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


async def serve(directory: str, ready: int) -> None:
    """Until SIGTERM."""
    loop, stop, again = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    metadata = Metadata(directory)
    await metadata.follow()
    os.write(ready, b".")
    os.close(ready)
    stopped = asyncio.ensure_future(stop.wait())
    while not stop.is_set():
        heard = asyncio.ensure_future(again.wait())
        await asyncio.wait({stopped, heard}, return_when=asyncio.FIRST_COMPLETED)
        heard.cancel()
        if again.is_set():
            again.clear()
            await metadata.follow()


def give_rights_away(uid: int) -> None:
    """For good: whatever a guest may make of us, there is nothing to have."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def locked(directory: str) -> int:
    """The pid file, which holds our lock until we end."""
    file = os.open(f"{directory}/{PID_FILE}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.ftruncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    return file


def main(directory: str, uid: str) -> int:
    """Go on in the background; return when that serves."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return 0 if os.read(reading, 1) else 1
    os.close(reading)
    os.setsid()
    _lock = locked(directory)
    log = os.open(f"{directory}/metadata.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY)
    for fd in (1, 2):
        os.dup2(log, fd)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    give_rights_away(int(uid))
    asyncio.run(serve(f"/proc/self/fd/{place}", writing))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
