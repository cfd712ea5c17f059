"""Machines that are network namespaces: a switch with the control plane's address, and hosts on it. Needs root."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNET = 0x40000000
CONTROL_IP = "10.77.0.1"


@dataclass(frozen=True)
class Network:
    """`control` and the hosts are names of namespaces; all addresses live inside them."""

    control: str
    hosts: dict[str, str]
    wires: tuple[str, ...] = ("to",)

    def ip(self, host: str) -> str:
        return f"10.77.0.{11 + list(self.hosts).index(host)}"

    def tunnel(self, host: str) -> str:
        """What an agent is told of its device for tunnels."""
        return f"tun0=172.31.0.{11 + list(self.hosts).index(host)}/24"

    def plug(self, host: str, *, into_the_switch: bool) -> None:
        """Connect the host, or pull its cables at the switch: it gets no word, and sees no carrier."""
        for wire in self.wires:
            ip("-n", self.control, "link", "set", f"{wire}-{host}", "up" if into_the_switch else "down")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def network(*names: str, tunnels: bool = False) -> Iterator[Network]:
    """Namespaces of our own inside the block; they take everything in them along when they go.

    With `tunnels` each host has another device, tun0, for these alone, on a switch of its own.
    """
    own = f"pileus-{os.getpid()}"
    made = Network(f"{own}-control", {name: f"{own}-{name}" for name in names}, ("to", "tun") if tunnels else ("to",))
    with ExitStack() as stack:
        for namespace in (made.control, *made.hosts.values()):
            ip("netns", "add", namespace)
            stack.callback(subprocess.run, ["ip", "netns", "del", namespace], check=False, capture_output=True)
            ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", made.control, "link", "add", "switch", "type", "bridge")
        ip("-n", made.control, "addr", "add", f"{CONTROL_IP}/24", "dev", "switch")
        ip("-n", made.control, "link", "set", "switch", "up")
        for name, namespace in made.hosts.items():
            pair = ("type", "veth", "peer", "name", "eth0", "netns", namespace)
            ip("-n", made.control, "link", "add", f"to-{name}", *pair)
            ip("-n", made.control, "link", "set", f"to-{name}", "master", "switch", "up")
            ip("-n", namespace, "addr", "add", f"{made.ip(name)}/24", "dev", "eth0")
            ip("-n", namespace, "link", "set", "eth0", "up")
        if tunnels:
            add_tunnels(made)
        yield made


def add_tunnels(net: Network) -> None:
    """The agents give tun0 its address and set it up."""
    ip("-n", net.control, "link", "add", "tunnels", "type", "bridge")
    ip("-n", net.control, "link", "set", "tunnels", "up")
    for name, namespace in net.hosts.items():
        pair = ("type", "veth", "peer", "name", "tun0", "netns", namespace)
        ip("-n", net.control, "link", "add", f"tun-{name}", *pair)
        ip("-n", net.control, "link", "set", f"tun-{name}", "master", "tunnels", "up")


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread, and those it starts, open their sockets in that namespace inside the block."""
    with open("/proc/thread-self/ns/net") as home, open(Path("/run/netns") / namespace) as there:
        enter(there.fileno())
        try:
            yield
        finally:
            enter(home.fileno())


def enter(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
