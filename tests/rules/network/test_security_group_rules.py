"""What a rule of a security group may say, and when two say the same."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pileus.kernel.errors import BadRequest
from pileus.services.network.security_group_rules import rules
from pileus.services.network.security_group_rules.rules import PROTOCOLS, Match, key, normalised, number

GROUP = UUID(int=1)
prefixes = st.one_of(
    st.ip_addresses(v=4).map(lambda a: f"{a}/24"), st.ip_addresses(v=6).map(lambda a: f"{a}/64"), st.just("0.0.0.0/0")
)
ports = st.one_of(st.none(), st.integers(0, 65535))
matches = st.builds(
    Match,
    direction=st.sampled_from(rules.DIRECTIONS),
    ethertype=st.sampled_from(rules.ETHERTYPES),
    protocol=st.one_of(st.none(), st.sampled_from(sorted(PROTOCOLS)), st.integers(0, 255).map(str)),
    port_range_min=ports,
    port_range_max=ports,
    remote_ip_prefix=st.one_of(st.none(), prefixes),
    remote_group_id=st.one_of(st.none(), st.just(GROUP)),
)


def kept(match: Match) -> Match | None:
    try:
        return normalised(match)
    except BadRequest:
        return None


@given(matches)
def test_what_is_kept_can_match_something(match: Match) -> None:
    rule = kept(match)
    if rule is None:
        return
    protocol = number(rule.protocol)
    if rule.port_range_max is not None:
        assert protocol in rules.PORT_NUMBERS | {rules.ICMP, rules.ICMPV6}
        assert rule.port_range_min is not None
    if protocol in rules.PORT_NUMBERS and rule.port_range_min is not None:
        assert 1 <= rule.port_range_min <= (rule.port_range_max or 0) <= 65535
    if rule.remote_ip_prefix is not None:
        assert rule.ethertype == f"IPv{ip_interface(rule.remote_ip_prefix).version}"
        assert rule.remote_group_id is None
    assert not (rule.ethertype == "IPv4" and protocol == rules.ICMPV6)


@given(matches)
def test_the_form_in_which_a_rule_is_kept_is_kept_as_it_is(match: Match) -> None:
    if (rule := kept(match)) is not None:
        assert normalised(rule) == rule


@given(matches, st.integers(0, 255))
def test_a_name_and_its_number_say_the_same(match: Match, protocol: int) -> None:
    said = [kept(replace(match, protocol=name)) for name, its in PROTOCOLS.items() if its == protocol]
    by_number = kept(replace(match, protocol=str(protocol)))
    for each in said:
        assert (each is None) == (by_number is None)
        assert each is None or by_number is None or key(each) == key(by_number)


@given(matches)
def test_from_everywhere_need_not_be_said(match: Match) -> None:
    everywhere = "0.0.0.0/0" if match.ethertype == "IPv4" else "::/0"
    plain, said = (replace(match, remote_ip_prefix=each, remote_group_id=None) for each in (None, everywhere))
    assert key(plain) == key(said)


@pytest.mark.parametrize(
    ("given_", "kept_"),
    [
        ("TCP", "tcp"),
        (6, "6"),
        ("006", "6"),
        ("any", None),
        (None, None),
        ("255", "255"),
        (0, "0"),
        ("IPv6-ICMP", "ipv6-icmp"),
    ],
)
def test_protocols_as_they_may_be_written(given_: Any, kept_: str | None) -> None:
    assert rules.read_protocol(given_) == kept_


@pytest.mark.parametrize("said", ["", "tcpp", -1, 256, "1e2", "²", "0x6", " 6", "6" * 5000])
def test_protocols_that_are_none(said: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        rules.read_protocol(said)
    assert refused.value.facts["type"] == "SecurityGroupRuleInvalidProtocol"
    assert len(refused.value.message) < 600


@pytest.mark.parametrize("said", ["", "x", -1, 65536, "١", "1 ", "9" * 5000])
def test_ports_that_are_none(said: Any) -> None:
    with pytest.raises(BadRequest):
        rules.read_port(said)


@pytest.mark.parametrize(
    ("said", "kept_"),
    [
        ("10.0.0.5", "10.0.0.5/32"),
        ("10.0.0.5/24", "10.0.0.5/24"),
        ("::1", "::1/128"),
        ("", None),
        (None, None),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
    ],
)
def test_prefixes_keep_what_was_said(said: str | None, kept_: str | None) -> None:
    assert rules.read_prefix(said) == kept_


@pytest.mark.parametrize("said", ["10.0.0.0/33", "x", "fe80::1%eth0", "10.0.0/8", "010.0.0.1", "1" * 5000])
def test_prefixes_that_are_none(said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        rules.read_prefix(said)
    assert refused.value.facts["type"] == "InvalidCIDR"


REFUSED = {
    "SecurityGroupInvalidPortRange": {"protocol": "tcp", "port_range_min": 80, "port_range_max": 79},
    "SecurityGroupInvalidPortValue": {"protocol": "udp", "port_range_min": 0, "port_range_max": 79},
    "SecurityGroupProtocolRequiredWithPorts": {"port_range_min": 80, "port_range_max": 80},
    "SecurityGroupInvalidProtocolForPort": {"protocol": "gre", "port_range_min": 1, "port_range_max": 2},
    "SecurityGroupInvalidIcmpValue": {"protocol": "icmp", "port_range_min": 256},
    "SecurityGroupMissingIcmpType": {"protocol": "1", "port_range_max": 0},
    "SecurityGroupRuleParameterConflict": {"remote_ip_prefix": "::/0"},
    "SecurityGroupEthertypeConflictWithProtocol": {"protocol": "58"},
    "SecurityGroupMultipleRemoteEntites": {"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": GROUP},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_contradicts_itself_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        normalised(Match(direction="ingress", **REFUSED[name]))
    assert refused.value.facts["type"] == name


def test_icmp_of_ipv6_has_one_name_and_the_whole_range_is_none() -> None:
    for name, other in (("icmp", "ipv6-icmp"), ("icmpv6", "ipv6-icmp"), ("1", "58")):
        assert normalised(Match(direction="ingress", ethertype="IPv6", protocol=name)).protocol == other
    whole = normalised(Match(direction="egress", protocol="tcp", port_range_min=1, port_range_max=65535))
    assert (whole.port_range_min, whole.port_range_max) == (None, None)
