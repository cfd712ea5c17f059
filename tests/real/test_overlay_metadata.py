"""Guests ask at 169.254.169.254, and are told apart by where their question comes from, and by nothing that they say."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from agent import namespaces
from pileus.engines.guests import Asked, Told
from pileus.engines.overlay import Network
from real.overlay_world import Guest, World, comes_true, killed, rule, subnet, world

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]

OUT = rule(ingress=False)
URL = "http://169.254.169.254/latest/meta-data/?a=b"
LIES = (
    "-H",
    "X-Forwarded-For: 10.0.0.12",
    "-H",
    "X-Instance-ID: other",
    "-H",
    "X-Neutron-Network-ID: other",
    "-H",
    "Host: other",
)


@pytest.fixture
async def real() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def answer(asked: Asked) -> Told:
    return Told(
        status=200, body=f"{asked.method} {asked.path} {asked.network_id} {asked.address} {len(asked.body)}".encode()
    )


async def net(real: World) -> Network:
    """With a metadata port; its addresses are those of every other such network."""
    told = subnet()
    network = Network(id=uuid4(), mtu=1442, subnets=(told,), metadata_address="10.0.0.2")
    await real.say("ensure_network", network)
    await real.port(network, "10.0.0.2", kind="metadata", host=None)
    return network


async def guest(real: World, network: Network, address: str) -> Guest:
    group = await real.group(OUT)
    made = await real.guest(await real.port(network, address, groups=(group.id,)))
    await made.lease()
    return made


async def ask(guest: Guest, *words: str) -> str:
    return await guest.run("curl", "-sS", "-m", "3", "--retry", "8", "--retry-connrefused", *words, URL)


async def test_guests_of_one_address_in_two_networks_are_told_apart_whatever_they_say(real: World) -> None:
    async with real.metadata(answer) as metadata:
        one, other = await net(real), await net(real)
        first, twin = await guest(real, one, "10.0.0.11"), await guest(real, other, "10.0.0.11")
        for who, network in ((first, one), (twin, other)):
            expected = f"GET /latest/meta-data/?a=b {network.id} 10.0.0.11 0"
            assert await ask(who) == expected
            assert await ask(who, *LIES) == expected
        assert await ask(first, "-X", "POST", "-d", "secret") == f"POST /latest/meta-data/?a=b {one.id} 10.0.0.11 6"
        pid = metadata.daemon.pid()
        assert pid is not None
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Uid:\t65534\t65534\t65534\t65534" in status
        assert "CapEff:\t0000000000000000" in status


async def test_a_guest_cannot_ask_in_the_name_of_another(real: World) -> None:
    async with real.metadata(answer):
        network = await net(real)
        liar = await guest(real, network, "10.0.0.11")
        await ask(liar)
        await liar.take("10.0.0.12/24")
        with pytest.raises(Exception, match="curl"):
            await liar.run("curl", "-sS", "-m", "2", "--interface", "10.0.0.12", URL)


async def test_what_is_no_question_is_refused(real: World) -> None:
    async with real.metadata(answer):
        asker = await guest(real, await net(real), "10.0.0.11")
        await ask(asker)
        for words in (("-X", "DELETE"), ("-H", "X-Long: " + "x" * 50_000), ("-d", "x" * 70_000)):
            assert (
                await asker.run("curl", "-s", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", *words, URL) == "400"
            )
        assert "GET" in await ask(asker)


async def test_the_process_goes_on_when_pileus_is_gone_and_comes_back_when_it_is_killed(real: World) -> None:
    async with real.metadata(answer) as metadata:
        asker = await guest(real, await net(real), "10.0.0.11")
        assert "GET" in await ask(asker)
        await killed(metadata.daemon)
        assert "GET" in await ask(asker)


async def test_a_network_without_guests_here_has_no_device(real: World) -> None:
    async with real.metadata(answer) as metadata:
        network = await net(real)
        asker = await guest(real, network, "10.0.0.11")
        await ask(asker)
        await real.hosts["h1"].unplug(f"tap-{str(asker.port.id)[:10]}")

        async def no_device() -> bool:
            return (metadata.home / "networks.json").read_bytes() == b"{}"

        assert await comes_true(no_device)


async def test_a_guest_that_takes_all_places_keeps_nobody_else_from_theirs(real: World) -> None:
    async with real.metadata(answer):
        network = await net(real)
        greedy, other = await guest(real, network, "10.0.0.11"), await guest(real, network, "10.0.0.12")
        await ask(greedy)
        with namespaces.inside(greedy.netns):
            lines = [socket.create_connection(("169.254.169.254", 80), timeout=3) for _ in range(100)]
        try:
            assert "10.0.0.12" in await ask(other)
        finally:
            for line in lines:
                line.close()
