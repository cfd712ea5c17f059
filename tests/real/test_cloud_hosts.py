"""A cloud of two machines, joined by a token: guests on both, a volume of one for a guest of the other; and whoever of
Pileus is killed, guests run on, and so do their pings and disks."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from agent.namespaces import inside
from cli.conftest import pileus, started
from cli.test_local_agent import agent, control
from real.whole_cloud import Guest, Machine, WholeCloud, comes_true, machines, whole_cloud
from support.sdk import ITS_OWN_WARNINGS
from support.units import AGENT, capabilities, with_rights_of

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("real"),
    *ITS_OWN_WARNINGS,
]

AGENTS, OVERLAY = 8790, 6642
FAR = "far"
EACH_S, GAP_S = 0.1, 20.0
WRITER = (
    "touch /tmp/writing; (n=0; while [ -e /tmp/writing ]; do n=$((n+1)); echo $n | dd of={disk} bs=512 seek=$((100+n%64)) "
    "conv=notrunc,sync,fsync; echo $n >/tmp/last{number}; done) >/dev/null 2>&1 &"
)
"""Writes a number to one of 64 places after the other, and remembers the last that was acknowledged."""
READER = (
    "n=$(cat /tmp/last{number}); echo 3 >/proc/sys/vm/drop_caches; "
    "m=$(dd if={disk} bs=512 skip=$((100+n%64)) count=1 2>/dev/null | tr -d '\\000'); [ $n = $m ] && echo whole || echo $n, $m"
)


@dataclass
class TwoHosts:
    """`near` is a guest on the first machine; `far` one on the second, whose `disk` is a volume of the first."""

    cloud: WholeCloud
    near: Guest
    far: Guest
    disk: str


@pytest.fixture(scope="module")
def two(workshop: Path, tiny: Path) -> Iterator[TwoHosts]:
    with machines("near", FAR) as [one, other]:
        agents = f'[agents]\nlisten = "{one.ip}:{AGENTS}"'
        network = f'overlay_listen = "{one.ip}:{OVERLAY}"\ntunnel = "{one.tunnel}"'
        with whole_cloud(workshop / "h", one, tiny, agents=agents, network=network) as cloud:
            with second_host(cloud, workshop / "f", other):
                yield asyncio.run(furnished(cloud))
                cloud.said_by("verify")


@contextmanager
def second_host(cloud: WholeCloud, state: Path, machine: Machine) -> Iterator[None]:
    """It has joined, and runs guests, inside the block."""
    own = cloud.machine.ip
    words = ["--control", f"https://{own}:{AGENTS}", "--join", cloud.said_by("host", "token", FAR).strip()]
    words += ["--listen", f"{machine.ip}:{AGENTS}", "--state", str(state), "--log", f"{state}.log"]
    words += ["--netns", machine.netns, "--overlay", f"{own}:{OVERLAY}", "--tunnel", machine.tunnel]
    with inside(machine.netns):
        process = started("serve", "agent", *words, lines=1, under=with_rights_of(AGENT))
    try:
        yield
    finally:
        done = pileus("down", "--purge", "--state", state)
        process.popen.kill()
        process.popen.communicate()
        assert done.returncode == 0, done.stderr


async def furnished(cloud: WholeCloud) -> TwoHosts:
    """Volumes are made on the first machine alone."""
    assert await comes_true(lambda: len(list(cloud.sdk.compute.hypervisors())) == 2)
    [own] = {each.name for each in cloud.sdk.compute.hypervisors()} - {FAR}
    cloud.sdk.block_storage.disable_service(
        next(each for each in cloud.sdk.block_storage.services() if each.host.startswith(FAR))
    )
    near, far = (cloud.boot(name, availability_zone=f"nova:{host}") for name, host in (("near", own), ("far", FAR)))
    for guest in (near, far):
        await cloud.reach(guest)
    return TwoHosts(cloud, near, far, await cloud.attach(far, cloud.volume()))


async def test_an_agent_has_the_rights_that_its_unit_gives_and_no_other(two: TwoHosts) -> None:
    """With which it does all that is done here on the second machine."""
    lock = two.cloud.state.parents[1] / "f" / "agent.lock"
    status = Path(f"/proc/{lock.read_text().split()[0]}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    bound = int(re.findall(r"CapBnd:\t(\w+)", status)[0], 16)
    assert 0 < bound.bit_count() <= len(capabilities(AGENT))  # a machine may have less to give


async def test_a_guest_of_another_host_is_reached_through_the_tunnel(two: TwoHosts) -> None:
    assert [each.server.hypervisor_hostname == FAR for each in (two.near, two.far)] == [False, True]
    address, *_ = two.cloud.addresses(two.far)
    assert await comes_true(lambda: two.near.does(f"ping -c 1 -W 2 -s 1400 {address}"))


async def test_a_volume_of_another_host_grows_and_keeps_what_is_written(two: TwoHosts) -> None:
    [volume] = two.cloud.sdk.block_storage.volumes(details=True)
    assert not volume.host.startswith(FAR)
    two.far.writes(two.disk, "far")
    busy = two.far.run(f"while echo | dd of={two.disk} bs=512 seek=8 conv=fsync; do :; done >/dev/null 2>&1 & echo $!")
    await two.cloud.grow(two.far, volume, two.disk, 2)
    two.far.run(f"kill {busy}")  # else a write has failed
    assert two.far.reads(two.disk) == "far"
    two.far.run(f"echo end | dd of={two.disk} bs=512 seek={(2 << 21) - 1} conv=sync,fsync")


async def test_a_guest_goes_to_the_other_host_and_back_with_what_it_wrote(two: TwoHosts) -> None:
    """On its own disk and on its volume, with its addresses."""
    cloud, guest = two.cloud, two.far
    guest.writes(two.disk, "volume")
    guest.run("echo start >/root/kept; sync")
    for kept in ("start", "away"):
        host = guest.server.hypervisor_hostname
        cloud.sdk.compute.migrate_server(guest.id)
        assert guest.is_("VERIFY_RESIZE")
        assert guest.server.hypervisor_hostname != host
        assert await guest.is_reached(), guest.console()
        assert (guest.run("cat /root/kept"), guest.reads(two.disk)) == (kept, "volume")
        guest.run("echo away >/root/kept; sync")
        cloud.sdk.compute.confirm_server_resize(guest.id)
        assert guest.is_("ACTIVE")
    cloud.said_by("verify")


async def test_whoever_is_killed_guests_run_on_with_pings_and_disks(two: TwoHosts) -> None:
    cloud, host = two.cloud, two.cloud.state / "host"
    run_ids = [guest.run_id() for guest in (two.near, two.far)]
    address, *_ = cloud.addresses(two.far)
    assert await comes_true(lambda: two.near.does(f"ping -c 1 -W 2 {address}"))
    pinging = two.near.run(f"ping -i 0.2 {address} >/tmp/pings 2>&1 & echo $!")
    looks: dict[str, Callable[[], int]] = {
        "control": lambda: control(cloud.process).pid,
        "agent": lambda: agent(cloud.process).pid,
        "libvirtd": lambda: pid_in(host / "hypervisor" / "libvirt" / "run" / "libvirtd.pid"),
        "ovn-controller": lambda: pid_in(host / "ovs" / "controller.pid"),
    }
    for name, look in looks.items():
        os.kill(killed := look(), signal.SIGKILL)
        two.far.writes(two.disk, name)
        assert await comes_true(lambda killed=killed, look=look: is_another(look, killed)), name
        assert await comes_true(lambda: is_whole(cloud)), name
        assert two.far.reads(two.disk) == name
    two.near.run(f"kill -INT {pinging}")
    said = two.near.run("cat /tmp/pings")
    found = re.search(r"(\d+) packets transmitted, (\d+) packets received", said)
    assert found, said[-300:]
    sent, received = int(found[1]), int(found[2])
    assert sent > 10
    assert sent - received <= 1, said  # the last may be on its way
    assert [guest.run_id() for guest in (two.near, two.far)] == run_ids


async def test_a_guest_that_writes_goes_to_the_other_host_while_it_runs(
    two: TwoHosts, record_property: Callable[[str, object], None]
) -> None:
    """With its own disk and its volume, there and back: one copy runs, and all is there that was written meanwhile."""
    cloud, guest, run_id = two.cloud, two.far, two.far.run_id()
    address, *_ = cloud.addresses(guest)
    for disk in (two.disk, "/root/log"):
        guest.run(WRITER.format(disk=disk, number=len(disk)))
    for _ in range(2):
        host = guest.server.hypervisor_hostname
        pinging = two.near.run(f"ping -i 0.1 {address} >/tmp/pings 2>&1 & echo $!")
        cloud.sdk.compute.live_migrate_server(guest.id, host=None, block_migration="auto")
        assert guest.is_("ACTIVE")
        assert guest.server.hypervisor_hostname != host, why(cloud, guest)
        assert await guest.is_reached(), guest.console()
        two.near.run(f"kill -INT {pinging}")
        said = two.near.run("cat /tmp/pings")
        sent, received, gap_s = pings(said)
        record_property("pings", f"{sent - received} of {sent} lost, {gap_s:.1f} s without any")
        print(f"\n{host}: {sent - received} of {sent} pings lost, {gap_s:.1f} s without any")
        assert gap_s < GAP_S, said
        assert runs_once(cloud, guest)
    assert guest.run_id() == run_id
    guest.run("rm /tmp/writing; sleep 1; sync")
    for disk in (two.disk, "/root/log"):
        assert guest.run(READER.format(disk=disk, number=len(disk))) == "whole"
    cloud.said_by("verify")


async def test_a_worker_that_is_killed_in_the_middle_leaves_one_guest_that_runs(two: TwoHosts) -> None:
    cloud, guest, run_id = two.cloud, two.far, two.far.run_id()
    cloud.sdk.compute.live_migrate_server(guest.id, host=None, block_migration="auto")
    assert await comes_true(
        lambda: [each.status for each in cloud.sdk.compute.server_migrations(guest.id)] == ["running"]
    )
    os.kill(killed := control(cloud.process).pid, signal.SIGKILL)
    assert await comes_true(lambda: is_another(lambda: control(cloud.process).pid, killed))
    assert await comes_true(lambda: is_whole(cloud))
    assert guest.is_("ACTIVE")
    assert runs_once(cloud, guest)
    assert await guest.is_reached(), guest.console()
    assert guest.run_id() == run_id
    cloud.said_by("verify")
    if guest.server.hypervisor_hostname != FAR:  # where the other tests look for it
        cloud.sdk.compute.live_migrate_server(guest.id, host=None, block_migration="auto")
        assert await comes_true(lambda: guest.is_("ACTIVE") and guest.server.hypervisor_hostname == FAR)


def why(cloud: WholeCloud, guest: Guest) -> str:
    """What its actions say."""
    actions = [
        cloud.sdk.compute.get_server_action(each.request_id, guest.id)
        for each in cloud.sdk.compute.server_actions(guest.id)
    ]
    return str([(each.action, each.message, each.events) for each in actions][:1])


def runs_once(cloud: WholeCloud, guest: Guest) -> bool:
    """Whether one QEMU of it is on this machine, which both hosts are."""
    found = subprocess.run(["pgrep", "-f", f"guest={guest.id}"], capture_output=True, text=True, check=False)
    return len(found.stdout.split()) == 1


def pings(said: str) -> tuple[int, int, float]:
    """Sent, received, and the longest time without an answer."""
    found = re.search(r"(\d+) packets transmitted, (\d+) packets received", said)
    assert found, said[-300:]
    heard = sorted({int(each) for each in re.findall(r"seq=(\d+)", said)})
    gaps = [(after - before) * EACH_S for before, after in pairwise(heard)]
    return int(found[1]), int(found[2]), max(gaps, default=0.0)


def pid_in(file: Path) -> int:
    return int(file.read_text())


def is_another(look: Callable[[], int], pid: int) -> bool:
    """Whether somebody else is there; nobody may be for a while."""
    try:
        return look() != pid
    except (AssertionError, OSError, ValueError, psutil.NoSuchProcess):
        return False


def is_whole(cloud: WholeCloud) -> bool:
    """Whether the cloud answers, and both its hosts are usable."""
    done = pileus("host", "list", "--json", "--state", cloud.state)
    return done.returncode == 0 and [each["usable"] for each in json.loads(done.stdout)] == [True, True]
