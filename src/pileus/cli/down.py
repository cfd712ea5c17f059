"""`pileus down`: whatever runs for a cloud on this machine ends, and with --purge nothing of it is left.

Processes are found by the locks that they hold on files of the state directory, never by a name; a guest by its pid file,
if what it was started with names the state directory. So nothing of anybody else's can be hit, however old the files.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

from pileus.cli import Failure
from pileus.cli.state import default_state
from pileus.engines.hypervisor.libvirt.daemon import Libvirtd
from pileus.engines.overlay.ovn import teardown
from pileus.kernel.errors import CloudError

GRACE_S = 30.0
AGENT_LOCK = "agent.lock"


def run(asked: argparse.Namespace) -> int:
    state = Path(asked.state or default_state()).absolute()
    if not state.exists():
        print(f"Nothing is kept in {state}.")
        return 0
    if not is_state(state):
        raise Failure(f"{state} is no state directory of Pileus")
    try:
        asyncio.run(down(state))
    except (CloudError, OSError) as e:
        raise Failure(f"not all of the cloud in {state} could be ended: {e}") from e
    if asked.purge:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(state)
    print(
        f"Nothing runs for {state}"
        + (", and nothing of it is left." if asked.purge else "; `pileus up` starts it again.")
    )
    return 0


def is_state(path: Path) -> bool:
    """Whether a cloud is kept there: else --purge would remove what somebody has named by mistake."""
    rooms = any((path / name).exists() for name in ("run", "control", "host", "pileus.sqlite"))
    return (path / AGENT_LOCK).is_file() or ((path / "lock").is_file() and rooms)


async def down(state: Path) -> None:
    """Everything ends: who starts others first. Who asks goes on."""
    host = room_of_host(state)
    for lock in (state / "lock", host / AGENT_LOCK):
        pid = holder(lock)
        if pid is not None and pid != os.getpid():
            await end(pid)
    libvirt = host / "hypervisor" / "libvirt"
    await Libvirtd(libvirt, host / "tls").stop()
    files = [*(libvirt / "run" / "qemu").glob("*.pid"), *(host / "blocks").glob("*/*.pid")]
    await asyncio.gather(*(end(pid) for pid in started_on(state, files)))
    ovn = [host / "ovn", host / "ovs", host / "ovn" / "metadata"]
    await teardown.end_all(*ovn)
    await teardown.remove(host / "ovs")


def room_of_host(state: Path) -> Path:
    """Where the agent keeps its own: the whole state, if it is that of an agent alone."""
    return state if (state / AGENT_LOCK).exists() else state / "host"


def holder(lock: Path) -> int | None:
    """Whose process holds the lock, by what it has written into the file; None when nobody does."""
    with contextlib.suppress(FileNotFoundError, ValueError), open(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read().split()[0])
    return None


def started_on(state: Path, files: Iterable[Path]) -> Iterator[int]:
    """Those that the pid files name, guests and exports of volumes, if they were started on this state."""
    for file in files:
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text())
            if os.fsencode(state) in Path(f"/proc/{pid}/cmdline").read_bytes():
                yield pid


async def end(pid: int) -> None:
    """It has ended; by SIGKILL if it does not listen."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(fd, over.set)
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if over.is_set():
                return
            await told_to_end(fd, number, over)
    finally:
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)


async def told_to_end(fd: int, number: int, over: asyncio.Event) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(fd, number)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            await over.wait()
