"""A cloud of two machines, joined by a token: a guest on each, with a volume of the first machine."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from agent.namespaces import inside
from cli.conftest import Process, pileus, started
from real.test_up import started_on
from real.whole_cloud import PATIENCE_S, Guest, Machine, WholeCloud, comes_true, machines, whole_cloud
from support.postgres import initialised
from support.units import AGENT, with_rights_of

AGENTS, OVERLAY, POSTGRES = 8790, 6642, 5432
FAR = "far"


@dataclass
class Host:
    """What runs on a host is told by its folder."""

    home: Path
    machine: Machine

    @property
    def libvirt(self) -> Path:
        return self.home / "hypervisor" / "libvirt"

    def pid_of(self, name: str) -> int:
        """Of a daemon, or of the QEMU of a guest. Raises OSError, ValueError."""
        rooms = {"libvirtd": self.libvirt / "run" / "libvirtd.pid", "agent": self.home / "agent.lock"}
        ours = (self.home / room / f"{name}.pid" for room in ("ovs", "ovn", "ovn/metadata"))
        guest = self.libvirt / "run" / "qemu" / f"{name}.pid"
        file = rooms.get(name) or next((each for each in ours if each.exists()), guest)
        return int(file.read_text().split()[0])

    def runs(self, name: str) -> bool:
        try:
            return psutil.Process(self.pid_of(name)).status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, psutil.Error):
            return False

    def virsh(self, word: str, guest: Guest, *options: str) -> str:
        """What libvirt says, if it does so."""
        uri = f"qemu+unix:///system?socket={self.libvirt}/run/libvirt-sock&mode=direct"
        words = ("virsh", "-c", uri, word, guest.id, *options)
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    def lose_power(self, state: Path | None = None) -> None:
        """All that runs there, or on that state, ends at once: nobody hears of the end of anybody else. No file is lost."""
        processes = [psutil.Process(self.pid_of("libvirtd")), *started_on(state or self.home)]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in processes:
                process.send_signal(number)
        psutil.wait_procs(processes, timeout=30)
        self.machine.forget()


@dataclass
class Far(Host):
    """The second machine, and how its agent is started: there is no systemd that would do so again."""

    words: list[str]
    processes: list[Process] = field(default_factory=list)

    def start(self) -> None:
        with inside(self.machine.netns):
            made = started("serve", "agent", *self.words, lines=1, under=with_rights_of(AGENT))
        self.processes.append(made)

    def stop(self) -> None:
        """Nothing of it is left."""
        done = pileus("down", "--purge", "--state", self.home)
        for process in self.processes:
            process.popen.kill()
            process.popen.communicate()
        assert done.returncode == 0, done.stderr


@dataclass
class Postgres:
    """The database of the control process, on its machine."""

    home: Path
    machine: Machine
    words: list[str]
    running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.running is not None
        return self.running.pid

    def start(self) -> None:
        """It serves; those who served a server that was killed may still be about."""
        until = time.monotonic() + PATIENCE_S
        with inside(self.machine.netns), (self.home / "log").open("ab") as log:
            while time.monotonic() < until:
                if self.running is None or self.running.poll() is not None:
                    self.running = subprocess.Popen(self.words, stdout=log, stderr=log, cwd="/")
                if not self.said("SELECT 1").returncode:
                    return
        raise AssertionError((self.home / "log").read_text())

    def said(self, statement: str) -> subprocess.CompletedProcess[bytes]:
        words = ("psql", "-h", "127.0.0.1", "-p", str(POSTGRES), "-U", "postgres", "-c", statement)
        return subprocess.run(words, capture_output=True, check=False)


@contextmanager
def postgres(machine: Machine, home: Path) -> Iterator[Postgres]:
    with inside(machine.netns):
        made = Postgres(home, machine, initialised(home, POSTGRES))
        made.start()
        assert not made.said("CREATE DATABASE pileus").returncode
    try:
        yield made
    finally:
        assert made.running is not None
        made.running.kill()
        made.running.wait()


@dataclass
class TwoHosts:
    """`near` is a guest on the first machine, `far` one on the second; their disks are volumes of the first."""

    cloud: WholeCloud
    first: Host
    second: Far
    near: Guest
    far: Guest
    near_disk: str
    disk: str
    database: Postgres | None = None

    @property
    def state(self) -> Path:
        return self.cloud.state


@contextmanager
def two_hosts(workshop: Path, tiny: Path, options: str = "", *, on_postgres: bool = False) -> Iterator[TwoHosts]:
    """It runs inside the block."""
    number = len(list(workshop.iterdir()))  # others were here before; paths of sockets must be short
    with machines("near", FAR) as [one, other], ExitStack() as stack:
        database = stack.enter_context(postgres(one, workshop / f"p{number}")) if on_postgres else None
        if database is not None:
            options += f'\n[database]\nurl = "postgresql://postgres@127.0.0.1:{POSTGRES}/pileus"'
        agents = f'{options}\n[agents]\nlisten = "{one.ip}:{AGENTS}"'
        network = f'overlay_listen = "{one.ip}:{OVERLAY}"\ntunnel = "{one.tunnel}"'
        cloud = stack.enter_context(whole_cloud(workshop / f"h{number}", one, tiny, agents=agents, network=network))
        second = stack.enter_context(second_host(cloud, workshop / f"f{number}", other))
        made = asyncio.run(furnished(cloud, second))
        made.database = database
        yield made


@contextmanager
def second_host(cloud: WholeCloud, state: Path, machine: Machine) -> Iterator[Far]:
    """It has joined, and runs guests, inside the block."""
    own = cloud.machine.ip
    words = ["--control", f"https://{own}:{AGENTS}", "--join", cloud.said_by("host", "token", FAR).strip()]
    words += ["--listen", f"{machine.ip}:{AGENTS}", "--state", str(state), "--log", f"{state}.log"]
    words += ["--netns", machine.netns, "--overlay", f"{own}:{OVERLAY}", "--tunnel", machine.tunnel]
    made = Far(state, machine, words)
    made.start()
    try:
        yield made
    finally:
        made.stop()


async def furnished(cloud: WholeCloud, second: Far) -> TwoHosts:
    """Volumes are made on the first machine alone."""
    assert await comes_true(lambda: len(list(cloud.sdk.compute.hypervisors())) == 2)
    [own] = {each.name for each in cloud.sdk.compute.hypervisors()} - {FAR}
    cloud.sdk.block_storage.disable_service(
        next(each for each in cloud.sdk.block_storage.services() if each.host.startswith(FAR))
    )
    near, far = (cloud.boot(name, availability_zone=f"nova:{host}") for name, host in (("near", own), ("far", FAR)))
    for guest in (near, far):
        await cloud.reach(guest)
    disks = [await cloud.attach(guest, cloud.volume(name=guest.server.name)) for guest in (near, far)]
    return TwoHosts(cloud, Host(cloud.state / "host", cloud.machine), second, near, far, *disks)


def runs_once(cloud: WholeCloud, guest: Guest) -> bool:
    """Whether one QEMU of it is on this machine, which both hosts are."""
    found = subprocess.run(["pgrep", "-f", f"guest={guest.id}"], capture_output=True, text=True, check=False)
    return len(found.stdout.split()) == 1


def is_another(look: Callable[[], int], pid: int) -> bool:
    """Whether somebody else is there; nobody may be for a while."""
    try:
        return look() != pid
    except (AssertionError, OSError, ValueError, psutil.NoSuchProcess):
        return False


def usable(cloud: WholeCloud) -> dict[str, bool]:
    """By host; of none while the cloud does not answer."""
    done = pileus("host", "list", "--json", "--state", cloud.state)
    return {} if done.returncode else {each["name"]: each["usable"] for each in json.loads(done.stdout)}


def is_whole(cloud: WholeCloud) -> bool:
    """Whether the cloud answers, and both its hosts are usable."""
    return list(usable(cloud).values()) == [True, True]
