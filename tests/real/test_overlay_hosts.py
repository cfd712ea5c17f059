"""Hosts, and the daemons on them: tunnels between them, and what goes on while one of their daemons is killed."""

from __future__ import annotations

import pytest

from pileus.engines.overlay.ovn.daemons import Keeper, run
from pileus.engines.overlay.ovn.engine import OvnOverlay
from pileus.kernel.clock import SystemClock
from pileus.kernel.errors import Unavailable
from real.overlay_world import Guest, World, comes_true, killed, pinging, rule, subnet, world

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]

OUT = rule(ingress=False)
ICMP = rule(protocol="icmp")


async def test_guests_of_two_hosts_reach_each_other_and_the_outside_through_a_tunnel() -> None:
    async with world(cabled=True) as real:
        network, outside, group = await real.network(subnet()), await real.public(), await real.group(OUT, ICMP)
        one = await real.guest(await real.port(network, "10.0.0.11", groups=(group.id,)))
        two = await real.guest(port := await real.port(network, "10.0.0.12", host="h2", groups=(group.id,)))
        await real.router(network, outside=outside, floating={"172.24.4.100": port})
        for guest in (one, two):
            await guest.lease()
        assert await one.reaches("10.0.0.12", "-s", "1414", "-M", "do")
        assert await two.reaches("172.24.4.1")
        await run("ping", "-c1", "-W2", "172.24.4.100", netns=real.hosts["h1"].netns)


async def test_another_machine_reads_the_overlay_with_a_certificate_and_changes_only_what_is_its_own() -> None:
    async with world(cabled=True) as real:
        network = await real.network(subnet())
        port = await real.port(network, "10.0.0.11")
        words = (*real.hosts["h2"].tls.words, "--db=ssl:172.31.0.254:6642", "--timeout=5")  # type: ignore[union-attr]
        there = real.hosts["h2"].netns

        async def binding() -> bool:
            return bool(
                await run("ovn-sbctl", *words, "--bare", "find", "port_binding", f"logical_port={port.id}", netns=there)
            )

        assert await comes_true(binding)
        with pytest.raises(Unavailable, match="permission"):
            await run("ovn-sbctl", *words, "chassis-del", "h1", netns=there)
        with pytest.raises(Unavailable):
            await run("ovn-sbctl", "--timeout=3", "--db=tcp:172.31.0.254:6642", "show", netns=there)


async def test_whoever_is_killed_pings_go_on() -> None:
    """All but the switch itself lose none; the switch carries them again when it is back."""
    async with world() as real:
        one = await connected_guest(real)
        async with pinging(one.netns, "10.0.0.12") as near, pinging(one.netns, "172.24.4.1") as far:
            database, switch, controller = real.hosts["h1"].daemons
            for daemon in (*real.central.daemons, database, controller):
                await killed(daemon)
            assert await comes_true(writes, real)
        assert (near.lost, far.lost) == (set(), set())
        assert near.sent > 10
        await killed(switch)
        assert await one.reaches("10.0.0.12")
        assert await one.reaches("172.24.4.1")


async def test_a_killed_pileus_leaves_daemons_that_the_next_one_adopts() -> None:
    """Nothing stops when who watched is gone; who comes next watches the same processes, and writes the same rows."""
    async with world() as real:
        one = await connected_guest(real)
        before = [daemon.pid() for daemon in (*real.central.daemons, *real.hosts["h1"].daemons)]
        seen = await real.overlay.observe()
        async with pinging(one.netns, "10.0.0.12") as near, pinging(one.netns, "172.24.4.1") as far:
            await real.overlay.stop()
            await real.keeper.stop()
            real.keeper = Keeper(SystemClock())
            await real.central.start(real.keeper)
            await real.hosts["h1"].start(real.keeper)
            real.overlay = OvnOverlay(real.central.northbound, real.central.southbound, SystemClock())
            await real.overlay.start()
            assert await real.overlay.observe() == seen
        assert [daemon.pid() for daemon in (*real.central.daemons, *real.hosts["h1"].daemons)] == before
        assert (near.lost, far.lost) == (set(), set())
        await killed(real.central.daemons[-1])  # watched again


async def connected_guest(real: World) -> Guest:
    """A guest with a neighbour, 10.0.0.12, and a way out."""
    network, outside, group = await real.network(subnet()), await real.public(), await real.group(OUT, ICMP)
    one, two = [await real.guest(await real.port(network, f"10.0.0.{n}", groups=(group.id,))) for n in (11, 12)]
    await real.router(network, outside=outside)
    for guest in (one, two):
        await guest.lease()
    assert await one.reaches("10.0.0.12")
    assert await one.reaches("172.24.4.1")
    return one


async def writes(real: World) -> bool:
    try:
        await real.network()
    except Unavailable:
        return False
    return True
