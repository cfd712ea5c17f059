"""What a router may be connected to, which routes it may have, and where floating IPs lead."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.kernel.errors import BadRequest
from pileus.services.network.floating_ips.rules import Inside, Way, chosen, inside
from pileus.services.network.routers import rules
from pileus.services.network.routers.rules import Reached, Route, check_apart, check_routes

cidrs = st.builds(
    lambda number, length: str(IPv4Network((number, length), strict=False)),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
)
routes = st.builds(Route, cidrs, st.ip_addresses(v=4).map(str))


def accepted(call: object, *args: object) -> bool:
    try:
        call(*args)  # type: ignore[operator]
    except BadRequest:
        return False
    return True


@given(st.lists(cidrs, max_size=5))
def test_a_router_is_in_no_two_networks_that_share_an_address(several: list[str]) -> None:
    subnets = [Reached(str(n), cidr) for n, cidr in enumerate(several)]
    bounds = [(int(n[0]), int(n[-1])) for n in map(ip_network, several)]
    apart = all(a[1] < b[0] or b[1] < a[0] for n, a in enumerate(bounds) for b in bounds[n + 1 :])
    assert accepted(check_apart, (), subnets) == apart
    for subnet in subnets:
        assert not accepted(check_apart, [subnet], [subnet])


def test_networks_of_two_families_never_overlap() -> None:
    assert not rules.overlap("0.0.0.0/0", "::/0")


@given(st.lists(routes, max_size=4), st.lists(cidrs, max_size=3), st.lists(st.ip_addresses(v=4).map(str), max_size=3))
def test_next_hops_are_neighbours(several: list[Route], networks: list[str], own: list[str]) -> None:
    good = all(any(ip_address(r.nexthop) in ip_network(n) for n in networks) and r.nexthop not in own for r in several)
    assert accepted(check_routes, several, networks, own) == good


@given(st.lists(routes, max_size=5), st.lists(routes, max_size=5))
def test_routes_are_added_and_taken_away_as_sets(old: list[Route], new: list[Route]) -> None:
    both = rules.added(old, new)
    assert set(both) == {*old, *new}
    assert len(both) == len(set(both))
    assert rules.added(both, new) == both
    assert set(rules.removed(both, new)) == set(old) - set(new)


@pytest.mark.parametrize(
    ("destination", "nexthop"),
    [
        ("10.0.0.1/24", "1.1.1.1"),
        ("10.0.0.0", "1.1.1.1"),
        ("127.0.0.0/8", "1.1.1.1"),
        ("10.0.0.0/24", "1.1.1.1/32"),
        ("10.0.0.0/24", "fe80::1%x"),
        ("x", "y"),
    ],
)
def test_routes_that_are_none(destination: str, nexthop: str) -> None:
    with pytest.raises(BadRequest):
        rules.read_route(destination, nexthop)


def test_a_route_is_kept_in_the_shortest_form() -> None:
    assert rules.read_route("2001:DB8::/32", "2001:db8:0::1") == Route("2001:db8::/32", "2001:db8::1")


IPV4, OTHER, IPV6 = Inside("s", "10.0.0.5"), Inside("s", "10.0.0.6"), Inside("t", "2001:db8::5")


def test_a_floating_ip_stands_for_the_only_ipv4_address_or_the_one_that_is_named() -> None:
    assert inside("p", "", [IPV6, IPV4], None) == IPV4
    assert inside("p", "", [IPV4, OTHER], "10.0.0.6") == OTHER
    for fixed, wanted in (([IPV6], None), ([IPV4, OTHER], None), ([IPV4], "10.0.0.9"), ([IPV6], "2001:db8::5")):
        assert not accepted(inside, "p", "", fixed, wanted)
    assert not accepted(inside, "p", "network:dhcp", [IPV4], None)


@given(st.lists(st.builds(Way, st.sampled_from("abc"), st.sampled_from(["10.0.0.1", "10.0.0.2"])), max_size=5))
def test_the_router_of_a_floating_ip_is_the_gateway_if_one_is(ways: list[Way]) -> None:
    way = chosen(ways, "10.0.0.1")
    assert (way is None) == (not ways)
    assert way == chosen(reversed(ways), "10.0.0.1")
    if way is not None and way.leg_address != "10.0.0.1":
        assert all(each.leg_address != "10.0.0.1" for each in ways)


@given(st.lists(st.tuples(st.sampled_from("st"), st.sampled_from(["1.1.1.1", "1.1.1.2"])), min_size=1, max_size=2))
def test_a_gateway_that_shall_be_as_it_is_stays(now: list[tuple[str, str]]) -> None:
    assert not rules.differs(now, [])
    assert not rules.differs(now, [{"subnet_id": s, "ip_address": a} for s, a in now])
    assert rules.differs(now, [{"subnet_id": "another", "ip_address": now[0][1]}])
