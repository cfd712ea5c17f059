"""A cloud of two machines, joined by a token: guests on both, a volume of one for a guest of the other; and whoever of
Pileus is killed, guests run on, and so do their pings and disks."""

from __future__ import annotations

import json
import os
import random
import re
import signal
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from cli.test_local_agent import control
from real.two_hosts import AGENTS, FAR, OVERLAY, POSTGRES, TwoHosts, is_another, is_whole, runs_once, two_hosts
from real.whole_cloud import Guest, WholeCloud, comes_true, listening, number, verified
from support.pages import block_of
from support.sdk import ITS_OWN_WARNINGS
from support.source import ROOT
from support.units import AGENT, capabilities

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("real"),
    *ITS_OWN_WARNINGS,
]

EACH_S, GAP_S, DOWNTIME_S = 0.1, 10.0, 2.0
MEASURED = ROOT / "build" / "live-migration.json"
WRITER = (
    "touch /tmp/writing; (n=0; while [ -e /tmp/writing ]; do n=$((n+1)); echo $n | dd of={disk} bs=512 seek=$((100+n%64)) "
    "conv=notrunc,sync,fsync; echo $n >/tmp/last{number}; done) >/dev/null 2>&1 &"
)
"""Writes a number to one of 64 places after the other, and remembers the last that was acknowledged."""
DAEMONS = ("agent", "libvirtd", "controller", "ovsdb", "metadata")
CENTRAL = ("northd", "nb", "sb")
READER = (
    "n=$(cat /tmp/last{number}); echo 3 >/proc/sys/vm/drop_caches; "
    "m=$(dd if={disk} bs=512 skip=$((100+n%64)) count=1 2>/dev/null | tr -d '\\000'); [ $n = $m ] && echo whole || echo $n, $m"
)


@pytest.fixture(scope="module")
def two(workshop: Path, tiny: Path) -> Iterator[TwoHosts]:
    with two_hosts(workshop, tiny, on_postgres=True) as made:
        yield made


async def test_an_agent_has_the_rights_that_its_unit_gives_and_no_other(two: TwoHosts) -> None:
    """With which it does all that is done here on the second machine."""
    status = Path(f"/proc/{two.second.pid_of('agent')}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status  # some system calls are refused
    bound = int(re.findall(r"CapBnd:\t(\w+)", status)[0], 16)
    assert 0 < bound.bit_count() <= len(capabilities(AGENT))  # a machine may have less to give


async def test_a_guest_of_another_host_is_reached_through_the_tunnel(two: TwoHosts) -> None:
    """Whose agent is started again by the command of the operator guide, but for its namespace and its log."""
    own, other = two.cloud.machine, two.second.machine
    here = {"--state a2": f"--state {two.second.home}", "192.0.2.1:9998": f"{own.ip}:{AGENTS}"}
    here |= {"192.0.2.1:6642": f"{own.ip}:{OVERLAY}", "eth1=172.31.0.2/24": other.tunnel}
    [[*pileus, words]] = [
        (*line[:3], line[3:]) for line in block_of("docs/operator-guide.md", "--state a2").here(here).commands()
    ]
    assert pileus == ["pileus", "serve", "agent"]
    two.second.words = [*words, "--netns", other.netns, "--log", f"{two.second.home}.log"]
    os.kill(before := two.second.pid_of("agent"), signal.SIGKILL)
    two.second.start()
    assert await comes_true(lambda: is_another(lambda: two.second.pid_of("agent"), before) and is_whole(two.cloud))
    assert [each.server.hypervisor_hostname == FAR for each in (two.near, two.far)] == [False, True]
    address, *_ = two.cloud.addresses(two.far)
    assert await comes_true(lambda: two.near.does(f"ping -c 1 -W 2 -s 1400 {address}"))


async def test_nothing_listens_on_either_machine_but_what_the_review_names(two: TwoHosts) -> None:
    """On the first to users, to hosts, for the overlay, for the volume of the other host's guest, and the database to it."""
    own, files = two.cloud.machine, (two.first.home / "blocks" / "exports").glob("*.json")
    ports = [json.loads(file.read_bytes())["port"] for file in files]
    exports = [f"0.0.0.0:{port}" for port in ports if port is not None]  # else it is the first machine's own
    assert len(exports) == 1
    named = [two.cloud.process.url.removeprefix("http://"), f"{own.ip}:{AGENTS}", f"{own.ip}:{OVERLAY}", *exports]
    assert listening(own.network) == sorted([*named, f"127.0.0.1:{POSTGRES}"])
    [agent] = listening(two.second.machine.network)
    # as `two_hosts` has started it, or without --listen, as the guide does
    assert agent in (f"{two.second.machine.ip}:{AGENTS}", f"0.0.0.0:{AGENTS}")


async def test_a_volume_of_another_host_grows_and_keeps_what_is_written(two: TwoHosts) -> None:
    volume = two.cloud.sdk.block_storage.find_volume("far", details=True)
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


async def test_everything_is_killed_in_any_order_and_guests_run_on_with_pings_and_disks(two: TwoHosts) -> None:
    """One after the other, while it is written to volumes. What systemd would start again is: the database, and the agent of
    the second machine."""
    assert two.database is not None
    cloud, database, seed = two.cloud, two.database, random.randrange(2**32)
    units = {"2 agent": two.second.start, "postgres": database.start}
    looks = {f"1 {name}": partial(two.first.pid_of, name) for name in (*DAEMONS, *CENTRAL)}
    looks |= {f"2 {name}": partial(two.second.pid_of, name) for name in DAEMONS}
    looks |= {"control": lambda: control(cloud.process).pid, "postgres": lambda: database.pid}
    random.Random(seed).shuffle(order := list(looks))
    print(f"\nseed {seed}: {', '.join(order)}")
    run_ids = [guest.run_id() for guest in (two.near, two.far)]
    address, *_ = cloud.addresses(two.far)
    assert await comes_true(lambda: two.near.does(f"ping -c 1 -W 2 {address}"))
    pinging = two.near.run(f"ping -i 0.2 {address} >/tmp/pings 2>&1 & echo $!")
    for name in order:
        os.kill(killed := looks[name](), signal.SIGKILL)
        for guest, disk in ((two.near, two.near_disk), (two.far, two.disk)):
            guest.writes(disk, name)
        if name in units:
            units[name]()
        assert await comes_true(lambda killed=killed, look=looks[name]: is_another(look, killed)), name
        assert [two.near.reads(two.near_disk), two.far.reads(two.disk)] == [name, name]
    assert await comes_true(lambda: is_whole(cloud))
    two.near.run(f"kill -INT {pinging}")
    said = two.near.run("cat /tmp/pings")
    sent, received, _ = pings(said)
    assert sent > 10
    assert sent - received <= 1, said  # the last may be on its way
    assert [guest.run_id() for guest in (two.near, two.far)] == run_ids


async def test_a_guest_that_writes_leaves_a_host_that_is_drained_and_comes_back_while_it_runs(two: TwoHosts) -> None:
    """With its own disk and its volume: one copy runs, and all is there that was written meanwhile."""
    cloud, guest, run_id, figures = two.cloud, two.far, two.far.run_id(), []
    address, *_ = cloud.addresses(guest)
    for disk in (two.disk, "/root/log"):
        guest.run(WRITER.format(disk=disk, number=len(disk)))
    for to, leave in ((two.first, drained), (two.second, sent_back)):
        host = guest.server.hypervisor_hostname
        pinging = two.near.run(f"ping -i {EACH_S} {address} >/tmp/pings 2>&1 & echo $!")
        leave(two)
        assert guest.is_("ACTIVE")
        assert guest.server.hypervisor_hostname != host, why(cloud, guest)
        assert await guest.is_reached(), guest.console()
        two.near.run(f"kill -INT {pinging}")
        sent, received, gap_s = pings(said := two.near.run("cat /tmp/pings"))
        downtime_s = number(r"downtime: (\d+)", to.virsh("domjobinfo", guest, "--completed", "--rawstats")) / 1000
        figures.append({"downtime_s": downtime_s, "pings": sent, "lost": sent - received, "longest_gap_s": gap_s})
        recorded(figures)
        assert downtime_s < DOWNTIME_S
        assert gap_s < GAP_S, said
        assert runs_once(cloud, guest)
    assert guest.run_id() == run_id
    guest.run("rm /tmp/writing; sleep 1; sync")
    for disk in (two.disk, "/root/log"):
        assert guest.run(READER.format(disk=disk, number=len(disk))) == "whole"


def drained(two: TwoHosts) -> None:
    """The second machine: what is said to go begins to."""
    drain = ("host", "drain", FAR, "--json")
    [planned], [begun] = (json.loads(two.cloud.said_by(*drain, *more)) for more in (("--dry-run",), ()))
    assert planned == begun
    assert (begun["server"], begun["to"], begun["how"]) == (two.far.id, two.near.server.hypervisor_hostname, "live")


def sent_back(two: TwoHosts) -> None:
    """To the second machine, which is drained and is taken back."""
    compute = two.cloud.sdk.compute
    assert json.loads(two.cloud.said_by("host", "drain", FAR, "--dry-run", "--json")) == []
    compute.enable_service(next(each for each in compute.services(binary="nova-compute") if each.host == FAR))
    compute.live_migrate_server(two.far.id, host=None, block_migration="auto")


def recorded(figures: list[dict[str, float]]) -> None:
    """For who reads what a live migration costs; the docs have those of one run."""
    model, *_ = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    machine = f"{os.cpu_count()} CPUs, {model}; {os.getloadavg()[0]:.1f} waited for them"
    MEASURED.parent.mkdir(exist_ok=True)
    MEASURED.write_text(json.dumps({"machine": machine, "migrations": figures}, indent=2) + "\n")


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
    verified(cloud.state)
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


def pings(said: str) -> tuple[int, int, float]:
    """Sent, received, and the longest time without an answer."""
    found = re.search(r"(\d+) packets transmitted, (\d+) packets received", said)
    assert found, said[-300:]
    heard = sorted({int(each) for each in re.findall(r"seq=(\d+)", said)})
    gaps = [(after - before) * EACH_S for before, after in pairwise(heard)]
    return int(found[1]), int(found[2]), max(gaps, default=0.0)
