"""A cloud's networks made of real packets: OVN with userspace switches, each in a network namespace that stands for a host,
and guests that are namespaces plugged into them. Needs root, and the packages of `script/setup --real`."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from agent import namespaces
from pileus.agent.relay import Relay
from pileus.engines.guests import Asked, Told
from pileus.engines.overlay import Dhcp, Fixed, FloatingIp, Gateway, Group, Leg, Network, Port, Router, Rule
from pileus.engines.overlay.ovn import links
from pileus.engines.overlay.ovn.central import Central
from pileus.engines.overlay.ovn.daemons import Daemon, Keeper, inside, run
from pileus.engines.overlay.ovn.engine import OvnOverlay
from pileus.engines.overlay.ovn.host import External, Host, Underlay
from pileus.engines.overlay.ovn.metadata import Metadata
from pileus.engines.overlay.ovn.ovsdb import Tls
from pileus.engines.verbs import Answer, Change, Done
from pileus.kernel import tls
from pileus.kernel.clock import SystemClock
from pileus.kernel.errors import Unavailable
from support.waiting import pause

NOBODY = "65534"
PATIENCE = 100  # looks
LOOK_S = 0.1
LATE_S = 4.0  # on a machine that does other things, too
LEASE_SCRIPT = """\
#!/bin/sh
[ "$1" = bound ] || exit 0
ip -4 addr add $ip/$mask dev $interface
ip link set $interface mtu $mtu
set -- ${staticroutes:-0.0.0.0/0 $router}
while [ $# -ge 2 ]; do ip route replace $1 via $2; shift 2; done
"""
PING = ("ping", "-n", "-W", "1")
ANSWER = rb"icmp_seq=(\d+) ttl"


@dataclass
class Guest:
    """What is plugged into a port: a namespace whose eth0 it is."""

    netns: str
    port: Port
    lease_script: Path

    async def run(self, *words: str, within_s: float = 15.0) -> str:
        return await run(*words, netns=self.netns, within_s=within_s)

    async def lease(self) -> None:
        """Ask for an address by DHCP, and take what is offered. Raises Unavailable when nothing is."""
        options = ("-O", "staticroutes", "-O", "mtu")
        await self.run(
            "busybox", "udhcpc", "-fqn", "-t", "10", "-T", "1", "-i", "eth0", "-s", str(self.lease_script), *options
        )

    async def take(self, address: str, *, via: str = "") -> None:
        """An address without asking."""
        await self.run("ip", "addr", "add", address, "dev", "eth0")
        if via:
            await self.run("ip", "route", "add", "default", "via", via)

    async def pings(self, address: str, *words: str) -> bool:
        return await succeeds(*PING, "-c", "1", *words, address, netns=self.netns)

    async def reaches(self, address: str, *words: str) -> bool:
        """In due time."""
        return await comes_true(self.pings, address, *words)


async def succeeds(*words: str, netns: str) -> bool:
    try:
        await run(*words, netns=netns)
    except Unavailable:
        return False
    return True


async def comes_true(look: Any, *args: Any) -> bool:
    """Whether the look says yes at last."""
    for _ in range(PATIENCE):
        if await look(*args):
            return True
        await pause(LOOK_S)
    return False


async def killed(daemon: Daemon) -> None:
    """Until it runs again."""
    pid = daemon.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    async def runs_again() -> bool:
        return daemon.pid() not in (None, pid)

    assert await comes_true(runs_again)


@dataclass
class World:
    """`central` and `hosts` run; `overlay` writes. What is made here is gone at the end."""

    home: Path
    central: Central
    keeper: Keeper
    overlay: OvnOverlay
    changes: list[Change]
    hosts: dict[str, Host] = field(default_factory=dict)
    guests: list[Guest] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    authority: tls.Ca = field(default_factory=lambda: tls.Ca(*tls.new_authority("hosts", 1), Path()))

    async def add_host(self, name: str, room: str = "", **more: Any) -> Host:
        netns = self.named(name)
        southbound = more.pop("southbound", f"unix:{self.central.southbound}")
        host = Host(self.home / (room or name), name, southbound, netns=netns, **more)
        self.hosts[name] = host
        await host.start(self.keeper)
        return host

    def named(self, what: str) -> str:
        """A namespace of ours."""
        name = f"{self.home.name}-{what}"
        if name not in self.namespaces:
            self.namespaces.append(name)
        return name

    async def say(self, verb: str, wish: Any) -> None:
        answer: Answer = await getattr(self.overlay, verb)(wish, fence=1)
        assert isinstance(answer, Done), answer

    async def network(self, *subnets: Dhcp, **more: Any) -> Network:
        network = Network(id=uuid4(), subnets=subnets, **{"mtu": 1442, **more})
        await self.say("ensure_network", network)
        return network

    async def group(self, *rules: Rule) -> Group:
        group = Group(id=uuid4(), rules=rules)
        await self.say("ensure_group", group)
        return group

    async def port(self, network: Network, address: str, **more: Any) -> Port:
        """A port with an address of the network's first subnet; bound to h1, unless otherwise said."""
        wish = {
            "id": uuid4(),
            "network_id": network.id,
            "mac": f"fa:16:3e:00:00:{next(self.numbers):02x}",
            "fixed": (Fixed(subnet_id=network.subnets[0].id, address=address),),
            "host": "h1",
        }
        port = Port(**{**wish, **more})
        await self.say("ensure_port", port)
        return port

    async def guest(self, port: Port) -> Guest:
        """Plugged in, and up."""
        host = self.hosts[port.host or "h1"]
        netns, device = self.named(f"g{len(self.guests)}"), f"tap-{str(port.id)[:10]}"
        await links.ensure_netns(netns)
        await links.ensure_veth(links.End(device, host.netns), links.End("eth0", netns, port.mac))
        await host.plug(device, port.id)
        guest = Guest(netns, port, self.home / "lease.sh")
        self.guests.append(guest)
        assert await comes_true(self.is_up, port.id)
        return guest

    async def is_up(self, port_id: UUID) -> bool:
        return (await self.overlay.observe()).ports.get(port_id) is True

    async def router(self, *inside: Network, outside: Network | None = None, floating: dict[str, Port] = {}) -> Router:  # noqa: B006
        """A router with a leg in each network, at the gateway address of each subnet."""
        legs = [await self._leg(network) for network in inside]
        gateway = None
        if outside is not None:
            port = await self.port(outside, "172.24.4.5", kind="router", host=None)
            addresses, nexthops = ("172.24.4.5/24",), ("172.24.4.1",)
            gateway = Gateway(
                port_id=port.id, network_id=outside.id, mac=port.mac, addresses=addresses, nexthops=nexthops
            )
        floats = [
            FloatingIp(id=uuid4(), external=external, internal=port.fixed[0].address, port_id=port.id)
            for external, port in floating.items()
        ]
        router = Router(id=uuid4(), legs=tuple(legs), gateway=gateway, floating=tuple(floats))
        await self.say("ensure_router", router)
        return router

    async def _leg(self, network: Network) -> Leg:
        gateways = [f"{subnet.gateway}/{subnet.cidr.split('/')[1]}" for subnet in network.subnets]
        port = await self.port(
            network, "10.0.0.1", kind="router", host=None, mac=f"fa:16:3e:{network.id.bytes[0]:02x}:ff:01"
        )
        modes = tuple(subnet.ipv6_ra_mode for subnet in network.subnets if subnet.ipv6_ra_mode)
        return Leg(port_id=port.id, network_id=network.id, mac=port.mac, addresses=tuple(gateways), ra_modes=modes)

    async def cable(self, *names: str) -> None:
        """A wire between hosts, and further ones that are made at its end; long packets pass."""
        wire = self.named("wire")
        await links.ensure_netns(wire)
        await links.ip("link", "add", "wire", "type", "bridge", netns=wire)
        for name in names:
            await links.ensure_netns(self.named(name))
            await links.ensure_veth(links.End(name, wire), links.End("phy0", self.named(name)))
            await links.without_checksum_offload(name, wire)
            await links.ip("link", "set", name, "mtu", "1600", "master", "wire", netns=wire)
            await links.ip("link", "set", "phy0", "mtu", "1600", netns=self.named(name))
        await links.ip("link", "set", "wire", "mtu", "1600", "up", netns=wire)

    @asynccontextmanager
    async def metadata(self, ask: Callable[[Asked], Awaitable[Told]]) -> AsyncIterator[Metadata]:
        """On h1, answered by `ask`."""
        home = self.home / "metadata"
        command = (sys.executable, "-P", "-m", "pileus.agent.metadata")
        host, south = self.hosts["h1"], self.central.southbound
        made = Metadata(home, host, south, SystemClock(), lambda directory: (*command, directory, NOBODY))
        self.namespaces.append(made.netns)
        home.mkdir()
        relay = Relay(home / "guests.sock", int(NOBODY), ask)
        await relay.start()
        await made.start(self.keeper)
        try:
            yield made
        finally:
            await made.stop()
            await self.keeper.stop()
            await made.daemon.end()
            await relay.stop()

    def certificate(self, name: str) -> Tls:
        """Of that host, by the authority of this world."""
        folder = self.home / "tls" / name
        folder.mkdir(parents=True)
        found = Tls(folder / "key.pem", folder / "cert.pem", folder / "ca.pem")
        certificate, key = tls.issue(self.authority, [name], 1, client=True)
        for file, data in ((found.certificate, certificate), (found.key, key), (found.authority, self.authority.pem)):
            file.write_bytes(data)
        return found

    def far(self) -> dict[str, Any]:
        """How h2 finds the overlay: on another machine."""
        return {"southbound": "ssl:172.31.0.254:6642", "tls": self.certificate("h2")}

    async def public(self) -> Network:
        return await self.network(subnet("172.24.4.0/24", "172.24.4.1"), mtu=1500, physical_network="public")


def subnet(cidr: str = "10.0.0.0/24", gateway: str = "10.0.0.1", **more: Any) -> Dhcp:
    return Dhcp(**{"id": uuid4(), "cidr": cidr, "gateway": gateway, **more})


def rule(*, ingress: bool = True, ethertype: str = "IPv4", **more: Any) -> Rule:
    return Rule(id=uuid4(), ingress=ingress, ethertype=ethertype, **more)


@asynccontextmanager
async def world(*, cabled: bool = False, external: External = External(), rooms: bool = False) -> AsyncIterator[World]:
    """With one host, h1, which reaches the physical network `public`; `cabled`: and h2, by a tunnel.

    `rooms`: as `pileus up` has them, with the host's part and the central one in the agent's room.
    """
    home = Path(tempfile.mkdtemp(prefix="pileus", dir="/tmp"))  # short: sockets are below it
    (home / "lease.sh").write_text(LEASE_SCRIPT)
    (home / "lease.sh").chmod(0o755)
    clock, changes = SystemClock(), list[Change]()
    central = Central(home / "host" / "ovn" if rooms else home / "central")
    overlay = OvnOverlay(central.northbound, central.southbound, clock, changed=changes.append)
    made = World(home, central, Keeper(clock), overlay, changes)
    try:
        if cabled:
            await made.cable("h1", "h2")
            await links.ip("addr", "add", "172.31.0.254/24", "dev", "wire", netns=made.named("wire"))
            made.central = central = Central(
                central.home, "pssl:6642:172.31.0.254", made.certificate("central"), made.named("wire")
            )
        await central.start(made.keeper)
        await overlay.start()
        if cabled:
            await made.add_host("h2", underlay=Underlay("phy0", "172.31.0.2/24"), **made.far())
        underlay = Underlay("phy0", "172.31.0.1/24") if cabled else None
        await made.add_host("h1", "host/ovs" if rooms else "h1", external=external, underlay=underlay)
        yield made
    finally:
        await overlay.stop()
        await made.keeper.stop()
        daemons = [daemon for each in (*made.hosts.values(), central) for daemon in each.daemons]
        await asyncio.gather(*(daemon.end() for daemon in daemons))
        await asyncio.gather(*map(links.ensure_netns_gone, made.namespaces))
        shutil.rmtree(home, ignore_errors=True)


@dataclass
class Pings:
    """What came of a ping that ran through a block: how many went out, and which were never answered."""

    sent: int = 0
    lost: frozenset[int] = frozenset()


@asynccontextmanager
async def pinging(netns: str, address: str) -> AsyncIterator[Pings]:
    """Twenty pings a second from that namespace. The block begins at the first answer: until then a router may ask for
    its neighbour, at whose cost a ping may be. Afterwards each counts; an answer may be late, not missing."""
    words = (*inside(netns), *PING, "-i", "0.05", address)
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    pings, heard = Pings(), b""
    try:
        while not (first := re.search(ANSWER, heard)):
            heard += await asyncio.wait_for(process.stdout.readuntil(), PATIENCE * LOOK_S)
        yield pings
        await pause(LATE_S)
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()
    found = re.search(rb"(\d+) packets transmitted", output)
    assert found, output
    pings.sent = int(found[1]) - round(20 * LATE_S)  # those may be on their way
    answered = {int(number) for number in re.findall(ANSWER, output)}
    pings.lost = frozenset(range(int(first[1]) + 1, pings.sent + 1)) - answered


@asynccontextmanager
async def echo(netns: str, address: str, port: int) -> AsyncIterator[None]:
    """Whatever is sent there comes back."""

    answering: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.append(writer)
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    with namespaces.inside(netns):
        listening = socket.create_server((address, port))
    server = await asyncio.start_server(serve, sock=listening)
    try:
        yield
    finally:
        server.close()
        for writer in answering:  # a group that was closed keeps from us that the other end has gone
            writer.transport.abort()


@asynccontextmanager
async def connected(netns: str, address: str, port: int, *, within_s: float = 1.0) -> AsyncIterator[Line]:
    """A TCP connection from a namespace. Raises TimeoutError, OSError."""
    with namespaces.inside(netns):
        sock = socket.socket()
    sock.setblocking(False)
    try:
        async with asyncio.timeout(within_s):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except (TimeoutError, OSError):
        sock.close()
        raise
    reader, writer = await asyncio.open_connection(sock=sock)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


@dataclass
class Line:
    """A connection to an echo."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def echoes(self, within_s: float = 1.0) -> bool:
        """Whether what is said now comes back; what was said before and got lost may come first."""
        self.writer.write(b"!")
        try:
            async with asyncio.timeout(within_s):
                return bool(await self.reader.read(1000))
        except TimeoutError:
            return False
