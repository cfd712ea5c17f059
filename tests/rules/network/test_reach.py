"""Whether packets get to a port, decided from what is known of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pileus.services.network.reach.rules import Leg, Outside, Packet, Scene, findings, verdict
from pileus.services.network.security_group_rules.rules import Match

WEB, OTHER, LIST = UUID(int=1), UUID(int=2), UUID(int=3)
SSH = Match(direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22)
ROUTER = Leg(router_id="r", up=True, addresses=("10.0.0.1",), cidrs=("10.0.0.0/24", "10.1.0.0/24"), external="out")
REACHED = Scene(
    port_id="p",
    network_id="n",
    port_up=True,
    network_up=True,
    external=False,
    status="ACTIVE",
    host="h1",
    owner="compute:nova",
    addresses=("10.0.0.5",),
    cidrs=("10.0.0.0/24",),
    secured=True,
    groups={WEB: [SSH]},
    legs=(ROUTER,),
    floating=(Outside(address="203.0.113.9", inside="10.0.0.5", router_id="r", active=True),),
)
PING = Packet(protocol="tcp", port=22)


def reached(scene: Scene, packet: Packet = PING) -> bool | None:
    return verdict(findings(scene, packet))


def test_from_outside_through_a_floating_ip() -> None:
    assert reached(REACHED) is True
    assert reached(REACHED, Packet(source="198.51.100.7", protocol="tcp", port=22)) is True


IN_THE_WAY: dict[str, dict[str, Any]] = {
    "port": {"port_up": False},
    "network": {"network_up": False},
    "binding": {"host": None},
    "address": {"addresses": ()},
    "security groups": {"groups": {}},
    "floating IP": {"floating": ()},
    "router": {"legs": ()},
    "gateway": {"legs": (replace(ROUTER, external=None),)},
}


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_each_thing_that_can_be_in_the_way_is_named_with_what_mends_it(what: str) -> None:
    found = [each for each in findings(replace(REACHED, **IN_THE_WAY[what]), PING) if each.passes is False]
    assert what in [each.what for each in found]
    assert all(each.mends for each in found)


def test_a_device_that_does_not_work_and_a_router_that_is_down() -> None:
    assert reached(replace(REACHED, status="DOWN")) is False
    assert reached(replace(REACHED, legs=(replace(ROUTER, up=False),))) is False
    assert reached(replace(REACHED, floating=(replace(REACHED.floating[0], active=False),))) is None
    assert reached(replace(REACHED, floating=(replace(REACHED.floating[0], router_id="another"),))) is False


def test_without_port_security_nothing_is_filtered() -> None:
    assert reached(replace(REACHED, secured=False, groups={})) is True


@pytest.mark.parametrize(
    ("rule", "packet", "passes"),
    [
        (SSH, {"port": 23}, False),
        (SSH, {"protocol": "udp"}, False),
        (SSH, {"protocol": "6"}, True),
        (SSH, {"protocol": None, "port": None}, False),
        (replace(SSH, direction="egress"), {}, False),
        (replace(SSH, ethertype="IPv6"), {}, False),
        (replace(SSH, remote_ip_prefix="10.0.0.0/8"), {"source": "10.1.0.7"}, True),
        (replace(SSH, remote_ip_prefix="10.0.0.0/8"), {"source": "192.0.2.1"}, False),
        (replace(SSH, remote_ip_prefix="10.0.0.0/8"), {}, False),
        (replace(SSH, remote_ip_prefix="0.0.0.0/0"), {}, True),
        (replace(SSH, remote_group_id=OTHER), {"source": "10.1.0.7", "groups": frozenset({OTHER})}, True),
        (replace(SSH, remote_group_id=OTHER), {"source": "10.1.0.7"}, False),
        (replace(SSH, remote_address_group_id=LIST), {"source": "10.1.0.7"}, True),
        (replace(SSH, remote_address_group_id=LIST), {"source": "10.2.0.7"}, False),
        (Match(direction="ingress"), {"protocol": None, "port": None}, True),
    ],
)
def test_what_a_rule_lets_in(rule: Match, packet: dict[str, Any], passes: bool) -> None:
    scene = replace(REACHED, groups={WEB: [rule]}, lists={LIST: ["10.1.0.0/24"]})
    assert reached(scene, Packet(**{"protocol": "tcp", "port": 22, **packet})) is passes


def test_ways_without_a_floating_ip() -> None:
    bare = replace(REACHED, floating=())
    assert reached(bare, Packet(source="10.0.0.7", protocol="tcp", port=22)) is True  # its own network
    assert reached(replace(bare, legs=()), Packet(source="10.0.0.7", protocol="tcp", port=22)) is True
    assert reached(bare, Packet(source="10.1.0.7", protocol="tcp", port=22)) is True  # through the router
    assert reached(replace(bare, legs=(replace(ROUTER, snat=False),))) is None  # routed: who knows the way
    assert reached(replace(bare, external=True)) is True
    ipv6 = replace(bare, addresses=("2001:db8::5",), groups={WEB: [replace(SSH, ethertype="IPv6")]})
    assert reached(ipv6) is None
    own = replace(REACHED, owner="network:router_interface", secured=False, host=None)
    assert reached(own, Packet(source="10.0.0.7")) is True


@given(st.lists(st.sampled_from([True, False, None])))
def test_one_no_is_no_and_what_is_not_known_is_no_yes(outcomes: list[bool | None]) -> None:
    found = [replace(findings(REACHED, PING)[0], passes=each) for each in outcomes]
    assert verdict(found) is (False if False in outcomes else None if None in outcomes else True)
