"""A host's part of OVN: Open vSwitch with its userspace datapath, the bridges, and ovn-controller.

The switch lives in a network namespace of its own, if one is named: two userspace switches cannot share one. Everything of
it is below `home` and can be found there again by who comes after us.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from uuid import UUID

import msgspec

from pileus.engines.files import make_directory, write_whole
from pileus.engines.overlay.ovn import links
from pileus.engines.overlay.ovn.central import ensure_database, where
from pileus.engines.overlay.ovn.daemons import Daemon, Keeper, run
from pileus.engines.overlay.ovn.ovsdb import Tls
from pileus.kernel.errors import Conflict

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
INTEGRATION, EXTERNAL, UNDERLAY = "br-int", "br-ex", "br-phy"
DATAPATH = "ovs-netdev"  # the device of a userspace datapath, which a namespace has once
MADE = "made.json"
TABLE = "pileus"  # of nftables
KEEP_FLOWS_MS = 4000  # of an ovn-controller that starts again: until it knows all, the old flows carry the packets


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a host has outside of its folder. Devices of a switch are persistent: they stay when its daemons are gone."""

    netns: str
    devices: tuple[str, ...]
    masquerades: bool


@dataclass(frozen=True)
class External:
    """A physical network on a bridge of this host, in which the host has addresses: "172.24.4.1/24"."""

    physical_network: str = "public"
    addresses: tuple[str, ...] = ("172.24.4.1/24",)
    masquerade: bool = False  # what leaves the machine carries the machine's address


@dataclass(frozen=True)
class Underlay:
    """How this host's tunnels reach other hosts: a device that carries nothing else, and the address it shall have."""

    device: str
    address: str  # with prefix length


@dataclass(frozen=True)
class Host:
    """One chassis. `southbound`: "unix:PATH" or "ssl:ADDRESS:PORT"."""

    home: Path
    name: str
    southbound: str
    netns: str = ""
    external: External | None = None
    underlay: Underlay | None = None
    tls: Tls | None = None

    @property
    def socket(self) -> Path:
        return self.home / "db.sock"

    @property
    def database(self) -> str:
        return f"unix:{self.socket}"

    @property
    def environment(self) -> dict[str, str]:
        """Where programs of OVS and OVN look for this switch and not for the machine's."""
        names = ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR", "OVN_RUNDIR", "OVN_LOGDIR")
        return dict.fromkeys(names, str(self.home))

    @property
    def devices(self) -> tuple[str, ...]:
        """That it makes in its namespace, or may make."""
        return (INTEGRATION, EXTERNAL, UNDERLAY, DATAPATH)

    @property
    def daemons(self) -> tuple[Daemon, ...]:
        """In the order in which they start."""
        return (
            self._daemon("ovsdb", "ovsdb-server", f"--remote=punix:{self.home}/db.sock", f"{self.home}/conf.db"),
            self._daemon("vswitchd", "ovs-vswitchd", self.database),
            self._daemon("controller", "ovn-controller", *(self.tls.words if self.tls else ()), self.database),
        )

    def _daemon(self, name: str, program: str, *words: str) -> Daemon:
        control = () if name == "controller" else (f"--unixctl={self.home}/{name}.ctl",)  # that one knows no such word
        command = (program, *where(name, self.home), *control, *words)
        return Daemon(name, self.home, command, self.netns, self.environment)

    async def start(self, keeper: Keeper) -> None:
        """It carries packets. Raises Unavailable, Conflict."""
        make_directory(self.home)
        if self.netns:
            await links.ensure_netns(self.netns)
        database, switch, controller = self.daemons
        afresh = switch.pid() is None
        if afresh:
            await self._refuse_to_share()
        if database.pid() is None:
            await ensure_database(self.home / "conf.db", SCHEMA)
        await keeper.ensure(database)
        await self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".", *self._words())
        self._note()
        await keeper.ensure(switch)
        await self._bridges()
        await self._keep_flows(0 if afresh else KEEP_FLOWS_MS)
        await keeper.ensure(controller)
        await self._keep_flows(KEEP_FLOWS_MS)

    async def vsctl(self, *words: str) -> str:
        return await run("ovs-vsctl", "--timeout=10", f"--db={self.database}", *words, environment=self.environment)

    async def plug(self, device: str, port_id: UUID) -> None:
        """The device, which is in the switch's namespace, is the port's. It may be said again, for another device too."""
        claims = await self.vsctl("--bare", "--columns=name", "find", "interface", f"external_ids:iface-id={port_id}")
        other = [word for name in claims.split() if name != device for word in ("--", "--if-exists", "del-port", name)]
        await self.vsctl(
            *other,
            *("--", "--may-exist", "add-port", INTEGRATION, device),
            *("--", "set", "interface", device, f"external_ids:iface-id={port_id}"),
        )

    async def unplug(self, device: str) -> None:
        """It is nobody's."""
        await self.vsctl("--if-exists", "del-port", INTEGRATION, device)

    def _note(self) -> None:
        """Before it is there: what is made outside of `home`, for who takes it away."""
        made = Made(
            netns=self.netns, devices=self.devices, masquerades=bool(self.external and self.external.masquerade)
        )
        write_whole(self.home / MADE, msgspec.json.encode(made), durable=True)

    async def _refuse_to_share(self) -> None:
        """Whatever an earlier switch of ours has left may be used again; of another's nothing may be touched."""
        if not (self.home / MADE).exists() and await links.exists(DATAPATH, self.netns):
            raise Conflict(
                "Another Open vSwitch with a userspace datapath runs in this network namespace: stop it, "
                "or give Pileus a namespace of its own."
            )

    def _words(self) -> list[str]:
        facts = {
            "system-id": self.name,
            "hostname": self.name,
            "ovn-remote": self.southbound,
            "ovn-encap-type": "geneve",
            "ovn-encap-ip": self.underlay.address.split("/")[0] if self.underlay else "127.0.0.1",
            "ovn-bridge-datapath-type": "netdev",
            "ovn-bridge-mappings": f"{self.external.physical_network}:{EXTERNAL}" if self.external else "",
        }
        return [f'external_ids:{name}="{value}"' for name, value in facts.items()]

    async def _keep_flows(self, ms: int) -> None:
        await self.vsctl("--no-wait", "set", "Open_vSwitch", ".", f"external_ids:ovn-ofctrl-wait-before-clear={ms}")

    async def _bridges(self) -> None:
        await self.vsctl(*bridge(INTEGRATION), "fail-mode=secure")
        if self.external is not None:
            await self.vsctl("--", *bridge(EXTERNAL))
            for address in self.external.addresses:
                await links.ip("addr", "replace", address, "dev", EXTERNAL, netns=self.netns)
            await links.ip("link", "set", EXTERNAL, "up", netns=self.netns)
            if self.external.masquerade:
                await self._masquerade(self.external)
        if self.underlay is not None:
            await self._underlay(self.underlay)

    async def _masquerade(self, external: External) -> None:
        """What comes from the physical network and leaves the machine elsewhere carries the machine's address."""
        rules = [
            f"add rule ip {TABLE} out ip saddr {ip_interface(address).network} oifname != {EXTERNAL} masquerade"
            for address in external.addresses
            if ":" not in address
        ]
        chain = f"add chain ip {TABLE} out {{ type nat hook postrouting priority srcnat; }}"
        anew = (f"add table ip {TABLE}", f"delete table ip {TABLE}", f"add table ip {TABLE}", chain, *rules)
        await run("nft", "; ".join(anew), netns=self.netns)
        await run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", netns=self.netns)

    async def _underlay(self, underlay: Underlay) -> None:
        """A tunnel of a userspace datapath leaves by a bridge that has its address and holds the device."""
        mtu = (await links.mtu(underlay.device, self.netns)) or 1500
        await links.without_checksum_offload(underlay.device, self.netns)
        await links.ip("link", "set", underlay.device, "up", netns=self.netns)
        await self.vsctl(
            *bridge(UNDERLAY),
            *("--", "--may-exist", "add-port", UNDERLAY, underlay.device),
            *("--", "set", "interface", UNDERLAY, f"mtu_request={mtu}"),
        )
        await links.ip("addr", "replace", underlay.address, "dev", UNDERLAY, netns=self.netns)
        await links.ip("link", "set", UNDERLAY, "up", netns=self.netns)


def bridge(name: str) -> tuple[str, ...]:
    return ("--may-exist", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev")
