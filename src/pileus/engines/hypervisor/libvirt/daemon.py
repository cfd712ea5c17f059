"""A libvirtd with a state of its own, beside the machine's: in a view of the file system in which its folders are ours.

    <home>/etc lib run cache log      what it takes for /etc/libvirt, /var/lib/libvirt, ...
    <home>/uuid                       of this host

It outlives us: who comes next finds it by its socket. Guests outlive it: it finds them by what is in `run`.
"""

from __future__ import annotations

import asyncio
import fcntl
import grp
import os
import pwd
import signal
import socket
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pileus.engines.files import read_or_none, write_whole
from pileus.engines.hypervisor.libvirt.guest import PASS_THROUGH
from pileus.engines.hypervisor.libvirt.refusal import Refusal, run
from pileus.kernel.clock import SystemClock
from pileus.kernel.errors import Unavailable

KVM = Path("/dev/kvm")
PROGRAMS = ("libvirtd", "qemu-system-x86_64", "qemu-img", "unshare", "nsenter", "prlimit", "mkswap", "mkfs.ext4")
ROOMS = {
    "etc": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "run": "/run/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
}
QEMU_USERS = ("libvirt-qemu", "qemu")  # which Debian's and Fedora's packages make
STARTS_WITHIN_S = 20.0
LOOK_S = 0.05
GRACE_S = 10.0
IN_ITS_ROOMS = """\
home=$1; shift
umask 022
for pair in "$@"; do
    mkdir -p "${pair#*:}"
    mount --bind "$home/${pair%%:*}" "${pair#*:}"
done
[ ! -e /dev/kvm ] || [ ! -e "$home/no-kvm" ] || mount --bind "$home/no-kvm" /dev/kvm
exec libvirtd -d -f /etc/libvirt/libvirtd.conf -p /run/libvirt/libvirtd.pid
"""
LIBVIRTD_CONF = """\
host_uuid = "{uuid}"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
unix_sock_ro_perms = "0700"
unix_sock_admin_perms = "0700"
auth_unix_rw = "none"
auth_unix_ro = "none"
listen_tls = 0
listen_tcp = 0
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""
QEMU_CONF = """\
user = "{user}"
group = "{group}"
dynamic_ownership = 1
remember_owner = 0
security_driver = "none"
stdio_handler = "file"
nbd_tls = 1
nbd_tls_x509_cert_dir = "{tls}"
"""


@dataclass(frozen=True)
class Libvirtd:
    """One daemon. `netns`: the network namespace in which its guests' devices are; `environment`: where it finds a switch."""

    home: Path
    tls: Path
    kvm: bool = False
    netns: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        return self.home / "run" / "libvirt-sock"

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.socket}&mode=direct"

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False

    async def ensure(self) -> None:
        """It runs. Raises Unavailable."""
        if await asyncio.to_thread(self.answers):
            return
        self._furnish()
        await self.stop()  # one that runs and does not answer would keep the next from starting
        self.socket.unlink(missing_ok=True)
        environment = {**os.environ, **self.environment}
        inside = ("nsenter", f"--net=/run/netns/{self.netns}") if self.netns else ()
        rooms = [f"{room}:{place}" for room, place in ROOMS.items()]
        words = (*inside, "unshare", "--mount", "--propagation", "private", "sh", "-ec", IN_ITS_ROOMS, "sh", self.home)
        try:
            await run(*words, *rooms, environment=environment)
        except (Refusal, FileNotFoundError) as e:
            raise Unavailable(f"libvirtd cannot be started: {e}") from e
        clock, deadline = SystemClock(), time.monotonic() + STARTS_WITHIN_S
        while not await asyncio.to_thread(self.answers):
            if time.monotonic() > deadline:
                raise Unavailable(f"libvirtd does not answer; its log is {self.home}/log/libvirtd.log")
            await clock.sleep(LOOK_S)

    def _furnish(self) -> None:
        user = qemu_user()
        for room in ROOMS:
            (self.home / room).mkdir(parents=True, exist_ok=True)
            (self.home / room).chmod(0o700 if room in ("etc", "log") else PASS_THROUGH)
        self.home.chmod(PASS_THROUGH)
        self.tls.mkdir(mode=0o700, parents=True, exist_ok=True)
        host = (read_or_none(self.home / "uuid") or str(uuid.uuid4()).encode()).decode()
        write_whole(self.home / "uuid", host.encode(), durable=True)
        more = "namespaces = [ ]\n" if self._settle_kvm(user) else ""
        group = grp.getgrgid(user.pw_gid).gr_name
        write_whole(self.home / "etc" / "libvirtd.conf", LIBVIRTD_CONF.format(uuid=host).encode())
        conf = QEMU_CONF.format(user=user.pw_name, group=group, tls=self.tls)
        write_whole(self.home / "etc" / "qemu.conf", (conf + more).encode())

    def _settle_kvm(self, user: pwd.struct_passwd) -> bool:
        """QEMU may use KVM, or the daemon does not see it: it would go on for ever looking at one that QEMU may not use.

        Whether it is hidden, so that guests can have no /dev of their own, which libvirt would have to move it to.
        """
        hidden = self.home / "no-kvm"
        hidden.unlink(missing_ok=True)
        if not KVM.exists() or may_use(user, KVM):
            return False
        if self.kvm:
            os.chown(KVM, -1, user.pw_gid)
            KVM.chmod(0o660)
        else:
            hidden.touch(mode=0)
        return not self.kvm

    def pid(self) -> int | None:
        """Of the daemon, if it runs: it locks its file."""
        try:
            with open(self.home / "run" / "libvirtd.pid") as file:
                fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return int((self.home / "run" / "libvirtd.pid").read_text())
        return None

    async def stop(self) -> None:
        """It does not run; its guests do."""
        pid = self.pid()
        if pid is None:
            return
        fd = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(fd, signal.SIGTERM)
            if not await ended(fd, GRACE_S):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
                await ended(fd, GRACE_S)
        finally:
            os.close(fd)

    def guest_pid(self, name: str) -> int | None:
        """Of the QEMU of a guest that runs."""
        text = (read_or_none(self.home / "run" / "qemu" / f"{name}.pid") or b"").strip()
        return int(text) if text.isdigit() else None


async def ended(pidfd: int, seconds: float) -> bool:
    """Whether the process ends within that time."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pidfd, over.set)
    try:
        async with asyncio.timeout(seconds):
            return await over.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(pidfd)


def qemu_user() -> pwd.struct_passwd:
    """Whom QEMU runs as. Raises Unavailable."""
    for name in QEMU_USERS:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Unavailable(f"There is no user for QEMU ({' or '.join(QEMU_USERS)}): install libvirt-daemon-system.")


def may_use(user: pwd.struct_passwd, device: Path) -> bool:
    """Whether the user may read and write the device."""
    found = device.stat()
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    return found.st_mode & 0o006 == 0o006 or (found.st_gid in groups and found.st_mode & 0o060 == 0o060)
