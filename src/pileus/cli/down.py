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
from collections.abc import Iterator
from pathlib import Path

from pileus.cli import Failure
from pileus.cli.state import default_state
from pileus.engines.hypervisor.libvirt.daemon import Libvirtd
from pileus.engines.overlay.ovn import teardown
from pileus.kernel.errors import CloudError

GRACE_S = 30.0
AGENT_LOCK = Path("host/agent.lock")


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
    return (path / "lock").exists() and any(
        (path / name).exists() for name in ("run", "control", "host", "pileus.sqlite")
    )


async def down(state: Path) -> None:
    """Everything ends: who starts others first."""
    for lock in (state / "lock", state / AGENT_LOCK):
        if (pid := holder(lock)) is not None:
            await end(pid)
    host = state / "host"
    libvirt = host / "hypervisor" / "libvirt"
    await Libvirtd(libvirt, host / "tls").stop()
    await asyncio.gather(*(end(pid) for pid in guests(libvirt, state)))
    ovn = [host / "ovn", host / "ovs", host / "ovn" / "metadata"]
    await teardown.end_all(*ovn)
    await teardown.remove(host / "ovs")


def holder(lock: Path) -> int | None:
    """Whose process holds the lock, by what it has written into the file; None when nobody does."""
    with contextlib.suppress(FileNotFoundError, ValueError), open(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read().split()[0])
    return None


def guests(libvirt: Path, state: Path) -> Iterator[int]:
    """The guests that run: QEMUs of which a pid file tells, and which were started on this state."""
    for file in (libvirt / "run" / "qemu").glob("*.pid"):
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
