"""An overlay made of files: it survives kill -9, you can `ls` it, and it can be told to fail.

<home>/networks/<id>.json    each wish as it was said
<home>/ports/<id>.json
<home>/groups/<id>.json
<home>/routers/<id>.json
<home>/jobs, <home>/troubles see `engines.simulation`

A port is up when it has a device that is wanted up and is bound to a host; the end of a router is up as soon as it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

import msgspec

from pileus.engines.files import read_or_none, write_at_home
from pileus.engines.overlay import Group, Network, Place, Port, Router, Seen
from pileus.engines.simulation import Simulation, kept, structs
from pileus.engines.verbs import Answer, Change, Done
from pileus.kernel.clock import Clock
from pileus.kernel.errors import NotFound

TAKES_SPACE = ("ensure_network", "ensure_port", "ensure_group", "ensure_router")


class SimOverlay:
    """Networks that are files. `changed` hears of each port that comes up or goes down."""

    KIND = "overlay"
    VERSION = 1

    def __init__(
        self,
        home: Path,
        clock: Clock,
        *,
        delays_s: Mapping[str, float] | None = None,
        changed: Callable[[Change], None] | None = None,
    ) -> None:
        names = ("networks", "ports", "groups", "routers")
        self._networks, self._ports, self._groups, self._routers = (home / name for name in names)
        self._simulation = Simulation(home, clock, delays_s=delays_s, takes_space=TAKES_SPACE)
        self.troubles, self.delays_s = self._simulation.troubles, self._simulation.delays_s
        self._changed = changed or (lambda change: None)

    async def ensure_network(self, network: Network, *, fence: int) -> Answer:
        return await self._there("ensure_network", self._networks, network)

    async def ensure_network_gone(self, network_id: UUID, *, fence: int) -> Answer:
        return await self._gone("ensure_network_gone", self._networks, network_id)

    async def ensure_port(self, port: Port, *, fence: int) -> Answer:
        was, answer = self._port(port.id), await self._there("ensure_port", self._ports, port)
        if not isinstance(answer, Done):
            return answer
        self._tell(port.id, was is not None and is_up(was), is_up(port))
        return Done(facts={"up": is_up(port)})

    async def ensure_port_gone(self, port_id: UUID, *, fence: int) -> Answer:
        return await self._gone("ensure_port_gone", self._ports, port_id)

    async def ensure_group(self, group: Group, *, fence: int) -> Answer:
        return await self._there("ensure_group", self._groups, group)

    async def ensure_group_gone(self, group_id: UUID, *, fence: int) -> Answer:
        return await self._gone("ensure_group_gone", self._groups, group_id)

    async def ensure_router(self, router: Router, *, fence: int) -> Answer:
        return await self._there("ensure_router", self._routers, router)

    async def ensure_router_gone(self, router_id: UUID, *, fence: int) -> Answer:
        return await self._gone("ensure_router_gone", self._routers, router_id)

    async def cancel(self, subject_id: UUID, verb: str, *, fence: int) -> Answer:
        return await self._simulation.cancel(subject_id, verb)

    async def observe(self) -> Seen:
        await self._simulation.suffer(self.troubles.of("observe", ""))
        routers, ports = structs(self._routers, Router), structs(self._ports, Port).values()
        return Seen(
            networks=ids(structs(self._networks, Network)),
            ports={port.id: is_up(port) for port in ports},
            groups=ids(structs(self._groups, Group)),
            routers=ids(routers),
            floating=frozenset(each.id for router in routers.values() for each in router.floating),
            places={
                port.id: Place(port.host, frozenset(each.address for each in port.fixed))
                for port in ports
                if port.kind == "vif"
            },
        )

    async def trace(self, source_port: UUID, destination: str, protocol: str, port: int | None) -> list[str]:
        found = self._port(source_port)
        if found is None:
            raise NotFound(f"There is no port {source_port} in the overlay.")
        what = f"{protocol} to {destination}" + (f" port {port}" if port is not None else "")
        state = "is up" if is_up(found) else "is down: nothing leaves it"
        return [f"{what} from port {source_port}, which {state}", "a simulated overlay moves no packets"]

    async def _there(self, verb: str, folder: Path, wish: Network | Port | Group | Router) -> Answer:
        file, wanted = folder / f"{wish.id}.json", msgspec.json.encode(wish)

        def make_so() -> Answer:
            write_at_home(file, wanted)
            return Done()

        return await self._simulation.say(
            verb,
            wish.id,
            wanted.decode(),
            is_so=lambda: Done() if read_or_none(file) == wanted else None,
            make_so=make_so,
        )

    async def _gone(self, verb: str, folder: Path, subject: UUID) -> Answer:
        def make_so() -> Answer:
            (folder / f"{subject}.json").unlink(missing_ok=True)
            self._simulation.drop(subject)
            return Done()

        return await self._simulation.say(verb, subject, is_so=lambda: None, make_so=make_so)

    def _port(self, port_id: UUID) -> Port | None:
        return kept(self._ports / f"{port_id}.json", Port)

    def _tell(self, port_id: UUID, was_up: bool, up: bool) -> None:
        if was_up != up:
            self._changed(Change(self.KIND, "port_up" if up else "port_down", str(port_id), Done()))


def is_up(port: Port) -> bool:
    """Whether its device works."""
    return port.kind == "router" or (port.kind == "vif" and port.up and port.host is not None)


def ids(found: Mapping[str, object]) -> frozenset[UUID]:
    return frozenset(UUID(name) for name in found)
