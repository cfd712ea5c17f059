"""A whole cloud on real engines, as its users have it: `pileus up` on a machine that is a network namespace, asked by
openstacksdk, with guests that are reached by ssh through floating IPs."""

from __future__ import annotations

import base64
import json
import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openstack.config import OpenStackConfig
from openstack.connection import Connection
from openstack.exceptions import ResourceTimeout

from agent.namespaces import inside, ip
from cli.conftest import Process, pileus, started
from pileus.cli.rooms import control_state
from support.waiting import pause

PATIENCE_S = 120.0
BOOT_S = 300
LOOK_S = 0.5
MANAGED, TUNNEL = "eth0", "tun0"


@dataclass(frozen=True)
class Machine:
    """A network namespace. `number` is the last of its addresses."""

    netns: str
    number: int

    @property
    def ip(self) -> str:
        return f"10.77.0.{self.number}"

    @property
    def network(self) -> Path:
        return Path("/run/netns") / self.netns

    @property
    def tunnel(self) -> str:
        return f"{TUNNEL}=172.31.0.{self.number}/24"

    def forget(self) -> None:
        """What a machine has only while it runs: the namespaces, devices, addresses and rules that were made on it."""
        ip("netns", "del", f"{self.netns}-metadata")
        shown = subprocess.run(["ip", "-j", "-n", self.netns, "link"], capture_output=True, check=True).stdout
        for made in {link["ifname"] for link in json.loads(shown)} - {
            "lo",
            MANAGED,
            TUNNEL,
        }:  # or gone with its maker by now
            subprocess.run(["ip", "-n", self.netns, "link", "del", made], capture_output=True, check=False)
        ip("-n", self.netns, "addr", "flush", "dev", TUNNEL)
        ip("-n", self.netns, "link", "set", TUNNEL, "down")
        ip("netns", "exec", self.netns, "nft", "flush", "ruleset")
        ip("netns", "exec", self.netns, "sysctl", "-q", "-w", "net.ipv4.ip_forward=0")


@contextmanager
def machines(*names: str) -> Iterator[list[Machine]]:
    """One, or two with a cable for what they say to each other and another for tunnels."""
    made = [Machine(f"pileus-{name}", number) for number, name in enumerate(names, 1)]
    try:
        for machine in made:
            ip("netns", "add", machine.netns)
            ip("-n", machine.netns, "link", "set", "lo", "up")
        if len(made) > 1:
            one, two = made
            for device in (MANAGED, TUNNEL):
                pair = ("type", "veth", "peer", "name", device, "netns", two.netns)
                ip("-n", one.netns, "link", "add", device, *pair)
            for machine, other in ((one, two), (two, one)):
                ip("-n", machine.netns, "addr", "add", f"{machine.ip}/24", "dev", MANAGED)
                ip("-n", machine.netns, "link", "set", MANAGED, "up")
                ip("-n", machine.netns, "route", "add", "default", "via", other.ip)
        yield made
    finally:
        for machine in made:  # `down` may have taken them along
            subprocess.run(["ip", "netns", "del", machine.netns], check=False, capture_output=True)


@contextmanager
def unplugged(machine: Machine, other: Machine) -> Iterator[None]:
    """Inside the block no cable is between the two machines. All that runs on either runs on."""
    try:
        for device in (MANAGED, TUNNEL):
            ip("-n", machine.netns, "link", "set", device, "down")
        yield
    finally:
        for device in (MANAGED, TUNNEL):
            ip("-n", machine.netns, "link", "set", device, "up")
        ip("-n", machine.netns, "route", "replace", "default", "via", other.ip)  # it went with its device


def listening(network: str | Path) -> list[str]:
    """Where somebody in that network namespace, which a file stands for, hears TCP or UDP, whoever that is."""
    words = ("nsenter", f"--net={network}", "ss", "-Hltun")
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return sorted({re.sub("%[^:]*", "", line.split()[4]) for line in said.splitlines()})  # at whatever device


async def comes_true(look: Callable[[], Any], within_s: float = PATIENCE_S) -> bool:
    """Whether the look says yes at last."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if look():
            return True
        await pause(LOOK_S)
    return False


@dataclass
class Line:
    """A connection to a guest that stays open: what is said comes back, as long as packets pass."""

    popen: subprocess.Popen[bytes]
    said: int = 0

    def echoes(self, within_s: float = 5.0) -> bool:
        """Whether what is said now comes back in time. What got lost before may come first."""
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.said += 1
        self.popen.stdin.write(b"%d\n" % self.said)
        self.popen.stdin.flush()
        until, heard = time.monotonic() + within_s, b""
        while (left := until - time.monotonic()) > 0 and b"%d\n" % self.said not in heard:
            if select.select([self.popen.stdout], [], [], left)[0]:
                heard += os.read(self.popen.stdout.fileno(), 4096)
        return b"%d\n" % self.said in heard


@dataclass
class Guest:
    """A server that is reached by ssh, through its floating IP."""

    whole: WholeCloud
    id: str
    ip: str = ""

    @property
    def server(self) -> Any:
        return self.whole.sdk.compute.get_server(self.id)

    @property
    def words(self) -> tuple[str, ...]:
        options = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=5")
        return ("ssh", "-q", "-i", str(self.whole.key), *(f"-o{each}" for each in options), f"root@{self.ip}")

    def run(self, command: str, *, within_s: float = 30.0) -> str:
        """What it says. Raises CalledProcessError, TimeoutExpired."""
        done = subprocess.run((*self.words, command), capture_output=True, text=True, check=True, timeout=within_s)
        return done.stdout.strip()

    def does(self, command: str, *, within_s: float = 30.0) -> bool:
        """Whether it was reached, and the command went well."""
        try:
            self.run(command, within_s=within_s)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return False
        return True

    def writes(self, disk: str, text: str) -> None:
        """At its beginning, and to the disk itself."""
        self.run(f"echo {text} | dd of={disk} bs=512 conv=sync,fsync")

    def reads(self, disk: str) -> str:
        return self.run(f"dd if={disk} bs=512 count=1 2>/dev/null | tr -d '\\000'")

    async def is_reached(self) -> bool:
        return await comes_true(lambda: self.does("true"))

    def is_(self, status: str) -> bool:
        """In due time; a server in ERROR will not be. What was to make it so may have been taken back: that is told."""
        try:
            self.whole.sdk.compute.wait_for_server(self.server, status=status, interval=LOOK_S, wait=BOOT_S)
        except ResourceTimeout as e:
            raise AssertionError(self.whole.said_by("op", "list", "--subject", self.id)) from e
        return True

    def run_id(self) -> str:
        """Another after each boot."""
        return self.run("cat /proc/sys/kernel/random/boot_id")

    def console(self) -> str:
        return str(self.whole.sdk.compute.get_server_console_output(self.id)["output"])

    @contextmanager
    def line(self) -> Iterator[Line]:
        pipe = subprocess.PIPE
        popen = subprocess.Popen((*self.words, "cat"), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        try:
            yield Line(popen)
        finally:
            popen.kill()
            popen.communicate()


@dataclass
class WholeCloud:
    """A cloud, and what its user needs: an image, a key, a network with a way out, and a group that lets ssh in."""

    words: tuple[str | Path, ...]  # that start it
    process: Process
    sdk: Connection
    machine: Machine
    key: Path
    image: Any = None
    network: Any = None
    public: Any = None
    router: Any = None
    group: Any = None
    ssh: Any = None  # the rule that lets it in

    @property
    def state(self) -> Path:
        return self.process.state

    def start_again(self) -> None:
        """At another address."""
        self.process.popen.communicate()
        self.process = started(*self.words)
        self.sdk = connection(self.process)

    def furnish(self, tiny: Path) -> None:
        compute, network = self.sdk.compute, self.sdk.network
        self.image = self.sdk.image.create_image(
            name="tiny", data=tiny.read_bytes(), disk_format="qcow2", container_format="bare"
        )
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        compute.create_keypair(name="key", public_key=self.key.with_suffix(".pub").read_text())
        self.public = network.find_network("public", ignore_missing=False)
        self.router = network.create_router(name="out", external_gateway_info={"network_id": self.public.id})
        self.group = network.create_security_group(name="open")
        self.ssh = self.allow(protocol="tcp", port_range_min=22, port_range_max=22)
        self.allow(protocol="icmp")
        self.allow(protocol="ipv6-icmp", ether_type="IPv6")
        self.network = self.routed("home", 99)

    def allow(self, **rule: Any) -> Any:
        return self.sdk.network.create_security_group_rule(security_group_id=self.group.id, direction="ingress", **rule)

    def routed(self, name: str, number: int) -> Any:
        """A network with IPv4 and IPv6, on the router."""
        network = self.sdk.network
        made = network.create_network(name=name)
        slaac = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
        for version, cidr, more in ((4, f"10.{number}.0.0/24", {}), (6, f"fd00:{number}::/64", slaac)):
            subnet = network.create_subnet(network_id=made.id, ip_version=version, cidr=cidr, **more)
            network.add_interface_to_router(self.router, subnet_id=subnet.id)
        return made

    def boot(self, name: str, *, network: Any = None, **more: Any) -> Guest:
        """A guest that is about to boot; see `reach`."""
        wish = {"image_id": self.image.id, "flavor_id": "42", "key_name": "key", **more}
        wish = {name: value for name, value in wish.items() if value is not None}
        networks, groups = [{"uuid": (network or self.network).id}], [{"name": self.group.name}]
        made = self.sdk.compute.create_server(name=name, networks=networks, security_groups=groups, **wish)
        return Guest(self, made.id)

    async def reach(self, guest: Guest) -> Guest:
        """It runs, and is reached through a floating IP."""
        assert guest.is_("ACTIVE")
        port, *_ = self.sdk.network.ports(device_id=guest.id)
        guest.ip = self.sdk.network.create_ip(floating_network_id=self.public.id, port_id=port.id).floating_ip_address
        assert await guest.is_reached(), guest.console()
        return guest

    def addresses(self, guest: Guest) -> list[str]:
        """Of its first port: IPv4 first."""
        port, *_ = self.sdk.network.ports(device_id=guest.id)
        return sorted((each["ip_address"] for each in port.fixed_ips), key=lambda address: ":" in address)

    def volume(self, **more: Any) -> Any:
        made = self.sdk.block_storage.create_volume(size=1, **more)
        return self.sdk.block_storage.wait_for_status(made, status="available", interval=LOOK_S, wait=BOOT_S)

    async def attach(self, guest: Guest, volume: Any) -> str:
        """What the guest calls it; told by its serial number."""
        self.sdk.compute.create_volume_attachment(guest.id, volume_id=volume.id)
        self.sdk.block_storage.wait_for_status(volume, status="in-use", interval=LOOK_S, wait=60)
        assert await comes_true(lambda: guest.does(f"grep -q {volume.id[:20]} /sys/block/vd*/serial"))
        return self.disk(guest, volume)

    def disk(self, guest: Guest, volume: Any) -> str:
        """What the guest calls the volume."""
        return "/dev/" + guest.run(f"grep -l {volume.id[:20]} /sys/block/vd*/serial").split("/")[3]

    async def detach(self, guest: Guest, volume: Any) -> None:
        self.sdk.compute.delete_volume_attachment(guest.id, volume.id)
        self.sdk.block_storage.wait_for_status(volume, status="available", interval=LOOK_S, wait=60)
        assert await comes_true(lambda: not guest.does(f"grep -q {volume.id[:20]} /sys/block/vd*/serial"))

    async def grow(self, guest: Guest, volume: Any, disk: str, size_gib: int) -> None:
        """It sees so, whatever it is just doing, and has it told as an action."""
        storage = self.sdk.block_storage
        storage.extend_volume(volume, size_gib)
        storage.wait_for_status(storage.get_volume(volume.id), status="in-use", interval=LOOK_S, wait=60)
        assert storage.get_volume(volume.id).size == size_gib
        sectors = f"cat /sys/class/block/{disk.removeprefix('/dev/')}/size"
        assert await comes_true(lambda: int(guest.run(sectors)) == size_gib << 21)
        done = [each.message for each in self.sdk.compute.server_actions(guest.id) if each.action == "extend_volume"]
        assert done == [None]

    def said_by(self, *words: str | Path) -> str:
        """A command of the operator's."""
        done = pileus(*words, "--state", self.state)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def verified(state: Path) -> None:
    """The end of each test of a whole cloud: its engines hold what its rows say."""
    done = pileus("verify", "--state", state)
    assert done.returncode == 0, done.stdout + done.stderr + (control_state(state) / "pileus.log").read_text()[-4000:]


def connection(process: Process) -> Connection:
    """Its administrator's."""
    config = OpenStackConfig(config_files=[str(process.state / "clouds.yaml")], load_envvars=False)
    return Connection(config=config.get_one("pileus"))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextmanager
def whole_cloud(
    home: Path, machine: Machine, tiny: Path, *, agents: str = "", network: str = ""
) -> Iterator[WholeCloud]:
    """It runs inside the block, in which this thread is on its machine; nothing of it is left after."""
    home.mkdir()
    home.chmod(0o711)
    options = home / "cloud.toml"
    options.write_text(f'{agents}\n[network]\nnetns = "{machine.netns}"\n{network}\n')
    with inside(machine.netns):
        words = ("up", "--config", options, "--listen", "127.0.0.1:0", "--state", home / "c")
        process = started(*words)
        made = WholeCloud(words, process, connection(process), machine, home / "key")
        try:
            made.furnish(tiny)
            yield made
        finally:
            done = pileus("down", "--purge", "--state", home / "c")
            made.process.popen.kill()
            made.process.popen.communicate()
            assert done.returncode == 0, done.stderr


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])
