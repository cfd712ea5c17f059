"""Wishes as rows of OVN, without OVN."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from pileus.engines.overlay import Dhcp, Fixed, Gateway, Leg, Network, Port, Router, Rule
from pileus.engines.overlay.ovn import groups, names, networks, ports, routers, tracing
from pileus.engines.overlay.ovn.dhcp_options import extra

SUBNET = Dhcp(id=UUID(int=1), cidr="10.0.0.0/24", gateway="10.0.0.1", dns=("10.0.0.2", "10.0.0.3"))
NETWORK = Network(id=UUID(int=2), mtu=1442, subnets=(SUBNET,))


def rule(**more: object) -> Rule:
    return Rule(**{"id": uuid4(), "ingress": True, "ethertype": "IPv4", **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wish", "match"),
    [
        (rule(), "outport == @g && ip4"),
        (rule(ingress=False, ethertype="IPv6"), "inport == @g && ip6"),
        (rule(protocol="tcp", port_min=22, port_max=22), "outport == @g && ip4 && tcp.dst == 22"),
        (rule(protocol="17", port_min=1, port_max=9), "outport == @g && ip4 && udp.dst >= 1 && udp.dst <= 9"),
        (rule(protocol="sctp"), "outport == @g && ip4 && sctp"),
        (rule(protocol="icmp", port_min=8, port_max=0), "outport == @g && ip4 && icmp4 && icmp4.type == 8 && icmp4.code == 0"),
        (rule(protocol="ipv6-icmp", ethertype="IPv6"), "outport == @g && ip6 && icmp6"),
        (rule(protocol="vrrp"), "outport == @g && ip4 && ip.proto == 112"),
        (rule(protocol="89"), "outport == @g && ip4 && ip.proto == 89"),
        (rule(remote_cidr="10.1.0.0/16"), "outport == @g && ip4 && ip4.src == 10.1.0.0/16"),
        (
            rule(ingress=False, remote_group=UUID(int=5)),
            "inport == @g && ip4 && ip4.dst == $pg_00000000_0000_0000_0000_000000000005_ip4",
        ),
        (rule(protocol="1 || 1"), None),
    ],
)  # fmt: skip
def test_a_rule_is_a_match(wish: Rule, match: str | None) -> None:
    assert groups.match(wish, "g") == match


def test_who_is_told_routes_is_told_the_router_among_them() -> None:
    """A client that is given option 121 does not look at option 3."""
    told = networks.options(NETWORK, SUBNET)
    assert told["router"] == "10.0.0.1"
    assert told["dns_server"] == "{10.0.0.2, 10.0.0.3}"
    assert "classless_static_route" not in told
    with_metadata = Network(id=NETWORK.id, mtu=1442, subnets=(SUBNET,), metadata_address="10.0.0.9")
    ways = networks.options(with_metadata, SUBNET)["classless_static_route"]
    assert ways == "{169.254.169.254/32,10.0.0.9, 0.0.0.0/0,10.0.0.1}"


def test_a_subnet_without_dhcp_tells_nothing_and_slaac_leaves_it_to_the_router() -> None:
    assert networks.options(NETWORK, Dhcp(id=uuid4(), cidr="10.0.0.0/24", gateway=None, enabled=False)) == {}
    six = {"id": uuid4(), "cidr": "fd00::/64", "gateway": "fd00::1"}
    assert networks.options(NETWORK, Dhcp(**six, ipv6_address_mode="slaac")) == {}
    assert networks.options(NETWORK, Dhcp(**six, ipv6_address_mode="dhcpv6-stateless"))["dhcpv6_stateless"] == "true"


def test_a_port_may_send_from_its_own_addresses_and_the_pairs_it_was_allowed() -> None:
    mac = "fa:16:3e:00:00:01"
    pairs = (("10.0.0.50", None), ("10.9.0.0/16", "fa:16:3e:00:00:02"))
    port = Port(id=uuid4(), network_id=NETWORK.id, mac=mac, fixed=(Fixed(subnet_id=SUBNET.id, address="10.0.0.5"),), allowed_pairs=pairs)  # fmt: skip
    assert ports.security(port) == [f"{mac} 10.0.0.5 10.0.0.50", "fa:16:3e:00:00:02 10.9.0.0/16"]
    assert ports.addresses(port) == [f"{mac} 10.0.0.5", "fa:16:3e:00:00:02"]


def test_ports_without_a_device_have_no_address_that_ovn_would_answer_for() -> None:
    port = Port(id=uuid4(), network_id=NETWORK.id, mac="fa:16:3e:00:00:01", kind="plain")
    assert ports.addresses(port) == []


def test_a_port_without_a_network_takes_no_effect() -> None:
    port = Port(id=uuid4(), network_id=NETWORK.id, mac="fa:16:3e:00:00:01")
    assert ports.rows(port, None)[-1].columns["enabled"] is False
    assert ports.rows(port, NETWORK)[-1].columns["enabled"] is True


def test_dhcp_options_are_written_anew() -> None:
    asked = {
        "mtu": "1400",
        "67": "pxelinux.0",
        "tftp-server": "10.0.0.9",
        "121": "10.1.0.0/16,10.0.0.7",
        "6": "1.1.1.1",
    }
    assert extra(asked.items()) == {
        "mtu": "1400",
        "bootfile_name": '"pxelinux.0"',
        "tftp_server": "10.0.0.9",
        "classless_static_route": "{10.1.0.0/16,10.0.0.7}",
        "dns_server": "{1.1.1.1}",
    }


@pytest.mark.parametrize(
    "value",
    ['x"); drop; (', "x\\", "$pg_ip4", "@all", "", "é", "x" * 300, "1); output;", "-1", "9" * 400, "10.0.0.1); drop;"],
)
@pytest.mark.parametrize("name", ["mtu", "router", "dns-server", "domain-name", "121", "tftp-server", "lease-time"])
def test_no_value_of_a_dhcp_option_gets_out_of_its_quotes(name: str, value: str) -> None:
    """OVN pastes it into its flows: a value is one that was read, in quotes that it cannot end, or there is none."""
    for written in extra([(name, value)]).values():
        assert written.startswith('"')
        assert written == f'"{value}"'
        assert not set(value) & set('"\\$@{}')


def test_an_unknown_dhcp_option_is_left_out() -> None:
    assert extra([("no-such-option", "1")]) == {}


def test_gateways_are_spread_and_move_only_where_a_host_goes() -> None:
    hosts = {f"h{n}": {"public"} for n in range(8)} | {"far": set()}
    external = Network(id=uuid4(), mtu=1500, physical_network="public")
    ids = [UUID(int=n) for n in range(200)]
    before = {each: routers.carriers(each, external, hosts)[-1] for each in ids}
    assert set(before.values()) == {f"h{n}" for n in range(8)}
    del hosts["h3"]
    after = {each: routers.carriers(each, external, hosts)[-1] for each in ids}
    assert {each for each in ids if before[each] != after[each]} == {each for each in ids if before[each] == "h3"}


def test_a_router_without_a_known_network_has_nobody_to_carry_its_gateway() -> None:
    assert routers.carriers(uuid4(), None, {"h1": {"public"}}) == []


def test_a_router_translates_what_comes_from_its_legs() -> None:
    leg = Leg(port_id=uuid4(), network_id=NETWORK.id, mac="fa:16:3e:00:00:01", addresses=("10.0.0.1/24", "fd00::1/64"))
    gateway = {
        "port_id": uuid4(),
        "network_id": uuid4(),
        "mac": "fa:16:3e:00:00:02",
        "nexthops": ("203.0.113.1", "fd01::1"),
    }
    for snat in (True, False):
        out = Gateway(**gateway, addresses=("fd01::5/64", "203.0.113.5/24"), snat=snat)
        found = list(routers.rows(Router(id=uuid4(), legs=(leg,), gateway=out), routers.Surroundings()))
        nats = [(row.columns["external_ip"], row.columns["logical_ip"]) for row in found if row.table == "NAT"]
        assert nats == ([("203.0.113.5", "10.0.0.0/24")] if snat else [])
        ways = {row.columns["ip_prefix"] for row in found if row.table == "Logical_Router_Static_Route"}
        assert ways == {"0.0.0.0/0", "::/0"}


def test_names_of_groups_may_stand_in_a_match() -> None:
    assert names.port_group(uuid4()).isidentifier()


@pytest.mark.parametrize(
    ("protocol", "version", "flow"),
    [
        ("tcp", 4, ["tcp.src == 40000", "tcp.dst == 22"]),
        ("17", 4, ["udp.src == 40000", "udp.dst == 22"]),
        ("icmp", 4, ["icmp4.type == 8"]),
        ("58", 6, ["icmp6.type == 128"]),
        ("GRE", 4, ["ip.proto == 47"]),
        ("200", 6, ["ip.proto == 200"]),
        ("hopopt", 6, ["ip.proto == 0"]),
    ],
)
def test_a_packet_that_is_traced_is_of_its_protocol(protocol: str, version: int, flow: list[str]) -> None:
    assert tracing.carried(tracing.To("10.0.0.9", protocol, 22), version) == flow
