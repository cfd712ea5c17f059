"""The one writer of OVN's northbound database: connected for as long as it lives, holding OVSDB's lock.

Whoever wants something changed says so to `say`; what is said while a transaction is on its way goes into the next one, all
together. A transaction that the database refuses is taken apart, so that only who asked for what it refuses hears of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from pileus.engines.overlay.ovn.daemons import begin
from pileus.engines.overlay.ovn.draft import Draft
from pileus.engines.overlay.ovn.ovsdb import Connection, Json, OvsdbError
from pileus.engines.overlay.ovn.replica import Columns, Replica, Uuid, one
from pileus.engines.verbs import Answer, Done, Failed
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Unavailable

logger = logging.getLogger("pileus.overlay")

NORTH, SOUTH = "OVN_Northbound", "OVN_Southbound"
LOCK = "pileus_overlay"
AT_ONCE = 64  # wishes in one transaction
PATIENCE_S = 2.0  # of who says something while the database is away
PAUSE_S = 0.5  # before the next try to connect
WRITTEN: Mapping[str, tuple[str, ...]] = {
    "Logical_Switch": ("name", "ports", "other_config", "external_ids"),
    "Logical_Switch_Port": (
        "name", "type", "options", "tag", "addresses", "port_security", "up", "enabled", "dhcpv4_options",
        "dhcpv6_options", "external_ids",
    ),
    "Port_Group": ("name", "ports", "acls", "external_ids"),
    "ACL": ("direction", "priority", "match", "action", "external_ids"),
    "DHCP_Options": ("cidr", "options", "external_ids"),
    "Logical_Router": ("name", "ports", "static_routes", "nat", "enabled", "options", "external_ids"),
    "Logical_Router_Port": ("name", "mac", "networks", "options", "gateway_chassis", "ipv6_ra_configs", "external_ids"),
    "Logical_Router_Static_Route": ("ip_prefix", "nexthop", "output_port", "external_ids"),
    "NAT": ("type", "external_ip", "logical_ip", "external_mac", "logical_port", "external_ids"),
    "Gateway_Chassis": ("name", "chassis_name", "priority", "external_ids"),
}  # fmt: skip
HOSTS = {"Chassis": ("name", "other_config")}

Write = Callable[[Draft], None]
Asked = tuple[Write, "asyncio.Future[Answer]"]


class Session:
    """`surroundings` is awaited whenever hosts have changed, and once after each connecting; `port_changed` hears of
    devices that were plugged or pulled."""

    def __init__(
        self, northbound: Path, southbound: Path, clock: Clock, *, surroundings: Callable[[], Awaitable[None]]
    ) -> None:
        self._northbound, self._southbound, self._clock = northbound, southbound, clock
        self._surroundings = surroundings
        self.port_changed: Callable[[Columns, bool], None] = lambda row, is_up: None
        self._north, self._hosts = Replica(), Replica()
        self._up: dict[Uuid, bool] = {}
        self._known = False  # whether `_up` is what the database said, so that a difference is news
        self._may_write = False
        self._connected = asyncio.Event()
        self._hosts_changed = asyncio.Event()
        self._asked: list[Asked] = []
        self._any_asked = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._running = begin(self._run(), "overlay")

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    async def say(self, write: Write) -> Answer:
        """Done when the database holds what `write` has drafted; Failed when it refuses. Raises Unavailable."""
        await self._ready()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked.append((write, answer))
        self._any_asked.set()
        return await answer

    async def look(self) -> Draft:
        """What the database holds: a draft to look at. Raises Unavailable."""
        await self._ready()
        return Draft(self._north)

    def reach(self) -> dict[str, frozenset[str]]:
        """The hosts, and the physical networks that each reaches."""
        found = {}
        for row in self._hosts.tables["Chassis"].values():
            config = row.get("other_config", {})
            mappings = config.get("ovn-bridge-mappings", "") if isinstance(config, dict) else ""
            found[str(one(row, "name"))] = frozenset(pair.split(":")[0] for pair in mappings.split(",") if pair)
        return found

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._connected.wait()
        except TimeoutError:
            raise Unavailable(f"OVN's databases beside {self._northbound} do not answer.") from None

    # connected

    async def _run(self) -> None:
        while True:
            try:
                await self._serve()
            except (Unavailable, OvsdbError) as e:
                logger.warning("OVN's databases are away: %s", e)
            await self._clock.sleep(PAUSE_S)

    async def _serve(self) -> None:
        """Write until one of the databases is away."""
        async with AsyncExitStack() as stack:
            north = await self._follow(stack, self._northbound, NORTH, WRITTEN)
            south = await self._follow(stack, self._southbound, SOUTH, HOSTS)
            self._known = True
            self._may_write = (await north.call("lock", LOCK))["locked"]
            stack.callback(self._leave)
            self._connected.set()
            self._hosts_changed.set()
            works = [self._writing(north), self._watching_hosts(), north.closed(), south.closed()]
            tasks = [asyncio.ensure_future(work) for work in works]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
            for end in ended:
                if isinstance(end, Exception):
                    raise end

    def _leave(self) -> None:
        self._connected.clear()
        self._may_write = False
        for _, answer in self._asked:
            settle(answer, Unavailable("OVN's databases went away; whether it was written is not known."))
        self._asked.clear()

    async def _follow(
        self, stack: AsyncExitStack, socket: Path, database: str, tables: Mapping[str, Sequence[str]]
    ) -> Connection:
        """A connection, and a replica that follows."""
        replica = Replica(self._row_changed)

        def notified(method: str, params: Sequence[Json]) -> None:
            if method == "update":
                replica.update(params[1])
            elif method in ("locked", "stolen"):
                self._may_write = method == "locked"

        connection = await Connection.open(socket, notified)
        stack.push_async_callback(connection.close)
        wanted = {table: {"columns": columns} for table, columns in tables.items()}
        replica.update(await connection.call("monitor", database, database, wanted))
        if database == NORTH:
            self._north = replica
        else:
            self._hosts = replica
        return connection

    def _row_changed(self, table: str, row: Uuid, old: Columns | None, new: Columns | None) -> None:
        if table == "Chassis":
            self._hosts_changed.set()
        elif table == "Logical_Switch_Port" and new is None:
            self._up.pop(row, None)
        elif table == "Logical_Switch_Port" and new is not None:
            was, is_up = self._up.get(row, False), one(new, "up") is True
            self._up[row] = is_up
            if was != is_up and self._known and not one(new, "type"):
                self.port_changed(new, is_up)

    async def _watching_hosts(self) -> None:
        while True:
            await self._hosts_changed.wait()
            self._hosts_changed.clear()
            await self._surroundings()

    # write

    async def _writing(self, north: Connection) -> None:
        while True:
            await self._any_asked.wait()
            self._any_asked.clear()
            while self._asked:
                some, self._asked = self._asked[:AT_ONCE], self._asked[AT_ONCE:]
                await self._write_or_say(north, some)

    async def _write_or_say(self, north: Connection, some: list[Asked]) -> None:
        """Whatever happens, who asked gets an answer."""
        try:
            await self._write_apart(north, some)
        finally:
            for _, answer in some:
                settle(answer, Unavailable("The writing was interrupted; whether it happened is not known."))

    async def _write_apart(self, north: Connection, some: list[Asked]) -> None:
        """All together; one by one if that is refused."""
        try:
            await self._write(north, some)
        except (OvsdbError, ValueError) as e:
            if len(some) == 1:
                logger.warning("OVN's database refuses: %s", e)
                settle(some[0][1], Failed(f"OVN's database refuses it: {e}"))
                return
            for each in some:
                await self._write_apart(north, [each])

    async def _write(self, north: Connection, some: list[Asked]) -> None:
        draft = Draft(self._north)
        for write, _ in some:
            write(draft)
        if draft.operations:
            if not self._may_write:
                raise Unavailable("Another process writes OVN's northbound database.")
            await north.transact(NORTH, [{"op": "assert", "lock": LOCK}, *draft.operations])
        for _, answer in some:
            settle(answer, Done())


def settle(answer: asyncio.Future[Answer], end: Answer | Exception) -> None:
    """Who has an answer already keeps it; who has gone away needs none."""
    with suppress(asyncio.InvalidStateError):
        if isinstance(end, Exception):
            answer.set_exception(end)
        else:
            answer.set_result(end)
