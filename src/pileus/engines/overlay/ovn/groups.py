"""Security groups as port groups with ACLs. Pure.

One more group holds every secured port and drops what no rule allows. A connection that a rule allowed is judged again with
each packet: it ends with the rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from pileus.engines.overlay import Group, Rule
from pileus.engines.overlay.ovn import names
from pileus.engines.overlay.ovn.draft import Ref, Row

ALLOW, DROP = 1002, 1001
SAID = "pileus-said"  # in external_ids: the group was said, not only named by a port
IP = {"IPv4": "ip4", "IPv6": "ip6"}
ICMP = {"icmp", "icmpv6", "ipv6-icmp", "1", "58"}
WITH_PORTS = {"tcp": "tcp", "6": "tcp", "udp": "udp", "17": "udp", "sctp": "sctp", "132": "sctp"}
NUMBERS = {
    "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "igmp": 2, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44,
    "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "udplite": 136, "vrrp": 112,
}  # fmt: skip
SECURED = "secured/all"
SECURED_GROUP = Ref("Port_Group", SECURED)
ASK_FOR_AN_ADDRESS = {
    "dhcp4": "ip4 && udp.src == 68 && udp.dst == 67",
    "dhcp6": "ip6 && udp.src == 546 && udp.dst == 547",
}


def group_ref(group_id: UUID) -> Ref:
    return Ref("Port_Group", names.group(group_id))


def place(group_id: UUID, *, said: bool = False) -> Row:
    """The port group; one that was not said is where ports wait for it."""
    return Row("Port_Group", names.group(group_id), {"name": names.port_group(group_id)}, {SAID: "yes"} if said else {})


def rows(group: Group) -> Iterator[Row]:
    """The group and its rules."""
    yield place(group.id, said=True)
    action = "allow-related" if group.stateful else "allow-stateless"
    for rule in group.rules:
        if (found := match(rule, names.port_group(group.id))) is not None:
            key = f"{names.group(group.id)}/rule/{rule.id}"
            yield acl(key, group_ref(group.id), ("to-lport" if rule.ingress else "from-lport", ALLOW, found, action))


def secured_rows() -> Iterator[Row]:
    """The group of all secured ports: nothing passes but what is allowed elsewhere, and the question for an address."""
    yield Row("Port_Group", SECURED, {"name": names.SECURED})
    for direction, side in (("to-lport", "outport"), ("from-lport", "inport")):
        drop = (direction, DROP, f"{side} == @{names.SECURED} && ip", "drop")
        yield acl(f"{SECURED}/drop/{direction}", SECURED_GROUP, drop)
    for name, asks in ASK_FOR_AN_ADDRESS.items():
        allow = ("from-lport", ALLOW, f"inport == @{names.SECURED} && {asks}", "allow")
        yield acl(f"{SECURED}/allow/{name}", SECURED_GROUP, allow)


def acl(key: str, group: Ref, rule: tuple[str, int, str, str]) -> Row:
    direction, priority, match, action = rule
    columns = {"direction": direction, "priority": priority, "match": match, "action": action}
    return Row("ACL", key, columns, within=group)


def match(rule: Rule, group: str) -> str | None:
    """What the rule lets through, in OVN's language; None for a protocol that nobody knows."""
    side, there = ("outport", "src") if rule.ingress else ("inport", "dst")
    ip = IP[rule.ethertype]
    parts = [f"{side} == @{group}", ip]
    if rule.remote_cidr is not None:
        parts.append(f"{ip}.{there} == {rule.remote_cidr}")
    if rule.remote_group is not None:
        parts.append(f"{ip}.{there} == ${names.port_group(rule.remote_group)}_{ip}")
    if rule.protocol is not None:
        known = protocol(rule, rule.protocol.lower())
        if known is None:
            return None
        parts += known
    return " && ".join(parts)


def protocol(rule: Rule, name: str) -> list[str] | None:
    if name in WITH_PORTS:
        return ports(WITH_PORTS[name], rule.port_min, rule.port_max)
    if name in ICMP:
        return icmp("icmp4" if rule.ethertype == "IPv4" else "icmp6", rule.port_min, rule.port_max)
    number = NUMBERS.get(name) or (int(name) if name.isascii() and name.isdigit() else None)
    return None if number is None else [f"ip.proto == {number}"]


def ports(name: str, lowest: int | None, highest: int | None) -> list[str]:
    if lowest is None and highest is None:
        return [name]
    if lowest == highest:
        return [f"{name}.dst == {lowest}"]
    return [
        *([] if lowest is None else [f"{name}.dst >= {lowest}"]),
        *([] if highest is None else [f"{name}.dst <= {highest}"]),
    ]


def icmp(name: str, of_type: int | None, code: int | None) -> list[str]:
    return [
        name,
        *([] if of_type is None else [f"{name}.type == {of_type}"]),
        *([] if code is None else [f"{name}.code == {code}"]),
    ]
