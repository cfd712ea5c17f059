"""A cloud as it is run on many machines, on this one: PostgreSQL, API processes and workers in a network namespace of their
own, and hosts with real engines in others, joined by tokens. Whoever ends is started again, as its unit would."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from agent.namespaces import CONTROL_IP, Network, inside, network
from cli.conftest import PILEUS, environment, pileus
from crash.site import VERSIONS
from pileus.cli.down import holder as lock_holder
from pileus.engines.hypervisor.libvirt.daemon import Libvirtd
from pileus.engines.overlay.ovn.daemons import holder
from support import postgres
from support.people import client
from support.units import AGENT, with_rights_of
from support.waiting import pause

PATIENCE_S = 240.0  # until a new cloud serves, on a machine that does other things
LOOK_S = 0.25
TIMEOUT_S = 60.0
AGENTS, OVERLAY = 8790, 6642
LEASE_S, HOST_LEASE_S = 6.0, 9.0
API_PROCESSES, WORKERS = 2, 2
HOSTS = ("one", "two", "three")
DISK_GIB = 12  # of each host; sparse
CUTS = count()
CONFIG = """\
state = "{state}"
[api]
listen = "127.0.0.1:{api}"
[agents]
listen = "{control}:{agents}"
[identity]
bcrypt_rounds = 4
[operations]
lease_s = {lease_s}
host_lease_s = {host_lease_s}
poll_s = 0.5
[network]
controller = "{central}"
[database]
url = "{url}"
"""


@dataclass
class Part:
    """A process that is started anew whenever it ends, until `end`."""

    name: str
    words: Sequence[str]
    log: Path
    popen: subprocess.Popen[bytes] | None = None
    keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._spawn()
        self.keeping = asyncio.create_task(self._keep(), name=self.name)

    def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment()
            )

    async def _keep(self) -> None:
        while True:
            assert self.popen is not None
            if self.popen.poll() is not None:
                self._spawn()
            await pause(LOOK_S)

    @property
    def process(self) -> psutil.Process:
        assert self.popen is not None
        return psutil.Process(self.popen.pid)

    async def end(self) -> None:
        if self.keeping is not None:
            self.keeping.cancel()
            await asyncio.wait({self.keeping})
        if self.popen is not None:
            for each in family(self.process):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            self.popen.wait()


def family(process: psutil.Process) -> list[psutil.Process]:
    """It and what it has started; nobody, if it has gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


@dataclass(frozen=True)
class Host:
    """`disk` is its own, on which its `state` is."""

    name: str
    disk: Path
    central: bool

    @property
    def state(self) -> Path:
        return self.disk / "s"

    def agent(self) -> int | None:
        return lock_holder(self.state / "agent.lock")

    def libvirtd(self) -> int | None:
        return Libvirtd(self.state / "hypervisor" / "libvirt", self.state / "tls").pid()

    def daemon(self, name: str) -> int | None:
        """Of OVS or OVN, or who answers guests."""
        if name == "metadata":
            return holder(self.state / "ovn" / "metadata" / "metadata.pid")
        return holder(self.state / ("ovn" if name in ("nb", "sb", "northd") else "ovs") / f"{name}.pid")

    @contextmanager
    def full(self) -> Iterator[None]:
        """Nobody can write more to its disk, inside the block."""
        ballast = self.disk / "ballast"
        left = os.statvfs(self.disk)
        try:
            subprocess.run(
                ["fallocate", "-l", str(left.f_bfree * left.f_frsize), ballast], check=False, capture_output=True
            )
            with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
                while file.write(bytes(left.f_frsize)):
                    pass
            yield
        finally:
            ballast.unlink(missing_ok=True)


@dataclass
class Datacentre:
    """A cloud. Whoever uses it does so from the namespace of its control plane."""

    home: Path
    net: Network
    hosts: list[Host]
    api_port: int = field(default_factory=postgres.free_port)
    database_port: int = field(default_factory=postgres.free_port)
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def state(self) -> Path:
        return self.home / "c"

    @property
    def config(self) -> Path:
        return self.home / "pileus.toml"

    def begin(self, name: str, *words: str) -> None:
        part = self.parts[name] = Part(name, words, self.home / f"{name}.log")
        part.start()

    async def start(self) -> None:
        """All of it serves."""
        self.begin("database", *postgres.initialised(self.home / "pg", self.database_port))
        await comes_true(self.has_database)
        url = postgres.url_of(self.database_port) + "/postgres"
        facts = {"state": self.state, "api": self.api_port, "agents": AGENTS, "control": CONTROL_IP, "url": url}
        leases = {"lease_s": LEASE_S, "host_lease_s": HOST_LEASE_S}
        self.config.write_text(CONFIG.format(**facts, **leases, central=self.hosts[0].name))
        made = await asyncio.to_thread(pileus, "db", "upgrade", "--config", self.config)
        assert made.returncode == 0, made.stderr
        config = ("--config", str(self.config))
        processes = ("--processes", str(API_PROCESSES))
        self.begin("api", str(PILEUS), "serve", "api", *processes, *config)
        for number in range(WORKERS):
            self.begin(f"worker-{number}", str(PILEUS), "serve", "worker", *config)
        await comes_true(self.answers)
        for host in self.hosts:
            await self.join(host)
            await comes_true(self.usable, host.name)  # the first one has the overlay

    def has_database(self) -> bool:
        words = (postgres.newest_bin() / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.database_port))
        return subprocess.run(words, check=False).returncode == 0

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """No packet goes to PostgreSQL or comes from it, inside the block; connections stay as they are."""
        table = f"inet cut_{next(CUTS)}"
        hook = "{ type filter hook input priority 0; }"
        rules = [f"add table {table}", f"add chain {table} in {hook}"]
        rules += [f"add rule {table} in tcp {way} {self.database_port} drop" for way in ("dport", "sport")]
        subprocess.run(["nft", "; ".join(rules)], check=True, capture_output=True)
        try:
            yield
        finally:
            subprocess.run(["nft", f"delete table {table}"], check=True, capture_output=True)

    async def answers(self) -> bool:
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as http:
            with contextlib.suppress(httpx.TransportError):
                return (await http.get("/identity/v3")).status_code == 200
        return False

    async def join(self, host: Host) -> None:
        async with await self.client() as http:
            made = await http.post("/pileus/v1/hosts/tokens", json={"token": {"host": host.name}})
            assert made.status_code == 201, made.text
        netns, overlay = self.net.hosts[host.name], f"{self.net.ip(self.hosts[0].name)}:{OVERLAY}"
        words = ["--state", str(host.state), "--control", f"https://{CONTROL_IP}:{AGENTS}"]
        words += ["--join", made.json()["token"]["join"], "--listen", f"{self.net.ip(host.name)}:{AGENTS}"]
        words += ["--netns", netns, "--overlay", overlay, "--tunnel", self.net.tunnel(host.name)]
        words += ["--central", "--external", "172.24.4.1/24"] if host.central else []
        own = ("nsenter", f"--net=/run/netns/{netns}", *with_rights_of(AGENT))
        self.begin(host.name, *own, str(PILEUS), "serve", "agent", *words)

    async def usable(self, *names: str) -> bool:
        """Whether these hosts can be used."""
        return all(each.get("usable") for each in (await self.known(names)).values())

    async def known(self, names: Iterable[str]) -> dict[str, Any]:
        """What the cloud says of these hosts; nothing of one that it does not know."""
        async with await self.client() as http:
            answer = await http.get("/pileus/v1/hosts")
        told = {each["name"]: each for each in answer.json()["hosts"]} if answer.is_success else {}
        return {name: told.get(name, {}) for name in names}

    async def client(self, user: str = "admin", password: str = "", project: str = "admin") -> httpx.AsyncClient:
        """Somebody who is logged in. Without a password: the administrator."""
        auth = yaml.safe_load((self.state / "clouds.yaml").read_text())["clouds"]["pileus"]["auth"]
        who = (user, password or auth["password"], project)
        return await client(self.url, *who, versions=VERSIONS, timeout=TIMEOUT_S)

    def of(self, part: str) -> list[int]:
        """The process, before those that it has started."""
        return [each.pid for each in family(self.parts[part].process)]

    async def whole(self) -> bool:
        """Whether everything runs and every host is usable."""
        return not await self.lacking()

    async def lacking(self) -> list[str]:
        """What does not run, or which host cannot be used."""
        if not self.has_database():
            return ["PostgreSQL does not answer"]
        if not await self.answers():
            return ["the API does not answer"]
        try:
            known = await self.known(each.name for each in self.hosts)
        except (httpx.TransportError, AssertionError) as e:
            return [f"the API does not answer: {e!r}"]
        return [f"{name} is not usable: {said}" for name, said in known.items() if not said.get("usable")]

    async def end(self) -> None:
        """Nothing of it runs."""
        for part in reversed(self.parts.values()):
            await part.end()


def send(pid: int, number: int) -> bool:
    """Whether it was there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


@contextmanager
def frozen(pids: Sequence[int]) -> Iterator[None]:
    """They do nothing inside the block."""
    stopped = [os.pidfd_open(pid) for pid in pids if send(pid, signal.SIGSTOP)]
    try:
        yield
    finally:
        for pidfd in stopped:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGCONT)
            os.close(pidfd)


async def comes_true(look: Any, *args: Any, within_s: float = PATIENCE_S) -> None:
    """Return once the look says yes. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not (found := look(*args)) or (asyncio.iscoroutine(found) and not await found):
            await pause(LOOK_S)


@contextmanager
def disk(home: Path) -> Iterator[Path]:
    """Of a host: a file system of its own."""
    image, place = home.with_suffix(".img"), home
    place.mkdir(mode=0o711)
    subprocess.run(["truncate", "-s", f"{DISK_GIB}G", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    place.chmod(0o711)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@asynccontextmanager
async def datacentre(home: Path, *, hosts: int = len(HOSTS)) -> AsyncIterator[Datacentre]:
    """It serves inside the block, in which this thread is on the machine of its control plane; nothing of it is left."""
    home.chmod(0o711)
    async with AsyncExitStack() as stack:
        names = HOSTS[:hosts]
        net = stack.enter_context(network(*names, tunnels=True))
        made_of = [Host(name, stack.enter_context(disk(home / name[:2])), name == HOSTS[0]) for name in names]
        stack.enter_context(inside(net.control))
        made = Datacentre(home, net, made_of)
        stack.enter_context(purged(made_of))
        stack.push_async_callback(made.end)
        await made.start()
        yield made


@contextmanager
def purged(hosts: Sequence[Host]) -> Iterator[None]:
    """What they have started ends after the block."""
    with ExitStack() as stack:
        for host in hosts:
            stack.callback(purge, host)
        yield


def purge(host: Host) -> None:
    if host.state.exists():
        done = pileus("down", "--purge", "--state", host.state)
        assert done.returncode == 0, done.stderr
