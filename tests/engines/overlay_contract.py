"""What every overlay promises, and whatever stands between a caller and one. Run by subclasses that give a `rig`."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from pileus.engines.overlay import (
    Dhcp,
    Fixed,
    FloatingIp,
    Gateway,
    Group,
    Leg,
    Network,
    Overlay,
    Place,
    Port,
    Router,
    Rule,
)
from pileus.engines.verbs import Answer, Change, Done, Going, StaleFence
from pileus.kernel.errors import NotFound

GONE = ("ensure_port_gone", "ensure_router_gone", "ensure_group_gone", "ensure_network_gone")


@dataclass
class Rig:
    """An overlay under test, how to let its time pass, and what it told of itself. `host` is one where devices can be.

    `plug` makes the device of a port work there: a simulated one works as soon as it is bound.
    """

    overlay: Overlay
    elapse: Callable[[float], Awaitable[None]]
    changes: list[Change]
    host: str = "h1"
    plug: Callable[[Port], Awaitable[None]] | None = None
    _fences: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def fence(self) -> int:
        return next(self._fences)

    async def done(self, verb: str, *args: Any) -> Done:
        """What the verb comes to, however long it takes."""
        fence = self.fence()
        for _ in range(400):
            answer: Answer = await getattr(self.overlay, verb)(*args, fence=fence)
            if not isinstance(answer, Going):
                assert isinstance(answer, Done), answer
                return answer
            await self.elapse(0.1)
        raise AssertionError(f"still {answer}")

    async def network(self, **more: Any) -> UUID:
        network = Network(**{"id": uuid4(), "mtu": 1442, **more})
        await self.done("ensure_network", network)
        return network.id

    async def is_up(self, port_id: UUID, wanted: bool) -> bool:
        """Whether it comes to that in due time."""
        for _ in range(100):
            if (await self.overlay.observe()).ports.get(port_id) is wanted:
                return True
            await self.elapse(0.1)
        return False


def subnet(**more: Any) -> Dhcp:
    return Dhcp(**{"id": uuid4(), "cidr": "10.0.0.0/24", "gateway": "10.0.0.1", "dns": ("10.0.0.2",), **more})


def port(network_id: UUID, **more: Any) -> Port:
    return Port(**{"id": uuid4(), "network_id": network_id, "mac": "fa:16:3e:00:01:01", **more})


def group(**more: Any) -> Group:
    rule = Rule(id=uuid4(), ingress=True, ethertype="IPv4", protocol="tcp", port_min=22, port_max=22)
    return Group(**{"id": uuid4(), "rules": (rule,), **more})


class OverlayContract:
    async def test_every_ensure_may_be_said_twice(self, rig: Rig) -> None:
        told, guests = subnet(), group()
        network = Network(id=uuid4(), mtu=1442, subnets=(told,), metadata_address="10.0.0.2")
        one = port(network.id, fixed=(Fixed(subnet_id=told.id, address="10.0.0.5"),), groups=(guests.id,))
        leg_port = port(network.id, kind="router", mac="fa:16:3e:00:00:01")
        leg = Leg(port_id=leg_port.id, network_id=network.id, mac=leg_port.mac, addresses=("10.0.0.1/24",))
        router = Router(id=uuid4(), legs=(leg,))
        for _ in range(2):
            await rig.done("ensure_network", network)
            await rig.done("ensure_group", guests)
            await rig.done("ensure_port", one)
            await rig.done("ensure_port", leg_port)
            await rig.done("ensure_router", router)
        seen = await rig.overlay.observe()
        assert (seen.networks, seen.groups, seen.routers) == ({network.id}, {guests.id}, {router.id})
        assert seen.ports.keys() == {one.id, leg_port.id}
        assert seen.places == {one.id: Place(one.host, frozenset(each.address for each in one.fixed))}
        for _ in range(2):
            for verb, subject in (
                ("ensure_router_gone", router.id),
                ("ensure_port_gone", one.id),
                ("ensure_port_gone", leg_port.id),
                ("ensure_group_gone", guests.id),
                ("ensure_network_gone", network.id),
            ):
                await rig.done(verb, subject)
        seen = await rig.overlay.observe()
        assert (seen.networks, seen.ports, seen.groups, seen.routers) == (set(), {}, set(), set())

    async def test_what_never_was_is_gone_and_cancelled(self, rig: Rig) -> None:
        for verb in GONE:
            await rig.done(verb, uuid4())
        await rig.done("cancel", uuid4(), "ensure_network")

    async def test_a_newer_fence_shuts_older_ones_out(self, rig: Rig) -> None:
        old, new = rig.fence(), rig.fence()
        network = Network(id=uuid4(), mtu=1442)
        assert await rig.overlay.ensure_network(network, fence=new) == Done()
        with pytest.raises(StaleFence, match=str(network.id)):
            await rig.overlay.ensure_network(network, fence=old)
        with pytest.raises(StaleFence, match=str(network.id)):
            await rig.overlay.ensure_network_gone(network.id, fence=old)
        assert (await rig.overlay.observe()).networks == {network.id}

    async def test_a_port_is_up_when_its_device_works(self, rig: Rig) -> None:
        one = port(await rig.network())
        assert (await rig.done("ensure_port", one)).facts == {"up": False}
        bound = port(one.network_id, id=one.id, host=rig.host)
        await rig.done("ensure_port", bound)
        if rig.plug is not None:
            await rig.plug(bound)
        assert await rig.is_up(one.id, True)
        assert (await rig.done("ensure_port", bound)).facts == {"up": True}
        assert Change("overlay", "port_up", str(one.id), Done()) in rig.changes

    async def test_a_port_that_is_unbound_goes_down(self, rig: Rig) -> None:
        one = port(await rig.network(), host=rig.host)
        await rig.done("ensure_port", one)
        if rig.plug is not None:
            await rig.plug(one)
        assert await rig.is_up(one.id, True)
        await rig.done("ensure_port", port(one.network_id, id=one.id))
        assert await rig.is_up(one.id, False)

    async def test_what_is_referred_to_may_come_later(self, rig: Rig) -> None:
        """Ports before their network and groups, a router before its legs' ports."""
        network_id, guests = uuid4(), group()
        one, leg_port = port(network_id, groups=(guests.id,)), port(network_id, kind="router", mac="fa:16:3e:00:00:01")
        leg = Leg(port_id=leg_port.id, network_id=network_id, mac=leg_port.mac, addresses=("10.0.0.1/24",))
        await rig.done("ensure_router", Router(id=uuid4(), legs=(leg,)))
        for each in (one, leg_port):
            await rig.done("ensure_port", each)
        await rig.done("ensure_group", guests)
        await rig.network(id=network_id)
        seen = await rig.overlay.observe()
        assert network_id in seen.networks
        assert seen.ports.keys() >= {one.id, leg_port.id}

    async def test_a_router_has_the_floating_addresses_that_were_said_last(self, rig: Rig) -> None:
        inside, outside = await rig.network(), await rig.network()
        one = port(inside)
        await rig.done("ensure_port", one)
        gateway = Gateway(
            port_id=uuid4(),
            network_id=outside,
            mac="fa:16:3e:00:00:fe",
            addresses=("203.0.113.5/24",),
            nexthops=("203.0.113.1",),
        )
        floating = FloatingIp(id=uuid4(), external="203.0.113.9", internal="10.0.0.5", port_id=one.id)
        router = Router(id=uuid4(), gateway=gateway, floating=(floating,))
        await rig.done("ensure_router", router)
        assert (await rig.overlay.observe()).floating == {floating.id}
        await rig.done("ensure_router", Router(id=router.id, gateway=gateway))
        assert (await rig.overlay.observe()).floating == set()

    async def test_a_trace_says_something_of_a_port_that_is_there(self, rig: Rig) -> None:
        one = port(await rig.network())
        await rig.done("ensure_port", one)
        assert await rig.overlay.trace(one.id, "10.0.0.9", "tcp", 22)
        with pytest.raises(NotFound):
            await rig.overlay.trace(uuid4(), "10.0.0.9", "icmp", None)
