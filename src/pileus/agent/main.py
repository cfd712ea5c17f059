"""The agent: the process on a host that serves its engines and renews its lease. It knows no database."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

import pileus
from pileus.agent import certificates, engines, join
from pileus.agent.app import AgentApp
from pileus.agent.relay import asks_control
from pileus.agent.report import Reporter
from pileus.agent.transfers import HttpTransfers
from pileus.agent.wire import UNIX, AgentError
from pileus.agent.wiring import Wiring, local_name
from pileus.engines.files import make_directory
from pileus.engines.rim import Rim
from pileus.kernel.clock import Clock, SystemClock
from pileus.kernel.config import Http
from pileus.kernel.errors import Unavailable
from pileus.kernel.http.server import Listener, Server
from pileus.kernel.http.unix import bound_socket
from pileus.kernel.join_token import JoinToken

logger = logging.getLogger("pileus.agent")

LOCK = "agent.lock"
FORGET_FENCES_AFTER_S = 30 * 86_400.0
HOUSEKEEPING_S = 86_400.0
POST_TIMEOUT_S = 10.0
CERTIFY_S = 1.0


@dataclass(frozen=True)
class Options:
    """The command line. `listen` is HOST:PORT or unix:PATH; `control` is https://HOST:PORT or unix:PATH."""

    state: Path
    control: str
    listen: str = "0.0.0.0:8790"
    join: str | None = None  # the join token; needed once, and ignored when it is the one that was used
    simulate: bool = False
    advertise: str = ""  # the host by which the control plane reaches this agent; empty: found out
    wiring: Wiring = field(default_factory=Wiring)
    central: bool = False  # this host holds the overlay of the cloud, as one beside its control process always does
    commander: int | None = None  # behind a Unix socket: the uid of the control process; None: our own


async def run(options: Options, *, ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is told the address once the agent listens.

    Raises AgentError.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with AsyncExitStack() as stack:
            agent = await stack.enter_async_context(RunningAgent(options, SystemClock()))
            if ready is not None:
                ready(agent.address)
            await stop.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class RunningAgent:
    """An agent while the block runs: listens, resumes its jobs, reports."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options, self._clock = options, clock
        self._stack = AsyncExitStack()
        self.rims: dict[str, Rim[Any]] = {}
        self.address = ""
        self._identity_for_hosts: join.Identity | None = None

    async def __aenter__(self) -> RunningAgent:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *why: object) -> None:
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        options = self._options
        make_directory(options.state)
        stack.enter_context(locked(options.state / LOCK))
        sock = listening_socket(options)
        stack.callback(sock.close)
        self.address = address_of(sock, options)
        identity = await self._identity()
        client, extensions = posts_to(options.control, identity)
        await stack.enter_async_context(client)
        reporter = Reporter(client, self.rims, self._clock, extensions)
        reporter.address = self.address
        name = local_name() if identity is None else identity.name
        self._identity_for_hosts = identity
        if identity is None:
            stack.push_async_callback(ended, asyncio.create_task(self._certify(name, client)))
        place = engines.Place(
            home=options.state,
            name=name,
            clock=self._clock,
            transfers=HttpTransfers(client, extensions),
            changed=reporter.changed,
            central=identity is None or options.central,
            certificates=partial(self._certificates, name),
            wiring=options.wiring,
            ask=asks_control(client, extensions),
            address=options.advertise or reached_by(options.control),
        )
        await self._make_rims(stack, place)
        if identity is None:
            listener = Listener(sock=sock, peers=frozenset({os.geteuid(), options.commander or os.geteuid()}))
        else:
            listener = Listener(sock=sock, tls=identity.server_context())
        server = Server(AgentApp(self.rims, trusted=identity is None), Http(), [listener])
        await server.start()
        stack.push_async_callback(server.stop, 1.0)
        reporter.start()
        stack.push_async_callback(reporter.stop)
        stack.push_async_callback(ended, asyncio.create_task(self._keep_house()))
        logger.info("the agent listens", extra={"facts": {"address": self.address}})

    async def _identity(self) -> join.Identity | None:
        """Who this host is; None behind Unix sockets, where the file system says who may speak."""
        options = self._options
        if options.listen.startswith(UNIX):
            return None
        identity = join.load(options.state)
        token = None if options.join is None else read_token(options.join)
        if token is not None and (identity is None or identity.joined_by != token.digest):
            return await join.join(options.state, options.control, token, self.address)
        if identity is None:
            raise AgentError(
                "This machine has not joined: on the control machine say `pileus host token NAME`, "
                "then start the agent with --join TOKEN."
            )
        return identity

    async def _certify(self, name: str, client: httpx.AsyncClient) -> None:
        """Until the control process beside us has told it: it may start later than we do."""
        while self._identity_for_hosts is None:
            try:
                self._identity_for_hosts = await join.certify(self._options.state, name, client)
            except Unavailable as e:
                logger.debug("no certificate yet: %s", e.message)
                await self._clock.sleep(CERTIFY_S)

    def _certificates(self, name: str) -> Path:
        """By which hosts know each other. Raises Unavailable while there are none."""
        if self._identity_for_hosts is None:
            raise Unavailable("This host has no certificate yet: its control process has not told it.")
        state = self._options.state
        return certificates.ensure(state, name, self._identity_for_hosts, state)

    async def _make_rims(self, stack: AsyncExitStack, place: engines.Place) -> None:
        options = self._options
        if options.simulate:
            served = engines.simulated(place)
        else:
            served = await stack.enter_async_context(engines.real(place))
        for protocol, engine in served:
            home = options.state / "engines" / protocol.KIND
            rim = Rim(protocol, engine, home, self._clock, changed=place.changed, durable=True)
            self.rims[protocol.KIND] = rim
            stack.push_async_callback(rim.stop)
            await rim.resume()

    async def _keep_house(self) -> None:
        while True:
            for rim in self.rims.values():
                rim.fences.forget(self._clock.now() - FORGET_FENCES_AFTER_S)
            await self._clock.sleep(HOUSEKEEPING_S)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def read_token(text: str) -> JoinToken:
    try:
        return JoinToken.parse(text)
    except ValueError as e:
        raise AgentError(f"The join token cannot be read: {e}") from e


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else serves this state directory inside the block; the file says who does. Raises AgentError."""
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise AgentError(f"Another agent runs on {path.parent}.") from e
        file.truncate()
        file.write(f"{os.getpid()} {pileus.__version__}\n")
        file.flush()
        yield


def listening_socket(options: Options) -> socket.socket:
    """A bound socket; a Unix socket's file belongs to who may command. Raises AgentError."""
    listen = options.listen
    try:
        if listen.startswith(UNIX):
            return bound_socket(Path(listen.removeprefix(UNIX)), options.commander)
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, int(port)), family=family)
    except (OSError, ValueError) as e:
        raise AgentError(f"The agent cannot listen on {listen}: {e}") from e


def address_of(sock: socket.socket, options: Options) -> str:
    """What the control plane reaches the agent by."""
    if options.listen.startswith(UNIX):
        return options.listen
    host, port = sock.getsockname()[:2]
    if options.advertise:
        host = options.advertise
    elif host in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
        host = own_address(options.control)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reached_by(control: str) -> str:
    """The address by which other hosts reach this machine; its own, if it has no way to any."""
    elsewhere = "https://192.0.2.1" if control.startswith(UNIX) else control  # nothing is sent there
    try:
        return own_address(elsewhere)
    except AgentError:
        return "127.0.0.1"


def own_address(control: str) -> str:
    """This machine's address on the way to the control plane. Raises AgentError."""
    url = urlsplit(control)
    try:
        to = socket.getaddrinfo(url.hostname, url.port or 443, type=socket.SOCK_DGRAM)[0]
        with socket.socket(to[0], to[1]) as probe:
            probe.connect(to[4])  # sends nothing; the kernel chooses the way
            return str(probe.getsockname()[0])
    except OSError as e:
        raise AgentError(f"No way leads to {control}: {e}") from e


def posts_to(control: str, identity: join.Identity | None) -> tuple[httpx.AsyncClient, dict[str, Any]]:
    """A connection to the control plane's listener for agents, and what each request of it carries along."""
    if control.startswith(UNIX):
        transport = httpx.AsyncHTTPTransport(uds=control.removeprefix(UNIX))
        return httpx.AsyncClient(transport=transport, base_url="http://control", timeout=POST_TIMEOUT_S), {}
    if identity is None:
        raise AgentError("An agent behind a Unix socket speaks to a control plane behind another: --control unix:PATH.")
    verify = identity.client_context()
    client = httpx.AsyncClient(verify=verify, base_url=control, timeout=POST_TIMEOUT_S, trust_env=False)
    return client, dict(join.EXPECT)
