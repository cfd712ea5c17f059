"""Packets through the overlay on OVN: what guests may expect of their networks, and what neighbours may not do to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pileus.engines.overlay.ovn.daemons import run
from real.overlay_world import World, rule, subnet, world

pytestmark = pytest.mark.real

OUT = rule(ingress=False)


@pytest.fixture
async def real() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def test_a_guest_gets_its_address_mtu_and_ways_and_reaches_its_neighbour(real: World) -> None:
    network = await real.network(subnet(dns=("10.0.0.2",)), metadata_address="10.0.0.2")
    group = await real.group(OUT, rule(protocol="icmp"))
    one, two = [await real.guest(await real.port(network, f"10.0.0.{n}", groups=(group.id,))) for n in (11, 12)]
    for guest in (one, two):
        await guest.lease()
    assert "10.0.0.11/24" in (shown := await one.run("ip", "addr", "show", "dev", "eth0"))
    assert "mtu 1442" in shown
    ways = await one.run("ip", "route")
    assert "169.254.169.254 via 10.0.0.2" in ways
    assert "default via 10.0.0.1" in ways
    assert await one.reaches("10.0.0.12")


async def test_a_guest_cannot_send_with_an_address_that_is_not_its_own(real: World) -> None:
    network = await real.network(subnet())
    group = await real.group(OUT, rule(protocol="icmp"))
    one, two = [await real.guest(await real.port(network, f"10.0.0.{n}", groups=(group.id,))) for n in (11, 12)]
    await one.take("10.0.0.11/24")
    await two.take("10.0.0.12/24")
    assert await one.reaches("10.0.0.12")
    await one.take("10.0.0.99/24")
    assert not await one.pings("10.0.0.12", "-I", "10.0.0.99")
    await one.run("ip", "link", "set", "eth0", "address", "fa:16:3e:99:99:99")
    assert not await one.pings("10.0.0.12", "-I", "10.0.0.11")


async def test_guests_reach_other_networks_the_outside_and_are_reached_by_floating_addresses(real: World) -> None:
    group = await real.group(OUT, rule(protocol="icmp"))
    left = await real.network(subnet())
    right = await real.network(subnet("10.0.1.0/24", "10.0.1.1"))
    outside = await real.public()
    one = await real.guest(port := await real.port(left, "10.0.0.11", groups=(group.id,)))
    two = await real.guest(await real.port(right, "10.0.1.12", groups=(group.id,)))
    await real.router(left, right, outside=outside, floating={"172.24.4.100": port})
    for guest in (one, two):
        await guest.lease()
    assert await one.reaches("10.0.1.12")
    assert await two.reaches("172.24.4.1")  # by the router's address
    assert await one.reaches("172.24.4.1")  # by its own
    await run("ping", "-c1", "-W2", "172.24.4.100", netns=real.hosts["h1"].netns)
