"""Packets through the overlay on OVN: what guests may expect of their networks, and what neighbours may not do to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pileus.engines.overlay import Group
from pileus.engines.overlay.ovn.daemons import run
from real import dhcpv6
from real.overlay_world import World, comes_true, connected, echo, rule, subnet, world

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]

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


async def test_a_group_is_closed_opened_and_closed_again_under_an_open_connection(real: World) -> None:
    network, closed = await real.network(subnet()), await real.group(OUT)
    outside, opened = await real.public(), rule(protocol="tcp", port_min=22, port_max=22, remote_cidr="172.24.4.0/24")
    machine = real.hosts["h1"].netns
    one = await real.guest(port := await real.port(network, "10.0.0.11", groups=(closed.id,)))
    await real.router(network, outside=outside, floating={"172.24.4.100": port})
    await one.lease()
    assert await one.reaches("172.24.4.1")

    async def let_in() -> bool:
        try:
            async with connected(machine, "172.24.4.100", 22) as line:
                return await line.echoes()
        except (TimeoutError, OSError):
            return False

    async with echo(one.netns, "10.0.0.11", 22):
        assert not await let_in()
        await real.say("ensure_group", Group(id=closed.id, rules=(OUT, opened)))
        assert await comes_true(let_in)
        async with connected(machine, "172.24.4.100", 22) as line:
            assert await line.echoes()
            await real.say("ensure_group", closed)
            assert await comes_true(silent, line)
            await real.say("ensure_group", Group(id=closed.id, rules=(OUT, opened)))
            assert await line.echoes(within_s=10.0)


async def silent(line: object) -> bool:
    return not await line.echoes(within_s=0.3)  # type: ignore[attr-defined]


async def test_a_group_may_let_in_who_is_in_a_group(real: World) -> None:
    network = await real.network(subnet())
    friends = await real.group(OUT)
    server = await real.group(OUT, rule(protocol="icmp", remote_group=friends.id))
    one = await real.guest(await real.port(network, "10.0.0.11", groups=(server.id,)))
    friend = await real.guest(await real.port(network, "10.0.0.12", groups=(friends.id,)))
    other = await real.guest(await real.port(network, "10.0.0.13", groups=(server.id,)))
    for guest in (one, friend, other):
        await guest.take(f"{guest.port.fixed[0].address}/24")
    assert await friend.reaches("10.0.0.11")
    assert not await other.pings("10.0.0.11")
    assert not await one.pings("10.0.0.12")


async def test_a_trace_ends_where_a_packet_is_dropped_or_comes_out(real: World) -> None:
    """For a group that is closed, and opened."""
    network, closed = await real.network(subnet()), await real.group(OUT)
    one, two = [await real.port(network, f"10.0.0.{n}", groups=(closed.id,)) for n in (11, 12)]

    async def ends_by(*wanted: str) -> bool:
        """In the flows of groups on the way out, and by what comes of the packet. northd computes them in its own time."""
        lines = await real.overlay.trace(one.id, "10.0.0.12", "6", 22)
        asked = [line for line in lines if "ls_out_acl" in line]
        return all(any(each in line for line in (*asked, *lines[-3:])) for each in wanted)

    came_out = f'output to "{str(two.id)[:6]}"'
    assert await comes_true(ends_by, "@pileus_secured", "drop;")
    assert not await ends_by(came_out)
    await real.say("ensure_group", Group(id=closed.id, rules=(OUT, rule(protocol="tcp", port_min=22, port_max=22))))
    assert await comes_true(ends_by, f"@pg_{closed.id}".replace("-", "_"), "tcp.dst == 22", came_out)
    assert not await ends_by("drop;")


async def test_a_guest_makes_itself_an_address_from_what_the_router_advertises(real: World) -> None:
    slaac = subnet("fd00:10::/64", "fd00:10::1", ipv6_address_mode="slaac", ipv6_ra_mode="slaac")
    network = await real.network(slaac)
    group = await real.group(rule(ingress=False, ethertype="IPv6"), rule(ethertype="IPv6", protocol="ipv6-icmp"))
    mac, address = "fa:16:3e:00:00:11", "fd00:10::f816:3eff:fe00:11"
    one = await real.guest(await real.port(network, address, mac=mac, groups=(group.id,)))
    await real.router(network)

    async def has_it() -> bool:
        return address in await one.run("ip", "-6", "addr", "show", "dev", "eth0", "-tentative")

    await one.run("ip", "link", "set", "eth0", "down")
    await one.run("ip", "link", "set", "eth0", "up")
    assert await comes_true(has_it)
    assert await one.reaches("fd00:10::1")
    assert (await one.run("cat", "/proc/sys/net/ipv6/conf/eth0/mtu")).strip() == "1442"


@pytest.mark.parametrize("stateful", [True, False])
async def test_a_guest_that_asks_by_dhcpv6_is_given_what_its_port_has(real: World, stateful: bool) -> None:
    """An address and all else; or all else, where it makes itself its address."""
    mode = "dhcpv6-stateful" if stateful else "dhcpv6-stateless"
    told = subnet("fd00:10::/64", "fd00:10::1", dns=("fd00::53",), ipv6_address_mode=mode, ipv6_ra_mode=mode)
    network, group = await real.network(told), await real.group(rule(ingress=False, ethertype="IPv6"))
    one = await real.guest(await real.port(network, "fd00:10::abc", groups=(group.id,)))
    await real.router(network)
    said = await dhcpv6.advertised(one.netns)
    assert said == dhcpv6.Advertised(managed=stateful, other=not stateful, autonomous=not stateful)
    who = one.netns, one.port.mac
    informed = await dhcpv6.asked(*who, dhcpv6.INFORMATION_REQUEST)
    assert (informed.kind, informed.address, informed.dns) == (dhcpv6.REPLY, "", ("fd00::53",))
    if stateful:
        offer = await dhcpv6.asked(*who, dhcpv6.SOLICIT)
        assert (offer.kind, offer.address, offer.dns) == (dhcpv6.ADVERTISE, "fd00:10::abc", ("fd00::53",))
        lease = await dhcpv6.asked(*who, dhcpv6.REQUEST, server=offer.server)
        assert (lease.kind, lease.address, lease.server) == (dhcpv6.REPLY, "fd00:10::abc", offer.server)
        await one.take("fd00:10::abc/64")
        assert await one.reaches("fd00:10::1")
