"""Volumes for hosts elsewhere: one qemu-storage-daemon for each export, which goes on when the agent ends.

Its listening socket is made here, so that what it accepts sends small packets at once. Only the host that it is for may
connect: by its certificate of this cloud, whose name is checked.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from pileus.engines.blocks import Connection, Export
from pileus.engines.files import make_directory, read_or_none, write_whole
from pileus.kernel.errors import Unavailable

PROGRAM = "qemu-storage-daemon"
NODE, FILE = "volume", "file"
SLOTS = ("", "+")
ANSWERS_WITHIN_S = 3.0
GONE_WITHIN_S = 3.0


class Held(msgspec.Struct, frozen=True):
    """The file of an export to one host. `port` None: a guest of this host opens the volume's file itself. `size_bytes`: what is
    served. `slot`: which of the two hosts it is that an attachment may be open to, while its guest moves."""

    export: Export
    port: int | None = None
    size_bytes: int = 0
    slot: str = ""


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
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def _alone(self, attachment_id: object) -> asyncio.Lock:
        """Held by who opens, closes or renews its exports: a volume grows while one of its attachments goes."""
        return self._changing.setdefault(str(attachment_id), asyncio.Lock())

    def all(self) -> dict[str, Held]:
        """By their names: the id of the attachment, and the slot."""
        files = [file for file in sorted(self._home.glob("*.json")) if not file.name.startswith(".")]
        read = {file.stem: read_or_none(file) for file in files}
        return {stem: msgspec.json.decode(data, type=Held) for stem, data in read.items() if data is not None}

    def of(self, volume_id: object) -> list[Held]:
        return [held for held in self.all().values() if str(held.export.volume_id) == str(volume_id)]

    async def ensure(self, export: Export) -> Connection:
        """Raises Unavailable when the daemon does not come up."""
        async with self._alone(export.id):
            return await self._open(export)

    async def _open(self, export: Export) -> Connection:
        held = await self._place(export)
        export = msgspec.structs.replace(export, also=None)
        if export.host == self._site.name:
            await self._end(held)
            self._write(msgspec.structs.replace(held, export=export, port=None))
            return Connection(driver="file", path=str(self._volumes / str(export.volume_id)))
        if held.export != export:
            await self._end(held)
        if not self.serves(held) or held.export != export:
            held = await asyncio.to_thread(self._start, msgspec.structs.replace(held, export=export))
        secure = self._site.certificates is not None
        return Connection(
            driver="nbd",
            address=self._site.address,
            port=held.port,
            export=str(export.id),
            tls=secure,
            tls_hostname=self._site.name if secure else None,
        )

    async def _place(self, export: Export) -> Held:
        """What is held for that host, or will be: what any other has ends here, but for the one that may go on with it."""
        slots = self._slots(export.id)
        going_on = [held for held in slots if held.export.host == export.also]
        found = [held for held in slots if held.export.host == export.host]
        free = [held for held in slots if held not in going_on]
        for held in free:
            if held not in (found or free[:1]):
                await self._forget(held)
        slot = next(slot for slot in SLOTS if slot not in {held.slot for held in going_on})
        return (found or free[:1] or [Held(export, slot=slot)])[0]

    def _slots(self, attachment_id: object) -> list[Held]:
        known = self.all()
        return [known[name] for slot in SLOTS if (name := f"{attachment_id}{slot}") in known]

    async def _forget(self, held: Held) -> None:
        await self._end(held)
        self._file(held, "json").unlink(missing_ok=True)

    def _write(self, held: Held) -> None:
        write_whole(self._file(held, "json"), msgspec.json.encode(held), durable=True)

    async def ensure_gone(self, attachment_id: object) -> None:
        async with self._alone(attachment_id):
            for held in self._slots(attachment_id):
                await self._forget(held)

    async def resume(self) -> None:
        """After a restart of the host or of a daemon: what is exported is served again, at the same port."""
        for held in self.all().values():
            if held.port is not None and not self.serves(held):
                with suppress(Unavailable):
                    await asyncio.to_thread(self._start, held)

    async def grown(self, volume_id: object) -> None:
        """The daemons that serve a volume serve all of it: those that began before it grew begin anew, at the same port.
        Whoever uses it waits for a moment, and connects again. Raises Unavailable."""
        size_bytes = (self._volumes / str(volume_id)).stat().st_size
        for attachment_id in {held.export.id for held in self.of(volume_id)}:
            async with self._alone(attachment_id):
                await self._renew(attachment_id, size_bytes)

    async def _renew(self, attachment_id: object, size_bytes: int) -> None:
        for held in self._slots(attachment_id):
            if held.port is not None and (held.size_bytes < size_bytes or not self.serves(held)):
                await self._end(held)
                await asyncio.to_thread(self._start, held)

    # one daemon

    def serves(self, held: Held) -> bool:
        """Whether its daemon runs."""
        return held.port is not None and self._pid(held) is not None

    def _pid(self, held: Held) -> int | None:
        text = read_or_none(self._file(held, "pid"))
        pid = int(text.strip() or 0) if text else 0
        command = read_or_none(Path(f"/proc/{pid}/cmdline")) if pid else None
        return pid if command and str(self._file(held, "pid")).encode() in command.split(b"\0") else None

    def _file(self, held: Held, suffix: str) -> Path:
        return self._home / f"{held.export.id}{held.slot}.{suffix}"

    def _start(self, held: Held) -> Held:
        """Its daemon serves when this returns. Raises Unavailable, with its last words."""
        sock = listening(held.port or 0)
        try:
            size_bytes = (self._volumes / str(held.export.volume_id)).stat().st_size
            held = msgspec.structs.replace(held, port=sock.getsockname()[1], size_bytes=size_bytes)
            self._write(held)
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
            f"driver=file,node-name={FILE},filename={comma(path)},read-only={read_only},cache.direct=on,discard=unmap,"
            "locking=off",  # the guest on the other side of a move has the file open, too: who may is said here
            "--blockdev",
            f"driver=raw,node-name={NODE},file={FILE},read-only={read_only},discard=unmap",
            "--nbd-server",
            server,
            "--export",
            f"type=nbd,id=export,node-name={NODE},name={export.id},writable={'off' if export.read_only else 'on'}",
            "--pidfile",
            str(self._file(held, "pid")),
        ]

    async def _end(self, held: Held) -> None:
        pid = self._pid(held)
        if pid is not None:
            await asyncio.to_thread(ended, pid)
        self._file(held, "pid").unlink(missing_ok=True)


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
