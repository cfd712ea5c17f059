"""What `pileus doctor` looks at in the machine and its network. Each look gathers facts; a function of these says what they mean."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from pileus.agent.engines import SWITCHES
from pileus.cli.finding import Finding
from pileus.kernel.config import Config, Network
from pileus.kernel.http.server import BACKLOG

CPUINFO, SYS, DEVICES = Path("/proc/cpuinfo"), Path("/proc/sys"), Path("/sys/class/net")
SETUP = "script/setup --real"
VIRTUAL = {"vmx": "ept", "svm": "npt"}
LEVEL_2 = {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}  # x86-64-v2
TUNNEL_BYTES = 58  # what geneve adds to a packet of a guest
DATAPATH = "ovs-netdev"


def cpu(config: Config) -> Iterator[Finding]:
    if platform.machine() == "x86_64":
        flags = re.search(r"^flags\s*:(.*)$", CPUINFO.read_text(), re.MULTILINE)
        yield from said_of_cpu(set(flags[1].split()) if flags else set())


def said_of_cpu(flags: set[str]) -> Iterator[Finding]:
    """By what /proc/cpuinfo calls them."""
    virtual = next((flag for flag in VIRTUAL if flag in flags), "")
    if not virtual:
        mend = "turn on VT-x or AMD-V in the firmware; in a virtual machine, let its host allow nested virtualisation"
        yield Finding("cpu", "neither vmx nor svm", "Guests are emulated: they work, several times slower.", mend)
    elif VIRTUAL[virtual] not in flags:
        why = "Each change of a guest's page tables goes through the host: slow."
        module = "kvm_intel" if virtual == "vmx" else "kvm_amd"
        mend = f"modprobe -r {module}; modprobe {module} {VIRTUAL[virtual]}=1"
        yield Finding("cpu", f"{virtual} without {VIRTUAL[virtual]}", why, mend)
    else:
        yield Finding("cpu", f"{virtual}, {VIRTUAL[virtual]}")
    if lacking := sorted(LEVEL_2 - flags):
        why = "Many images of today need x86-64-v2, and their guests end as soon as they start."
        mend = "in a virtual machine, give it its host's CPU (-cpu host)"
        yield Finding("cpu level", f"without {', '.join(lacking)}", why, mend)


def sysctls(config: Config) -> Iterator[Finding]:
    names = ("net.core.somaxconn", "fs.nr_open", "net.ipv4.ip_forward")
    found = {name: number(SYS / name.replace(".", "/")) for name in names}
    network = config.network
    forwards = network.masquerade and not network.netns and (DEVICES / DATAPATH).exists()
    yield from said_of_sysctls(found, files=config.http.connections, forwards=forwards)


def number(path: Path) -> int | None:
    """None where there is no such thing."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def said_of_sysctls(found: dict[str, int | None], *, files: int, forwards: bool) -> Iterator[Finding]:
    """`files` that a process shall be able to open; `forwards`: guests shall reach what the machine reaches."""
    wanted = {
        "net.core.somaxconn": (BACKLOG, "Connections beyond that many at a time are refused, not queued."),
        "fs.nr_open": (files, "http.connections cannot be reached; further clients wait."),
        "net.ipv4.ip_forward": (int(forwards), "Guests reach nothing outside this machine."),
    }
    for name, (least, why) in wanted.items():
        value = found[name]
        if value is not None and value < least:
            mend = f"sysctl -w {name}={least}; and in /etc/sysctl.d/pileus.conf, for the next start"
            yield Finding("sysctl", f"{name} is {value}", why, mend)
    if all(value is None or value >= wanted[name][0] for name, value in found.items()):
        yield Finding("sysctl", ", ".join(f"{name} {value}" for name, value in found.items() if value is not None))


def mtu(config: Config) -> Iterator[Finding]:
    device = config.network.tunnel.partition("=")[0]
    if device and not config.network.netns:
        yield said_of_mtu(device, number(DEVICES / device / "mtu"), config.network)


def said_of_mtu(device: str, found: int | None, network: Network) -> Finding:
    """Of the device for tunnels; None if it is not there."""
    needs = network.mtu + TUNNEL_BYTES
    if found is None:
        mend = "ip link show; name the right one by network.tunnel"
        return Finding("mtu", f"there is no device {device}", "Guests of other hosts are not reached.", mend)
    if found < needs:
        why = "Full packets of guests do not pass: connections open, and hang."
        mend = f"ip link set {device} mtu {needs}, on each host; or network.mtu = {found - TUNNEL_BYTES}"
        return Finding("mtu", f"{device} has {found}, guests' networks {network.mtu}", why, mend)
    return Finding("mtu", f"{device} has {found}")


def switches(config: Config) -> Iterator[Finding]:
    missing = [program for program in SWITCHES if shutil.which(program) is None]
    ours = (Path(config.state) / "host/ovs/made.json").exists() or (Path(config.state) / "ovs/made.json").exists()
    rival = (DEVICES / DATAPATH).exists() and not ours and not config.network.netns
    yield said_of_switches(missing, rival=rival)


def said_of_switches(missing: list[str], *, rival: bool) -> Finding:
    """`rival`: somebody else's switch in user space, of which a network namespace has one."""
    if missing:
        why = "Without them guests have no networks; simulated ones need nothing."
        return Finding("ovs and ovn", f"not here: {', '.join(missing)}", why, SETUP)
    if rival:
        why = "This machine has another switch in user space, and can have only one."
        return Finding("ovs and ovn", DATAPATH, why, "systemctl stop openvswitch-switch; or set network.netns")
    return Finding("ovs and ovn", "here")


LOOKS = (cpu, sysctls, mtu, switches)
