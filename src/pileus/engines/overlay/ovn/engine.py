"""The overlay engine on OVN: wishes become rows of its northbound database, whose rest OVN does by itself.

What is wished for is kept in the rows themselves, so any process may go on where another was killed. A thing that is named
before it is said has a place: a switch without a wish, a port group without rules, which nobody sees from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, TypeVar
from uuid import UUID

import msgspec

from pileus.engines.overlay import Group, Network, Port, Router, Seen
from pileus.engines.overlay.ovn import groups, names, networks, ports, routers, tracing
from pileus.engines.overlay.ovn.draft import Draft, Ref
from pileus.engines.overlay.ovn.replica import KEY, Columns, Uuid, key_of, members, one
from pileus.engines.overlay.ovn.session import Session
from pileus.engines.verbs import Answer, Change, Done
from pileus.kernel.clock import Clock

W = TypeVar("W")

AT_ONCE = 50  # routers that are made again in one transaction


class OvnOverlay:
    """`pileus.engines.overlay.Overlay` on the northbound database at one socket, with the southbound one beside it."""

    KIND: ClassVar[str] = "overlay"
    VERSION: ClassVar[int] = 1

    def __init__(
        self,
        northbound: Path,
        southbound: Path,
        clock: Clock,
        *,
        changed: Callable[[Change], None] = lambda change: None,
    ) -> None:
        self._southbound = southbound
        self._changed = changed
        self._session = Session(northbound, southbound, clock, surroundings=self._surroundings_changed)
        self._session.port_changed = self._port_changed

    async def start(self) -> None:
        """Connect, beside the caller, and stay connected."""
        self._session.start()

    async def stop(self) -> None:
        await self._session.stop()

    # verbs

    async def ensure_network(self, network: Network, *, fence: int) -> Answer:
        return await self._session.say(lambda draft: self._put_network(draft, network))

    async def ensure_network_gone(self, network_id: UUID, *, fence: int) -> Answer:
        return await self._session.say(lambda draft: self._drop_network(draft, network_id))

    async def ensure_port(self, port: Port, *, fence: int) -> Answer:
        answer = await self._session.say(lambda draft: self._put_port(draft, port))
        if not isinstance(answer, Done):
            return answer
        row = (await self._session.look()).row(ports.port_ref(port.id))
        return Done(facts={"up": row is not None and works(row)})

    async def ensure_port_gone(self, port_id: UUID, *, fence: int) -> Answer:
        return await self._session.say(lambda draft: drop_port(draft, port_id))

    async def ensure_group(self, group: Group, *, fence: int) -> Answer:
        return await self._session.say(lambda draft: draft.ensure(names.group(group.id), groups.rows(group)))

    async def ensure_group_gone(self, group_id: UUID, *, fence: int) -> Answer:
        return await self._session.say(lambda draft: drop_group(draft, group_id))

    async def ensure_router(self, router: Router, *, fence: int) -> Answer:
        return await self._session.say(lambda draft: self._put_router(draft, router))

    async def ensure_router_gone(self, router_id: UUID, *, fence: int) -> Answer:
        return await self._session.say(lambda draft: draft.ensure(names.router(router_id), ()))

    async def cancel(self, subject_id: UUID, verb: str, *, fence: int) -> Answer:
        """Nothing here takes long."""
        return Done()

    # questions

    async def observe(self) -> Seen:
        draft = await self._session.look()
        floating = [f.id for router in wishes(draft, "Logical_Router", Router) for f in router.floating]
        return Seen(
            networks=frozenset(network.id for network in wishes(draft, "Logical_Switch", Network)),
            ports={port.id: works(row) for row, port in told(draft)},
            groups=frozenset(names.id_in(key) for key, row in keyed(draft, "Port_Group") if groups.SAID in ids(row)),
            routers=frozenset(router.id for router in wishes(draft, "Logical_Router", Router)),
            floating=frozenset(floating),
            places={port.id: place for row, port in told(draft) if (place := ports.place_of(row)) is not None},
        )

    async def trace(self, source_port: UUID, destination: str, protocol: str, port: int | None) -> list[str]:
        packet = tracing.packet(await self._session.look(), source_port, tracing.To(destination, protocol, port))
        if packet is None:
            return [
                f"The port {source_port} has no address from which it could reach {destination}: nothing leaves it."
            ]
        return await tracing.trace(self._southbound, packet)

    # how wishes touch each other

    def _put_network(self, draft: Draft, network: Network) -> None:
        draft.ensure(names.network(network.id), networks.rows(network))
        self._network_changed(draft, network.id)

    def _drop_network(self, draft: Draft, network_id: UUID) -> None:
        """Ports that are left wait for it to be said again."""
        owner = names.network(network_id)
        left = [row for row, port in told(draft) if port.network_id == network_id]
        draft.ensure(owner, [networks.switch(network_id)] if left else ())
        self._network_changed(draft, network_id)

    def _network_changed(self, draft: Draft, network_id: UUID) -> None:
        """Its ports and routers are as they must be on the network as it is now."""
        network = network_of(draft, network_id)
        for member in list(members(draft.row(networks.switch_ref(network_id)) or {})):
            port = port_told(draft.columns("Logical_Switch_Port", member) or {})
            if port is not None:
                draft.ensure(names.port(port.id), ports.with_network({"name": str(port.id)}, port, network))
                self._put_router_of(draft, port.id)

    def _put_port(self, draft: Draft, port: Port) -> None:
        put_port(draft, port)
        if port.kind == "router":
            self._put_router_of(draft, port.id)

    def _put_router_of(self, draft: Draft, port_id: UUID) -> None:
        """The router on the other side of the port, made again."""
        leg = router_key(draft, port_id)
        if leg is not None:
            self._put_again(draft, [names.id_in(leg)])

    def _put_router(self, draft: Draft, router: Router) -> None:
        known = {each: found for each in networks_of(router) if (found := network_of(draft, each))}
        around = routers.Surroundings(known, self._session.reach())
        draft.ensure(names.router(router.id), routers.rows(router, around))
        if router.gateway is not None:
            options = ports.router_options(router.gateway.port_id, gateway=True)
            draft.set(ports.port_ref(router.gateway.port_id), {"options": options})

    async def _surroundings_changed(self) -> None:
        """A host came or went, or a database was opened anew: gateways go where they can."""
        draft = await self._session.look()
        found = [router.id for router in wishes(draft, "Logical_Router", Router) if router.gateway]
        for begin in range(0, len(found), AT_ONCE):
            some = found[begin : begin + AT_ONCE]
            await self._session.say(lambda draft, some=some: self._put_again(draft, some))  # type: ignore[misc]

    def _put_again(self, draft: Draft, router_ids: list[UUID]) -> None:
        for router_id in router_ids:
            row = draft.row(routers.router_ref(router_id))
            if row is not None and (router := wish(row, Router)) is not None:
                self._put_router(draft, router)

    def _port_changed(self, row: Columns, is_up: bool) -> None:
        port = port_told(row)
        if port is not None:
            self._changed(Change(self.KIND, "port_up" if is_up else "port_down", str(port.id), Done()))


def put_port(draft: Draft, port: Port) -> None:
    """The port is on its network, and in its groups and no others."""
    if draft.find(networks.switch_ref(port.network_id)) is None:
        draft.put(networks.switch(port.network_id))
    gateway = (router_key(draft, port.id) or "").endswith("/gateway")
    draft.ensure(names.port(port.id), ports.rows(port, network_of(draft, port.network_id), gateway=gateway))
    wanted: list[Ref] = []
    if port.secured and port.kind == "vif":
        for row in groups.secured_rows():
            draft.put(row)
        wanted = [groups.SECURED_GROUP, *map(groups.group_ref, port.groups)]
        for group_id in port.groups:
            if draft.find(groups.group_ref(group_id)) is None:
                draft.put(groups.place(group_id))
    found = draft.find(ports.port_ref(port.id))
    assert found is not None
    for ref in wanted:
        draft.join(ref, found)
    leave_groups(draft, found, {draft.find(ref) for ref in wanted})


def drop_port(draft: Draft, port_id: UUID) -> None:
    found = draft.find(ports.port_ref(port_id))
    if found is None:
        return
    leave_groups(draft, found, set())
    switches = draft.holders(found, "Logical_Switch")
    draft.ensure(names.port(port_id), ())
    for switch in switches:
        row = draft.columns("Logical_Switch", switch) or {}
        if names.WISH not in ids(row) and KEY in ids(row) and not set(members(row)) - {found}:
            draft.drop("Logical_Switch", switch)


def leave_groups(draft: Draft, port: Uuid, kept: set[Uuid | None]) -> None:
    """Out of every other group of ours; one that only waited to be said goes with its last port."""
    for group in draft.holders(port, "Port_Group"):
        row = draft.columns("Port_Group", group) or {}
        key = ids(row).get(KEY, "")
        if group in kept or not key.startswith(("group/", "secured/")):
            continue
        draft.leave("Port_Group", group, port)
        waits = key != groups.SECURED and groups.SAID not in ids(row)
        if waits and not set(members(row)) - {port}:
            draft.drop("Port_Group", group)


def router_key(draft: Draft, port_id: UUID) -> str | None:
    """ "router/ID/leg/ID" or "router/ID/gateway": what the port is to its router, if that is there."""
    leg = draft.named("Logical_Router_Port", names.router_port(port_id))
    return None if leg is None else key_of(leg)


def drop_group(draft: Draft, group_id: UUID) -> None:
    """Ports that are left wait in it to be said again."""
    left = members(draft.row(groups.group_ref(group_id)) or {})
    draft.ensure(names.group(group_id), [groups.place(group_id)] if any(left) else ())


def networks_of(router: Router) -> set[UUID]:
    gateway = () if router.gateway is None else (router.gateway.network_id,)
    return {*(leg.network_id for leg in router.legs), *gateway}


def network_of(draft: Draft, network_id: UUID) -> Network | None:
    row = draft.row(networks.switch_ref(network_id))
    return None if row is None else wish(row, Network)


def keyed(draft: Draft, table: str) -> Iterator[tuple[str, Columns]]:
    """The rows that are the first of their owner: "group/ID", not its rules."""
    for row in draft.rows(table):
        key = ids(row).get(KEY, "")
        if key.count("/") == 1 and key != groups.SECURED:
            yield key, row


def wishes(draft: Draft, table: str, of: type[W]) -> Iterator[W]:
    for _, row in keyed(draft, table):
        if (found := wish(row, of)) is not None:
            yield found


def told(draft: Draft) -> Iterator[tuple[Columns, ports.Told]]:
    for _, row in keyed(draft, "Logical_Switch_Port"):
        if (port := port_told(row)) is not None:
            yield row, port


def port_told(row: Columns) -> ports.Told | None:
    return wish(row, ports.Told)


def wish(row: Columns, of: type[W]) -> W | None:
    """What the row was made of; None for a place, and for what is not ours to read."""
    text = ids(row).get(names.WISH)
    try:
        return None if text is None else msgspec.json.decode(text, type=of)
    except msgspec.DecodeError:
        return None


def ids(row: Columns) -> dict[str, str]:
    found = row.get("external_ids", {})
    return found if isinstance(found, dict) else {}


def works(row: Columns) -> bool:
    """Whether the device is plugged where it shall be; a router's end needs none."""
    return one(row, "type") == "router" or one(row, "up") is True
