"""What a guest that speaks DHCPv6 (RFC 8415), and one that asks for a router (RFC 4861), is told on its link."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv6Address

from agent.namespaces import inside
from support.waiting import pause

SOLICIT, ADVERTISE, REQUEST, REPLY, INFORMATION_REQUEST = 1, 2, 3, 7, 11
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDRESS, OPTION_REQUEST, DNS_SERVERS = 1, 2, 3, 5, 6, 23
SERVERS, CLIENT_PORT, SERVER_PORT = "ff02::1:2", 546, 547
ROUTERS, ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = "ff02::2", 133, 134
MANAGED, OTHER, PREFIX, AUTONOMOUS = 0x80, 0x40, 3, 0x40
IA_BYTES = 12  # before the options of an IA_NA: whose, and two times
FIRST_OPTION = 16  # of a router advertisement
ICMP6_FILTER = 1
TRIES = 20


@dataclass(frozen=True)
class Told:
    """Of which kind an answer is, who gives it (which is said to them again), and what."""

    kind: int
    server: bytes
    address: str
    dns: tuple[str, ...]


@dataclass(frozen=True)
class Advertised:
    """That addresses are to be had by DHCPv6, that all else is, and that hosts make themselves one."""

    managed: bool
    other: bool
    autonomous: bool


async def asked(netns: str, mac: str, kind: int, *, server: bytes = b"") -> Told:
    """What the guest with that MAC is answered."""
    transaction, own = os.urandom(3), struct.pack("!HH", 3, 1) + bytes.fromhex(mac.replace(":", ""))
    options = [(CLIENT_ID, own), (OPTION_REQUEST, struct.pack("!H", DNS_SERVERS))]
    if kind != INFORMATION_REQUEST:
        options.append((IA_NA, struct.pack("!III", 1, 0, 0)))
    if server:
        options.append((SERVER_ID, server))
    message = bytes([kind]) + transaction + b"".join(struct.pack("!HH", c, len(v)) + v for c, v in options)
    with inside(netns), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as link:
        link.bind(("::", CLIENT_PORT))
        answer = await answered(link, message, (SERVERS, SERVER_PORT))
    assert answer[1:4] == transaction
    return told(answer)


async def answered(link: socket.socket, message: bytes, to: tuple[str, int]) -> bytes:
    """In due time: a guest sends nothing before its own address is settled."""
    link.setblocking(False)
    loop, device = asyncio.get_running_loop(), socket.if_nametoindex("eth0")
    for _ in range(TRIES):
        try:
            async with asyncio.timeout(1.0):
                await loop.sock_sendto(link, message, (*to, 0, device))
                return await loop.sock_recv(link, 2000)
        except OSError:  # a timeout, too
            await pause(0.1)
    raise AssertionError("Nobody answers.")


def told(answer: bytes) -> Told:
    found = parsed(answer[4:])
    lease, dns = parsed(found.get(IA_NA, b"")[IA_BYTES:]).get(IA_ADDRESS, b"")[:16], found.get(DNS_SERVERS, b"")
    servers = tuple(str(IPv6Address(dns[at : at + 16])) for at in range(0, len(dns), 16))
    return Told(answer[0], found.get(SERVER_ID, b""), str(IPv6Address(lease)) if lease else "", servers)


def parsed(data: bytes) -> dict[int, bytes]:
    """By their codes; of each there is one."""
    options: dict[int, bytes] = {}
    while data:
        code, length = struct.unpack("!HH", data[:4])
        options[code], data = data[4 : 4 + length], data[4 + length :]
    return options


async def advertised(netns: str) -> Advertised:
    """What the router says when it is asked."""
    with inside(netns), socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as link:
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        link.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, only(ROUTER_ADVERTISEMENT))
        answer = await answered(link, struct.pack("!BBHI", ROUTER_SOLICITATION, 0, 0, 0), (ROUTERS, 0))
    at, autonomous = FIRST_OPTION, False
    while at < len(answer):
        autonomous |= answer[at] == PREFIX and bool(answer[at + 3] & AUTONOMOUS)
        at += answer[at + 1] * 8
    return Advertised(bool(answer[5] & MANAGED), bool(answer[5] & OTHER), autonomous)


def only(kind: int) -> bytes:
    """An ICMP6_FILTER: of what is set nothing is heard."""
    words = [0xFFFFFFFF] * 8
    words[kind >> 5] ^= 1 << (kind & 31)
    return struct.pack("=8I", *words)
