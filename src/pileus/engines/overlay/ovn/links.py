"""Network devices and namespaces, by `ip` and `ethtool`."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pileus.engines.overlay.ovn.daemons import run
from pileus.kernel.errors import Unavailable

NAMESPACES = Path("/run/netns")


async def ip(*words: str, netns: str = "") -> str:
    """Raises Unavailable with what `ip` complained of."""
    return await run("ip", *(("-n", netns) if netns else ()), *words)


async def ensure_netns(name: str) -> None:
    """The namespace is there, with its loopback up."""
    if not (NAMESPACES / name).exists():
        await ip("netns", "add", name)
    await ip("link", "set", "lo", "up", netns=name)


async def ensure_netns_gone(name: str) -> None:
    """And all devices in it."""
    if (NAMESPACES / name).exists():
        await ip("netns", "del", name)


async def exists(device: str, netns: str = "") -> bool:
    return await mtu(device, netns) is not None


@dataclass(frozen=True)
class End:
    """One end of a pair of devices."""

    device: str
    netns: str = ""
    mac: str = ""


async def ensure_veth(switch: End, guest: End) -> None:
    """A cable from a switch to a guest; up, at both ends. What the guest sends has its checksum."""
    if not await exists(switch.device, switch.netns):
        pair = ("type", "veth", "peer", "name", guest.device, *(("netns", guest.netns) if guest.netns else ()))
        await ip("link", "add", switch.device, *pair, netns=switch.netns)
    if guest.mac:
        await ip("link", "set", guest.device, "address", guest.mac, netns=guest.netns)
    await without_checksum_offload(guest.device, guest.netns)
    for end in (guest, switch):
        await ip("link", "set", end.device, "up", netns=end.netns)


async def names(netns: str = "") -> list[str]:
    """Of all devices."""
    return [link["ifname"] for link in json.loads(await ip("-j", "link", "show", netns=netns))]


async def mtu(device: str, netns: str = "") -> int | None:
    """None when there is no such device."""
    for link in json.loads(await ip("-j", "link", "show", netns=netns)):
        if link["ifname"] == device:
            return int(link["mtu"])
    return None


async def ensure_gone(device: str, netns: str = "") -> None:
    with suppress(Unavailable):
        if await exists(device, netns):
            await ip("link", "del", device, netns=netns)


async def without_checksum_offload(device: str, netns: str = "") -> None:
    """A userspace switch takes a checksum that is left to the hardware for a wrong one, and drops TCP without a word."""
    await run("ethtool", "-K", device, "tx", "off", netns=netns)
