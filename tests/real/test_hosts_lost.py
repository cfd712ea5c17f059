"""Two machines, one of which is lost: cut off from the other, where it runs on, or without power, and back."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from real.two_hosts import FAR, TwoHosts, is_whole, runs_once, two_hosts, usable
from real.whole_cloud import BOOT_S, LOOK_S, Guest, comes_true, unplugged
from support.sdk import ITS_OWN_WARNINGS

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("real"),
    *ITS_OWN_WARNINGS,
]

LEASE_S = 12.0
SECTOR, LONGEST = 512, 1 << 24
WRITER = (
    "(n={first}; while :; do echo {name} $n | dd of={disk} bs=512 seek=$n conv=notrunc,sync,fsync "
    "&& echo $n >/tmp/acknowledged && n=$((n+1)); done) >/dev/null 2>&1 & echo $!"
)
"""Writes its name and a number to one sector after the other, each once the one before was acknowledged."""


@pytest.fixture(scope="module")
def two(workshop: Path, tiny: Path) -> Iterator[TwoHosts]:
    with two_hosts(workshop, tiny, f"[operations]\nhost_lease_s = {LEASE_S}") as made:
        yield made


@dataclass
class Log:
    """What was written to a volume, read where it is."""

    two: TwoHosts
    volume_id: str

    def lines(self) -> list[str]:
        with open(self.two.first.home / "blocks" / "volumes" / self.volume_id, "rb") as file:
            data = file.read(LONGEST)
        lines = [data[at : at + SECTOR].strip(b"\n\0").decode() for at in range(0, LONGEST, SECTOR)]
        return lines[: lines.index("")]

    def is_longer_than(self, number: int) -> bool:
        return len(self.lines()) > number

    @property
    def port(self) -> int:
        """At which the first machine gives the volume to the second."""
        exports = (self.two.first.home / "blocks" / "exports").glob("*.json")
        held = [msgspec.json.decode(file.read_bytes()) for file in exports]
        [port] = [each["port"] for each in held if each["export"]["volume_id"] == self.volume_id]
        return int(port)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def is_knocked_at(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("fenced", [False, True])
async def test_two_copies_never_write_one_volume(two: TwoHosts, fenced: bool) -> None:
    """The host of the first is cut off, perhaps stated dead, and back as it was before it is told that the guest is another's."""
    cloud, far = two.cloud, two.second
    volume = cloud.volume()
    guest, log = await cloud.reach(cloud.boot("torn", availability_zone=f"nova:{FAR}")), Log(two, volume.id)
    guest.run(WRITER.format(disk=await cloud.attach(guest, volume), name="old", first=0))
    assert await comes_true(lambda: log.is_longer_than(20))
    port, run_id = log.port, two.far.run_id()
    with ExitStack() as until_told:
        with unplugged(cloud.machine, far.machine):
            if fenced:
                cloud.said_by("host", "fence", FAR)
            assert await comes_true(lambda: not usable(cloud)[FAR])
            evacuated(two, guest)
            assert await guest.is_reached(), guest.console()
            taken = log.lines()
            assert taken == [f"old {n}" for n in range(len(taken))]
            guest.run(WRITER.format(disk=cloud.disk(guest, volume), name="new", first=len(taken)))
            assert await comes_true(lambda: log.is_longer_than(len(taken) + 20))
            assert far.runs(guest.id)
            until_told.enter_context(stopped(far.pid_of("agent")))
        with socket.create_server(("", port)) as listener:
            listener.setblocking(False)
            assert await comes_true(lambda: goes_on(two, guest) and is_knocked_at(listener))
        now = len(log.lines())
        assert await comes_true(lambda: goes_on(two, guest) and log.is_longer_than(now + 20))
    if fenced:
        cloud.said_by("host", "lift-fence", FAR)
    assert await comes_true(lambda: not far.runs(guest.id) and is_whole(cloud))
    assert runs_once(cloud, guest)
    acknowledged = int(guest.run("cat /tmp/acknowledged"))
    lines = log.lines()
    assert lines == taken + [f"new {n}" for n in range(len(taken), len(lines))]
    assert len(lines) > acknowledged
    assert two.far.run_id() == run_id
    two.far.writes(two.disk, "goes on")
    assert two.far.reads(two.disk) == "goes on"
    cloud.sdk.compute.delete_server(guest.id)
    cloud.sdk.compute.wait_for_delete(guest.server, interval=LOOK_S, wait=60)


def goes_on(two: TwoHosts, guest: Guest) -> bool:
    """The old copy is there, and tries to write: once it has heard that its disk is away it stands still, until it is let."""
    two.second.virsh("resume", guest)
    return two.second.runs(guest.id)


def evacuated(two: TwoHosts, guest: Guest) -> None:
    """It is on the other host, and what is told of it is whole as soon as it runs there."""
    compute = two.cloud.sdk.compute
    compute.post(f"/servers/{guest.id}/action", json={"evacuate": {}}, microversion="2.68")
    assert guest.is_("ACTIVE")
    [migration] = compute.migrations(instance_uuid=guest.id)
    assert (migration.migration_type, migration.status) == ("evacuation", "done")
    assert (migration.source_compute, migration.dest_compute) == (FAR, guest.server.hypervisor_hostname)
    assert guest.server.hypervisor_hostname != FAR


@pytest.mark.parametrize("lost", [("first",), ("second",), ("first", "second"), ("second", "first")], ids="-".join)
async def test_a_machine_that_lost_its_power_runs_again_what_it_ran(two: TwoHosts, lost: tuple[str, ...]) -> None:
    """With volumes and ports, whoever is back first. A guest of the other goes on, also one whose volume was away."""
    cloud, marker = two.cloud, "-".join(lost)
    disks = {two.near.id: two.near_disk, two.far.id: two.disk}
    for guest in (two.near, two.far):
        guest.writes(disks[guest.id], marker)
        guest.run(f"echo {marker} >/root/kept; sync")
    run_ids = {guest.id: guest.run_id() for guest in (two.near, two.far)}
    ends = {"first": lambda: two.first.lose_power(cloud.state), "second": two.second.lose_power}
    starts = {"first": cloud.start_again, "second": two.second.start}
    for machine in lost:
        ends[machine]()
    for machine in lost:
        starts[machine]()
    ran = [{"first": two.near, "second": two.far}[machine] for machine in lost]
    for guest in ran:
        again = f"! grep -q {run_ids[guest.id]} /proc/sys/kernel/random/boot_id"
        assert await comes_true(lambda guest=guest, again=again: guest.does(again), BOOT_S)
    assert await comes_true(lambda: is_whole(cloud))
    for guest in (two.near, two.far):
        assert await comes_true(lambda guest=guest: guest.server.task_state is None)
        assert guest.server.status == "ACTIVE"
        assert guest.reads(disks[guest.id]) == marker
        guest.writes(disks[guest.id], f"{marker} again")
        assert guest.run("cat /root/kept") == marker
        assert {port.status for port in cloud.sdk.network.ports(device_id=guest.id)} == {"ACTIVE"}
        assert (guest.run_id() == run_ids[guest.id]) is (guest not in ran)
    address, *_ = cloud.addresses(two.far)
    assert await comes_true(lambda: two.near.does(f"ping -c 1 -W 2 {address}"))
