"""DHCP options that a port asks for, in OVN's words. Pure.

OVN pastes a value into its flow language, so each is written anew from what it was read as; one that cannot be read, or that
OVN does not know, is left out: the port gets its address without it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

Written = Callable[[str], str]

TEXT = re.compile(r"[\x20-\x7e]{1,200}")
SAFE = re.compile(r"[^\"\\$@{}]*")


def integer(lowest: int, highest: int) -> Written:
    def write(value: str) -> str:
        if not (value.isascii() and value.isdigit() and lowest <= int(value[:12]) <= highest):
            raise ValueError(value)
        return str(int(value[:12]))

    return write


def address(value: str) -> str:
    return str(IPv4Address(value.strip()))


def addresses(value: str) -> str:
    return "{" + ", ".join(map(address, value.strip("{}").split(","))) + "}"


def text(value: str) -> str:
    """A quoted string; quotes, escapes and what OVN would take for a variable are no part of any honest value."""
    if not TEXT.fullmatch(value) or not SAFE.fullmatch(value):
        raise ValueError(value)
    return json.dumps(value)


def host(value: str) -> str:
    try:
        return address(value)
    except AddressValueError:
        return text(value)


def routes(value: str) -> str:
    """ "NETWORK,NEXTHOP,NETWORK,NEXTHOP", as dnsmasq takes them."""
    words = [word.strip() for word in value.strip("{}").split(",")]
    pairs = zip(words[::2], words[1::2], strict=True)
    return "{" + ", ".join(f"{IPv4Network(there)},{address(by)}" for there, by in pairs) + "}"


OPTIONS: dict[str, tuple[str, Written]] = {
    "netmask": ("netmask", address),
    "router": ("router", address),
    "dns-server": ("dns_server", addresses),
    "log-server": ("log_server", address),
    "lpr-server": ("lpr_server", address),
    "hostname": ("hostname", text),
    "domain-name": ("domain_name", text),
    "swap-server": ("swap_server", address),
    "ip-forward-enable": ("ip_forward_enable", integer(0, 1)),
    "default-ttl": ("default_ttl", integer(0, 255)),
    "mtu": ("mtu", integer(68, 65535)),
    "broadcast": ("broadcast_address", address),
    "router-discovery": ("router_discovery", integer(0, 1)),
    "router-solicitation": ("router_solicitation", address),
    "arp-timeout": ("arp_cache_timeout", integer(0, 255)),
    "ethernet-encap": ("ethernet_encap", integer(0, 1)),
    "tcp-ttl": ("tcp_ttl", integer(0, 255)),
    "tcp-keepalive": ("tcp_keepalive_interval", integer(0, 255)),
    "nis-server": ("nis_server", address),
    "ntp-server": ("ntp_server", address),
    "netbios-ns": ("netbios_name_server", address),
    "netbios-nodetype": ("netbios_node_type", integer(0, 255)),
    "lease-time": ("lease_time", integer(0, 4_294_967_295)),
    "T1": ("T1", integer(68, 4_294_967_295)),
    "T2": ("T2", integer(68, 4_294_967_295)),
    "tftp-server": ("tftp_server", host),
    "bootfile-name": ("bootfile_name", text),
    "bootfile": ("bootfile_name", text),
    "domain-search": ("domain_search_list", text),
    "classless-static-route": ("classless_static_route", routes),
    "server-ip-address": ("tftp_server_address", address),
    "tftp-server-address": ("tftp_server_address", address),
    "path-prefix": ("path_prefix", text),
    "wpad": ("wpad", text),
}
"""What a name of dnsmasq is called by OVN, and how a value of it is written."""

NUMBERS = {
    "1": "netmask", "3": "router", "6": "dns-server", "7": "log-server", "9": "lpr-server", "12": "hostname",
    "15": "domain-name", "16": "swap-server", "19": "ip-forward-enable", "23": "default-ttl", "26": "mtu",
    "28": "broadcast", "31": "router-discovery", "32": "router-solicitation", "35": "arp-timeout",
    "36": "ethernet-encap", "37": "tcp-ttl", "38": "tcp-keepalive", "41": "nis-server", "42": "ntp-server",
    "44": "netbios-ns", "46": "netbios-nodetype", "51": "lease-time", "58": "T1", "59": "T2", "66": "tftp-server",
    "67": "bootfile-name", "119": "domain-search", "121": "classless-static-route", "150": "tftp-server-address",
    "210": "path-prefix", "252": "wpad",
}  # fmt: skip


def extra(asked: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The options that OVN can give, by its names."""
    found = {}
    for name, value in asked:
        known = OPTIONS.get(NUMBERS.get(name, name).removeprefix("option:"))
        try:
            if known is not None:
                found[known[0]] = known[1](value)
        except (ValueError, AddressValueError, NetmaskValueError):
            continue
    return found
