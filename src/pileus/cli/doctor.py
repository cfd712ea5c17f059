"""`pileus doctor`: what is wrong with this machine and its cloud, why it matters, and the command that mends it."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import json
import os
import resource
import shlex
import shutil
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from pileus.cli import doctor_database, doctor_files, doctor_guests, doctor_machine
from pileus.cli.finding import Finding
from pileus.cli.rooms import control_state
from pileus.cli.settings import configuration
from pileus.cli.state import OPEN_TO_OTHERS
from pileus.kernel.config import Config
from pileus.kernel.config_limits import address

PYTHON = (3, 11)
FREE_BYTES = 2 * 2**30
FSYNC_S = 0.05
FSYNCS = 5
CLOCK_UNSYNCHRONISED = 0x40  # STA_UNSYNC
STATUS_OFFSET = 40  # of `status` in struct timex, on 64 bits
SECRETS = ("site.key", "admin.password", "clouds.yaml", "openrc", "ca/*.key")


def run(asked: argparse.Namespace) -> int:
    """Exit status 1 when something serious is wrong."""
    config, _ = configuration(asked)
    found = [finding for look in LOOKS for finding in look(config)]
    if asked.json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            print(told(finding))
    return 1 if any(finding.serious for finding in found) else 0


def told(finding: Finding) -> str:
    """One line, and two more for what is wrong."""
    mark = "WRONG" if finding.serious else "doubt" if finding.why else "ok"
    line = f"{mark:5}  {finding.about}: {finding.seen}"
    return f"{line}\n       why it matters: {finding.why}\n       mend it: {finding.mend}" if finding.why else line


def python(config: Config) -> Iterator[Finding]:
    seen = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= PYTHON:
        yield Finding("python", seen)
    else:
        yield Finding("python", seen, "Pileus needs 3.11 or newer.", "apt-get install python3", serious=True)


def disk(config: Config) -> Iterator[Finding]:
    place = existing(Path(config.state))
    yield said_of_space(place, shutil.disk_usage(place).free)
    try:
        yield said_of_fsync(fsync_s(place))
    except OSError as e:
        why, mend = "Nothing can be kept there.", f"sudo chown $(id -un) {shlex.quote(str(place))}"
        yield Finding("disk", f"{place} cannot be written: {e.strerror}", why, mend, serious=True)


def said_of_space(place: Path, free_bytes: int) -> Finding:
    seen = f"{free_bytes / 2**30:.1f} GiB free at {place}"
    if free_bytes >= FREE_BYTES:
        return Finding("disk space", seen)
    mend = f"df -h {shlex.quote(str(place))}; remove what is not needed"
    return Finding("disk space", seen, "A full disk stops every write.", mend, serious=True)


def said_of_fsync(took_s: float) -> Finding:
    seen = f"{took_s * 1000:.1f} ms"
    if took_s <= FSYNC_S:
        return Finding("disk fsync", seen)
    why = "Each change waits for it, and is acknowledged only then."
    return Finding("disk fsync", seen, why, "put the state on another disk: pileus up --state DIR")


def existing(path: Path) -> Path:
    """The path, or its nearest parent that is there."""
    return next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())


def fsync_s(place: Path) -> float:
    """The median of a few small writes, seconds."""
    took = []
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(FSYNCS):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return sorted(took)[FSYNCS // 2]


def modes(config: Config) -> Iterator[Finding]:
    state = Path(config.state)
    if not state.exists():
        yield Finding("file modes", f"{state} is not there yet")
        return
    rooms = {state, control_state(state)}
    wrong = [
        p for p in (*rooms, *(p for room in rooms for glob in SECRETS for p in room.glob(glob))) if open_to_others(p)
    ]
    for path in wrong:
        mode = f"{stat.S_IMODE(path.stat().st_mode):04o}"
        mend = f"chmod {'700' if path.is_dir() else '600'} {shlex.quote(str(path))}"
        serious = path == state or path.suffix == ".key"  # `pileus up` refuses these
        yield Finding("file modes", f"{path} is {mode}", "Others on this machine can read its secrets.", mend, serious)
    if not wrong:
        yield Finding("file modes", f"only we can look into {state}")


def open_to_others(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & OPEN_TO_OTHERS)


def port(config: Config) -> Iterator[Finding]:
    listen = config.api.listen
    pid = runs(Path(config.state))
    if pid:
        yield Finding("port", f"a cloud runs on this state (pid {pid})")
        return
    host, number = address(listen)
    try:
        socket.create_server((host, number), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as e:
        mend = f"ss -ltnp 'sport = :{number}' shows who; or pileus up --listen 127.0.0.1:0"
        yield Finding("port", f"{listen}: {e.strerror}", "The API cannot listen there.", mend, serious=True)
    else:
        yield Finding("port", f"{listen} is free")


def runs(state: Path) -> str:
    """The pid of the cloud that runs on this state; empty if none does."""
    with contextlib.suppress(OSError), open(state / "lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().strip() or "unknown"
    return ""


def clock(config: Config) -> Iterator[Finding]:
    timex = ctypes.create_string_buffer(256)
    ctypes.CDLL(None).adjtimex(timex)
    status = int.from_bytes(timex.raw[STATUS_OFFSET : STATUS_OFFSET + 4], sys.byteorder)
    yield said_of_clock(time.time(), status)


def said_of_clock(now: float, status: int) -> Finding:
    """`status`: the kernel's, of adjtimex(2)."""
    seen = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    if not status & CLOCK_UNSYNCHRONISED:
        return Finding("clock", seen)
    why = "Tokens, certificates and stamps are only as good as the clock."
    return Finding("clock", f"{seen}, not synchronised", why, "timedatectl set-ntp true (or apt-get install chrony)")


def open_files(config: Config) -> Iterator[Finding]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = config.http.connections
    enough = hard == resource.RLIM_INFINITY or hard >= wanted
    seen = f"at most {hard if hard != resource.RLIM_INFINITY else 'any number of'} open files"
    if enough:
        yield Finding("ulimit", seen)
    else:
        why = f"http.connections allows {wanted}; further clients will wait."
        yield Finding(
            "ulimit", seen, why, f"ulimit -Hn {wanted * 2} (LimitNOFILE= of a unit), or lower http.connections"
        )


LOOKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    python,
    disk,
    modes,
    *doctor_files.LOOKS,
    doctor_database.database,
    port,
    clock,
    open_files,
    *doctor_machine.LOOKS,
    *doctor_guests.LOOKS,
)
