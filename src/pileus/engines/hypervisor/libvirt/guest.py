"""The folder of one guest: what it shall be, what it has, and what it says.

wish.json         the Domain that was defined; the files of its config drive are not in it
disks.json        its local disks, and what is kept of them
disks/<name>      <name>@<label> for what is kept
config.iso        the config drive
restarts.json     which restarts it has seen
console.log       what it wrote to its serial port; console.log.1 before that
sockets/          vnc, serial; QEMU's own
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec

from pileus.engines.files import read_or_none, write_whole
from pileus.engines.hypervisor import ConfigDrive, Domain
from pileus.engines.hypervisor.libvirt.refusal import Refusal

PASS_THROUGH = 0o711  # of folders in which QEMU, which is another user, opens its files
DISK_NAME = re.compile(r"[a-z][a-z0-9]{0,31}")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LOG_BYTES = 2**20  # a log longer than that is cut
RESTARTS = 16  # so many are remembered


class Disk(msgspec.Struct, frozen=True):
    """A local disk as it was made. `base`: the name of the image below it."""

    edition: int
    format: str
    base: str | None = None


class Restart(msgspec.Struct, frozen=True):
    """A restart that was begun while the guest ran as number `run` (None: it did not), and whether it is over."""

    run: int | None
    over: bool = False


@dataclass(frozen=True)
class Guest:
    """One guest's folder. Nothing in it needs to be there."""

    home: Path
    id: UUID

    @classmethod
    def of(cls, guests: Path, guest_id: UUID) -> Guest:
        return cls(guests / str(guest_id), guest_id)

    def make(self, qemu: int) -> None:
        """`qemu` is the uid of QEMU, which makes its sockets by itself."""
        for folder in (self.home, self.home / "disks"):
            folder.mkdir(exist_ok=True)
            folder.chmod(PASS_THROUGH)
        (self.home / "sockets").mkdir(mode=0o700, exist_ok=True)
        os.chown(self.home / "sockets", qemu, -1)

    def remove(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def disk_path(self, name: str, label: str | None = None) -> Path:
        """Raises Refusal for what is no name."""
        if not DISK_NAME.fullmatch(name) or (label is not None and not LABEL.fullmatch(label)):
            raise Refusal(f"{name if label is None else f'{name}@{label}'!r} is no name for a disk.")
        return self.home / "disks" / (name if label is None else f"{name}@{label}")

    @property
    def drive(self) -> Path:
        return self.home / "config.iso"

    @property
    def console(self) -> Path:
        return self.home / "console.log"

    def socket(self, kind: str) -> Path:
        return self.home / "sockets" / kind

    def wish(self) -> Domain | None:
        data = read_or_none(self.home / "wish.json")
        return None if data is None else msgspec.json.decode(data, type=Domain)

    def write_wish(self, wish: Domain) -> None:
        if wish.config_drive is not None:  # its files hold secrets, and are on the drive
            wish = msgspec.structs.replace(wish, config_drive=ConfigDrive(files={}))
        write_whole(self.home / "wish.json", msgspec.json.encode(wish), durable=True)

    def disks(self) -> dict[str, Disk]:
        """By name, or name@label; empty when none was ever made."""
        return msgspec.json.decode(read_or_none(self.home / "disks.json") or b"{}", type=dict[str, Disk])

    def has_disks(self) -> bool:
        return (self.home / "disks.json").exists()

    def write_disks(self, disks: dict[str, Disk]) -> None:
        write_whole(self.home / "disks.json", msgspec.json.encode(disks), durable=True)

    def sweep_disks(self) -> None:
        """Remove what belongs to no disk: the work of somebody who was stopped."""
        known = self.disks()
        for path in (self.home / "disks").glob("*"):
            if path.name not in known:
                path.unlink(missing_ok=True)

    def restarts(self) -> dict[UUID, Restart]:
        return msgspec.json.decode(read_or_none(self.home / "restarts.json") or b"{}", type=dict[UUID, Restart])

    def note_restart(self, restart_id: UUID, restart: Restart) -> None:
        noted = {**self.restarts(), restart_id: restart}
        newest = dict(list(noted.items())[-RESTARTS:])
        write_whole(self.home / "restarts.json", msgspec.json.encode(newest), durable=True)

    def console_text(self, lines: int | None) -> str:
        """The end of what it wrote. None: all that is kept."""
        kept = [read_or_none(path) or b"" for path in (self.console.with_suffix(".log.1"), self.console)]
        text = b"".join(kept)[-LOG_BYTES:].decode(errors="replace")
        if lines is None:
            return text
        return "".join(text.splitlines(keepends=True)[-lines:]) if lines > 0 else ""

    def cut_console(self) -> None:
        """Keep the log from growing without end. QEMU appends, so the file may be emptied under it."""
        if not self.console.exists() or self.console.stat().st_size <= LOG_BYTES:
            return
        with open(self.console, "rb") as file:
            file.seek(-LOG_BYTES, os.SEEK_END)
            write_whole(self.console.with_suffix(".log.1"), file.read())
        os.truncate(self.console, 0)
