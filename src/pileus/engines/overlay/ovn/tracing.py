"""What OVN would do with a packet, by its own tool."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from pathlib import Path
from uuid import UUID

from pileus.engines.overlay.ovn import groups
from pileus.engines.overlay.ovn.draft import Draft
from pileus.engines.overlay.ovn.ports import port_ref
from pileus.engines.overlay.ovn.replica import Columns, members, one
from pileus.kernel.errors import NotFound, Unavailable

ANSWERS_WITHIN_S = 4.0
FIRST_PACKET = ("--ct=new",) * 8  # of a connection, wherever it is asked for


@dataclass(frozen=True)
class To:
    """Where the packet goes."""

    address: str
    protocol: str
    port: int | None


@dataclass(frozen=True)
class Packet:
    """A packet in OVN's words, and the switch that it enters."""

    switch: str
    flow: str


def packet(draft: Draft, source: UUID, to: To) -> Packet | None:
    """The packet that the port would send; None when it has no address to send it from. Raises NotFound."""
    found = draft.find(port_ref(source))
    port = None if found is None else draft.columns("Logical_Switch_Port", found)
    switches = [] if found is None else draft.holders(found, "Logical_Switch")
    if port is None or not switches:
        raise NotFound(f"The overlay has no port {source}.", port=source)
    there = ip_address(to.address)
    mac, own = own_addresses(port)
    sender = next((each for each in own if ip_address(each).version == there.version), None)
    if sender is None:
        return None
    switch = draft.columns("Logical_Switch", switches[0]) or {}
    ip = f"ip{there.version}"
    parts = [
        f'inport == "{source}"',
        f"eth.src == {mac}",
        f"eth.dst == {next_mac(draft, switch, str(there))}",
        f"{ip}.src == {sender}",
        f"{ip}.dst == {there}",
        "ip.ttl == 64",
        *carried(to, there.version),
    ]
    return Packet(str(one(switch, "name")), " && ".join(parts))


def carried(to: To, version: int) -> list[str]:
    """The protocol by name or number, as groups know it."""
    name = to.protocol.lower()
    if transport := groups.WITH_PORTS.get(name):
        return [f"{transport}.src == 40000", f"{transport}.dst == {int(to.port or 0)}"]
    if name in groups.ICMP:
        return [f"icmp{version}.type == {8 if version == 4 else 128}"]
    return [f"ip.proto == {groups.NUMBERS.get(name) or (int(name) if name.isdigit() else 0)}"]


def own_addresses(port: Columns) -> tuple[str, list[str]]:
    """The first MAC and its addresses."""
    for words in sorted(str(each).split() for each in port.get("addresses", ())):
        if len(words) > 1:
            return words[0], words[1:]
    return "", []


def next_mac(draft: Draft, switch: Columns, address: str) -> str:
    """Whom the sender speaks to: who has the address, else the network's router."""
    router = ""
    for member in members(switch):
        row = draft.columns("Logical_Switch_Port", member) or {}
        for each in row.get("addresses", ()):
            words = str(each).split()
            if address in words[1:]:
                return words[0]
        router = router_mac(draft, row, address, router)
    return router or "ff:ff:ff:ff:ff:ff"


def router_mac(draft: Draft, port: Columns, address: str, known: str) -> str:
    """The MAC of the router behind that port, if there is one: of the one that has the address before all others."""
    options = port.get("options", {})
    name = options.get("router-port") if isinstance(options, dict) else None
    leg = None if name is None else draft.named("Logical_Router_Port", name)
    if leg is None:
        return known
    own = {str(ip_interface(str(each)).ip) for each in leg.get("networks", ())}
    return str(one(leg, "mac")) if address in own or not known else known


async def trace(southbound: Path, packet: Packet) -> list[str]:
    """The lines of ovn-trace. Raises Unavailable."""
    command = ("ovn-trace", f"--db=unix:{southbound}", *FIRST_PACKET, packet.switch, packet.flow)
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as e:
        raise Unavailable(f"ovn-trace cannot be run: {e.strerror}") from e
    try:
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Unavailable("ovn-trace does not answer.") from None
    lines = output.decode(errors="replace").splitlines()
    if process.returncode:
        raise Unavailable(f"ovn-trace: {lines[-1] if lines else process.returncode}")
    return lines
