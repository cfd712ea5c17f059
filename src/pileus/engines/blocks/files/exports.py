"""Volumes for hosts elsewhere: one qemu-storage-daemon for each export, which goes on when the agent ends.

Its listening socket is made here, so that what it accepts sends small packets at once. Only the host that it is for may
connect: by its certificate of this cloud, whose name is checked.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pileus.engines.blocks import Connection, Export
from pileus.engines.files import make_directory, read_or_none, write_whole
from pileus.kernel.errors import Unavailable

PROGRAM = "qemu-storage-daemon"
NODE, FILE, EXPORT = "volume", "file", "export"
ANSWERS_WITHIN_S = 3.0
GONE_WITHIN_S = 3.0


class Held(msgspec.Struct, frozen=True):
    """The file of an export. `port` None: a guest of this host opens the volume's file itself."""

    export: Export
    port: int | None = None


@dataclass(frozen=True)
class Site:
    """Where exports are reached: this host's name and address, and where QEMU finds its certificates.

    `certificates` raises Unavailable while there are none. None in its place: in the clear, for tests.
    """

    name: str
    address: str = "127.0.0.1"
    certificates: Callable[[], Path] | None = None


class Exports:
    """The exports of one host."""

    def __init__(self, home: Path, volumes: Path, site: Site) -> None:
        self._home, self._volumes, self._site = make_directory(home), volumes, site

    def all(self) -> dict[str, Held]:
        """By the id of the attachment."""
        files = [file for file in sorted(self._home.glob("*.json")) if not file.name.startswith(".")]
        read = {file.stem: read_or_none(file) for file in files}
        return {stem: msgspec.json.decode(data, type=Held) for stem, data in read.items() if data is not None}

    def of(self, volume_id: object) -> list[Held]:
        return [held for held in self.all().values() if str(held.export.volume_id) == str(volume_id)]

    async def ensure(self, export: Export) -> Connection:
        """Raises Unavailable when the daemon does not come up."""
        file = self._home / f"{export.id}.json"
        data = read_or_none(file)
        held = msgspec.json.decode(data, type=Held) if data is not None else Held(export)
        if export.host == self._site.name:
            await self._end(held)
            write_whole(file, msgspec.json.encode(Held(export)), durable=True)
            return Connection(driver="file", path=str(self._volumes / str(export.volume_id)))
        if held.export != export:
            await self._end(held)
        if not self.serves(held) or held.export != export:
            held = await asyncio.to_thread(self._start, Held(export, held.port))
        secure = self._site.certificates is not None
        return Connection(
            driver="nbd",
            address=self._site.address,
            port=held.port,
            export=str(export.id),
            tls=secure,
            tls_hostname=self._site.name if secure else None,
        )

    async def ensure_gone(self, attachment_id: object) -> None:
        held = self.all().get(str(attachment_id))
        if held is not None:
            await self._end(held)
            (self._home / f"{attachment_id}.json").unlink(missing_ok=True)

    async def resume(self) -> None:
        """After a restart of the host or of a daemon: what is exported is served again, at the same port."""
        for held in self.all().values():
            if held.port is not None and not self.serves(held):
                with suppress(Unavailable):
                    await asyncio.to_thread(self._start, held)

    async def grown(self, volume_id: object, size_bytes: int) -> None:
        """The daemons that serve a volume see its new size. Who uses it waits for a moment, and connects anew."""
        for held in self.of(volume_id):
            if held.port is None:
                continue
            named = {"type": "nbd", "id": EXPORT, "node-name": NODE, "name": str(held.export.id)}
            again: dict[str, Any] = {**named, "writable": not held.export.read_only}
            commands: list[tuple[str, dict[str, Any]]] = [
                ("block-export-del", {"id": EXPORT, "mode": "hard"}),
                ("block_resize", {"node-name": NODE, "size": size_bytes}),
                ("block-export-add", again),
            ]
            await self.say(held, commands)

    # one daemon

    def serves(self, held: Held) -> bool:
        """Whether its daemon runs."""
        return held.port is not None and self._pid(held) is not None

    def _pid(self, held: Held) -> int | None:
        text = read_or_none(self._file(held, "pid"))
        pid = int(text.strip() or 0) if text else 0
        command = read_or_none(Path(f"/proc/{pid}/cmdline")) if pid else None
        return pid if command and str(held.export.id).encode() in command else None

    def _file(self, held: Held, suffix: str) -> Path:
        return self._home / f"{held.export.id}.{suffix}"

    def _start(self, held: Held) -> Held:
        """Its daemon serves when this returns. Raises Unavailable, with its last words."""
        sock = listening(held.port or 0)
        try:
            held = Held(held.export, sock.getsockname()[1])
            write_whole(self._home / f"{held.export.id}.json", msgspec.json.encode(held), durable=True)
            certificates = self._site.certificates
            command = self._command(held, sock.fileno(), certificates() if certificates else None)
            run = subprocess.run(  # noqa: S603 (our words alone)
                command,
                pass_fds=[sock.fileno()],
                cwd=self._home,
                capture_output=True,
                timeout=ANSWERS_WITHIN_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as e:
            raise Unavailable(f"The export of volume {held.export.volume_id} does not come up: {e}") from e
        finally:
            sock.close()
        if run.returncode:
            words = run.stderr.decode(errors="replace").strip()[-300:]
            raise Unavailable(f"The export of volume {held.export.volume_id} does not come up: {words}")
        return held

    def _command(self, held: Held, fd: int, tls: Path | None) -> list[str]:
        export = held.export
        path, read_only = self._volumes / str(export.volume_id), "on" if export.read_only else "off"
        server = f"addr.type=fd,addr.str={fd},max-connections=0"
        command = [PROGRAM, "--daemonize"]
        if tls is not None:
            command += ["--object", f"tls-creds-x509,id=tls,endpoint=server,verify-peer=on,dir={comma(tls)}"]
            command += ["--object", f"authz-simple,id=who,identity=CN={comma(export.host)}"]
            server += ",tls-creds=tls,tls-authz=who"
        return [
            *command,
            "--blockdev",
            f"driver=file,node-name={FILE},filename={comma(path)},read-only={read_only},cache.direct=on,discard=unmap",
            "--blockdev",
            f"driver=raw,node-name={NODE},file={FILE},read-only={read_only},discard=unmap",
            "--nbd-server",
            server,
            "--export",
            f"type=nbd,id={EXPORT},node-name={NODE},name={export.id},writable={'off' if export.read_only else 'on'}",
            "--chardev",
            f"socket,id=qmp,path={held.export.id}.qmp,server=on,wait=off",  # in its folder: a socket's path is short
            "--monitor",
            "chardev=qmp",
            "--pidfile",
            str(self._file(held, "pid")),
        ]

    async def _end(self, held: Held) -> None:
        pid = self._pid(held)
        if pid is not None:
            await asyncio.to_thread(ended, pid)
        for suffix in ("pid", "qmp"):
            self._file(held, suffix).unlink(missing_ok=True)

    async def say(self, held: Held, commands: list[tuple[str, dict[str, Any]]]) -> None:
        """These commands to the daemon, one after the other. Raises OSError, Unavailable."""
        reader, writer = await self._monitor(held)
        try:
            await reader.readline()
            for name, arguments in [("qmp_capabilities", {}), *commands]:
                writer.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
                await writer.drain()
                await answered(reader, name)
        finally:
            writer.close()

    async def _monitor(self, held: Held) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises OSError."""
        folder = os.open(self._home, os.O_PATH | os.O_DIRECTORY)  # a path to a socket is short
        try:
            return await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{held.export.id}.qmp")
        finally:
            os.close(folder)


async def answered(reader: asyncio.StreamReader, name: str) -> None:
    """Raises Unavailable for an error."""
    while line := await reader.readline():
        said = json.loads(line)
        if "error" in said:
            raise Unavailable(f"{PROGRAM}: {name}: {said['error'].get('desc')}")
        if "return" in said:
            return
    raise Unavailable(f"{PROGRAM}: {name}: it has ended")


def ended(pid: int) -> None:
    """The process is gone when this returns."""
    with suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(fd, signal.SIGKILL)  # it has nothing to say: what was acknowledged is in the file
            select.select([fd], [], [], GONE_WITHIN_S)
        finally:
            os.close(fd)


def listening(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind(("", port))
    sock.listen(64)
    return sock


def comma(value: object) -> str:
    """As QEMU's options take it."""
    return str(value).replace(",", ",,")
