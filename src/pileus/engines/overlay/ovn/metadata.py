"""What a host's metadata process needs: one namespace with a device for each network that has guests here.

A device is the host's end of the network's metadata port, which OVN has on every host. All have the same address,
169.254.169.254, and a way to everywhere: who answers is bound to the device that the question came in by, so neither the
addresses that networks share nor those of one another matter. Nothing is passed from one device to another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import msgspec

from pileus.engines.files import make_directory, write_whole
from pileus.engines.overlay.ovn import links
from pileus.engines.overlay.ovn.daemons import Daemon, Keeper, begin, run
from pileus.engines.overlay.ovn.host import Host
from pileus.engines.overlay.ovn.ovsdb import Connection, Json, OvsdbError, Remote
from pileus.engines.overlay.ovn.replica import Replica, Uuid, column, one
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Unavailable

logger = logging.getLogger("pileus.overlay")

ADDRESS = "169.254.169.254/32"
NETWORKS = "networks.json"
PREFIX = "md"  # of our devices
INTERFACES = {"Interface": {"columns": ["name", "external_ids"]}}
LOOK_S = 5.0  # for what nobody tells: a network's metadata port that came after its guests
QUIET = {
    "net.ipv4.ip_forward": 0,  # a namespace inherits the machine's, and guests of two networks meet here
    "net.ipv4.conf.all.rp_filter": 0,  # the way back is the device it came by
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv4.conf.default.arp_ignore": 1,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv6.conf.all.disable_ipv6": 1,
    "net.ipv6.conf.default.disable_ipv6": 1,
}


@dataclass(frozen=True)
class Place:
    """The metadata port of a network, as it is on each host."""

    network_id: UUID
    port_id: UUID
    mac: str
    addresses: tuple[str, ...]

    @property
    def device(self) -> str:
        return f"{PREFIX}{self.port_id.hex[:12]}"

    @property
    def inner(self) -> str:
        """The other end of it."""
        return f"in{self.port_id.hex[:12]}"


def metadata_netns(netns: str) -> str:
    """The namespace beside that of a host's switch."""
    return f"{netns or 'pileus'}-metadata"


class Metadata:
    """Devices come and go with the guests' networks. `command` starts the process on a directory."""

    def __init__(
        self, home: Path, host: Host, southbound: Path | Remote, clock: Clock, command: Callable[[str], Sequence[str]]
    ) -> None:
        self.home, self._host, self._southbound, self._clock = home, host, southbound, clock
        self.netns = metadata_netns(host.netns)
        self.daemon = Daemon("metadata", home, command(str(home)), self.netns)
        self._places: frozenset[Place] | None = None  # not known yet
        self._following: asyncio.Task[None] | None = None

    async def start(self, keeper: Keeper) -> None:
        """The process runs, and follows the networks. Raises Unavailable."""
        make_directory(self.home)
        os.chmod(self.home, 0o755)  # noqa: S103 (below a directory that is root's alone)
        await links.ensure_netns(self.netns)
        await run("sysctl", "-q", "-w", *(f"{name}={value}" for name, value in QUIET.items()), netns=self.netns)
        if not (self.home / NETWORKS).exists():
            self._tell(frozenset())
        await keeper.ensure(self.daemon)
        self._following = begin(self._follow(), "metadata")

    async def stop(self) -> None:
        """Follow no more; the process goes on as it is."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})

    async def _follow(self) -> None:
        while True:
            try:
                await self._follow_switch()
            except (Unavailable, OvsdbError) as e:
                logger.warning("networks with metadata are not known just now: %s", e)
            await self._clock.sleep(1.0)

    async def _follow_switch(self) -> None:
        """Look whenever something is plugged or pulled. Raises Unavailable, OvsdbError."""
        changed, plugged = asyncio.Event(), Replica()

        def notified(method: str, params: Sequence[Json]) -> None:
            if method == "update":
                plugged.update(params[1])
                changed.set()

        local = await Connection.open(self._host.socket, notified)
        try:
            plugged.update(await local.call("monitor", "Open_vSwitch", "interfaces", INTERFACES))
            while True:
                changed.clear()
                await self._once(ports_of(plugged))
                await happens(changed, LOOK_S)
        finally:
            await local.close()

    async def _once(self, mine: frozenset[str]) -> None:
        wanted = frozenset(await self._wanted(mine))
        if wanted == self._places:
            return
        known = {place.device for place in wanted}
        for device in await links.names(self._host.netns):
            if device.startswith(PREFIX) and device not in known:
                await self._host.unplug(device)
                await links.ensure_gone(device, self._host.netns)
        for place in wanted - (self._places or frozenset()):
            await self._ensure(place)
        self._places = wanted
        self._tell(wanted)

    async def _ensure(self, place: Place) -> None:
        inner = place.inner
        await links.ensure_veth(links.End(place.device, self._host.netns), links.End(inner, self.netns, place.mac))
        for address in (ADDRESS, *(f"{each}/32" for each in place.addresses)):
            await links.ip("addr", "replace", address, "dev", inner, netns=self.netns)
        metric = str(int(place.port_id.hex[:7], 16) + 1)  # any, but each another: one way to everywhere for each device
        await links.ip("route", "replace", "default", "dev", inner, "metric", metric, netns=self.netns)
        await self._host.plug(place.device, place.port_id)

    def _tell(self, places: frozenset[Place]) -> None:
        """Let the process listen where there is something to hear."""
        networks = {place.inner: str(place.network_id) for place in places}
        file = self.home / NETWORKS
        write_whole(file, msgspec.json.encode(networks))
        file.chmod(0o644)
        if (pid := self.daemon.pid()) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)

    # who is here

    async def _wanted(self, mine: frozenset[str]) -> list[Place]:
        """The metadata ports of the networks that these ports are in. Raises Unavailable, OvsdbError."""
        if not mine:
            return []
        south = await Connection.open(self._southbound)
        try:
            here = await select(south, [binding("logical_port", port, ["datapath"]) for port in sorted(mine)])
            switches = sorted({one(row, "datapath") for row in here})
            return await self._places_on(south, switches)
        finally:
            await south.close()

    async def _places_on(self, south: Connection, switches: Sequence[Uuid]) -> list[Place]:
        found = []
        for switch in switches:
            where = [["datapath", "==", switch.wire], ["type", "==", "localport"]]
            name = {"op": "select", "table": "Datapath_Binding", "where": [["_uuid", "==", switch.wire]]}
            ports = {"op": "select", "table": "Port_Binding", "where": where, "columns": ["logical_port", "mac"]}
            rows = await select(south, [name, ports])
            ids: dict[str, str] = next((row["external_ids"] for row in rows if "external_ids" in row), {})
            found += [place_of(ids, row) for row in rows if "logical_port" in row]
        return [place for place in found if place is not None]


async def happens(event: asyncio.Event, within_s: float) -> None:
    """Return when it does, or after that time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await event.wait()


def ports_of(plugged: Replica) -> frozenset[str]:
    """The ports that have a device in the switch, but for those of ours."""
    found = {str(one(row, "name")): row["external_ids"] for row in plugged.tables["Interface"].values()}
    ids = {device: each["iface-id"] for device, each in found.items() if isinstance(each, dict) and "iface-id" in each}
    return frozenset(port for device, port in ids.items() if not device.startswith(PREFIX))


def binding(name: str, value: str, columns: list[str]) -> Json:
    return {"op": "select", "table": "Port_Binding", "where": [[name, "==", value]], "columns": columns}


async def select(connection: Connection, operations: Sequence[Json]) -> list[Json]:
    """All rows of all of them."""
    results = await connection.transact("OVN_Southbound", operations)
    rows = [row for result in results for row in result["rows"]]
    return [{name: column(value) for name, value in row.items()} for row in rows]


def place_of(ids: dict[str, str], row: Json) -> Place | None:
    """None for a port of somebody else's."""
    words = next((str(each).split() for each in row["mac"] if each != "unknown"), [])
    try:
        network_id, port_id = UUID(ids.get("name", "")), UUID(str(one(row, "logical_port")))
    except ValueError:
        return None
    addresses = tuple(word for word in words[1:] if ":" not in word)
    return Place(network_id, port_id, words[0], addresses) if words else None
