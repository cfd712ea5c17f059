"""Guests by QEMU: they boot, and whatever else is killed, they run on."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import pytest

from pileus.engines.blocks import Connection
from pileus.engines.hypervisor import ConfigDrive, Domain, Image, Nic, Power, VolumeDisk
from pileus.engines.hypervisor.libvirt import kvm
from pileus.engines.hypervisor.libvirt.engine import LibvirtHypervisor
from pileus.engines.hypervisor.libvirt.plugging import devices_of, slots_of
from pileus.engines.verbs import Change, Done, Failed
from pileus.kernel.errors import Unavailable
from real.libvirt_world import World, on, says, until, world
from support.imagery import HOSTILE
from support.waiting import pause

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]


@pytest.fixture(scope="module")
def host(workshop: Path, tiny: Path) -> Iterator[World]:
    with world(workshop / "g", tiny) as made:
        yield made


@pytest.fixture
async def engine(host: World) -> AsyncIterator[LibvirtHypervisor]:
    async with host.engine() as engine:
        yield engine
        for domain_id in await engine.observe():
            await engine.ensure_gone(domain_id, fence=1)


async def uptime(engine: LibvirtHypervisor, guest: Domain) -> float:
    return (await engine.stats(guest.id))["uptime"]


async def answers(engine: LibvirtHypervisor, guest: Domain) -> None:
    """Somebody who types at its serial console is answered."""
    reader, writer = await asyncio.open_unix_connection((await engine.screen(guest.id, "serial")).path)
    async with asyncio.timeout(30):
        writer.write(b"\n")
        await reader.readuntil(b"login:")
    writer.close()
    await writer.wait_closed()


def volume(host: World, path: Path | None = None) -> VolumeDisk:
    made = path or host.home / "volumes" / str(uuid4())
    if path is None:
        subprocess.run(["truncate", "-s", "64M", made], check=True)
    connection = msgspec.to_builtins(Connection(driver="file", path=str(made)))
    return VolumeDisk(id=uuid4(), volume_id=uuid4(), connection=connection)


async def test_it_boots_pauses_sleeps_and_wakes_with_its_uptime(engine: LibvirtHypervisor, host: World) -> None:
    drive = {"openstack/latest/meta_data.json": "eyJ1dWlkIjogIngiLCAiaG9zdG5hbWUiOiAid2ViIn0="}  # hostname: web
    guest = host.guest(config_drive=ConfigDrive(files=drive))
    await on(engine, guest)
    assert "GUEST-READY host=web source=/dev/sr0" in await engine.console_log(guest.id, None)
    assert b"hostname" not in (host.home / "guests" / str(guest.id) / "wish.json").read_bytes()
    for power in (Power.PAUSED, Power.ON, Power.SUSPENDED, Power.ON):
        assert await engine.ensure_power(guest.id, power, fence=1) == Done()
    await answers(engine, guest)
    assert (await engine.console_log(guest.id, None)).count("GUEST-READY") == 1
    assert (await engine.screen(guest.id, "vnc")).path
    host.changes.clear()
    assert await engine.ensure_restarted(guest.id, uuid4(), fence=1, soft_s=30) == Done()
    await says(engine, guest.id, "GUEST-READY", times=2)
    assert await engine.ensure_power(guest.id, Power.OFF, fence=1, soft_s=30) == Done()
    assert "Power down" in await engine.console_log(guest.id, 5)  # it was asked, not cut off
    assert host.changes == []  # what was told to it is no news
    fetched = list(host.shelf.fetched)
    assert await engine.ensure_disks(host.guest(), fence=1) == Done()
    assert host.shelf.fetched == fetched  # guests share what was fetched once


async def test_disks_and_nics_come_to_a_guest_that_runs(engine: LibvirtHypervisor, host: World) -> None:
    guest, one = host.guest(), volume(host)
    nic = Nic(port_id=uuid4(), mac="fa:16:3e:00:00:09", mtu=1400, bridge=host.bridge)
    await on(engine, guest)
    more = msgspec.structs.replace(guest, disks=(*guest.disks, one), nics=(nic,))
    assert await engine.ensure_defined(more, fence=1) == Done()
    await until(
        lambda stats: stats.get("vdb_read_req", 0) > 0, lambda: engine.stats(guest.id)
    )  # it looks for partitions
    tap = f"tap{str(nic.port_id)[:11]}_rx_packets"
    await until(lambda stats: stats.get(tap, 0) > 0, lambda: engine.stats(guest.id))  # and asks for an address
    facts = (await engine.observe())[guest.id]
    assert (facts.volumes, facts.nics) == ((one.id,), (nic.port_id,))
    assert await engine.ensure_defined(guest, fence=1) == Done()
    facts = (await engine.observe())[guest.id]
    assert (facts.volumes, facts.nics, facts.power) == ((), (), Power.ON)


def devices(host: World, guest: Domain) -> dict[str, tuple[str, str]]:
    """Name for the guest and address of each disk and NIC, by alias."""
    words = ("virsh", "-c", host.daemon.uri, "dumpxml", str(guest.id))
    xml = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    slots = slots_of(devices_of(xml))
    return {alias: (slots.taken.get(alias, ""), str(found.attrib)) for alias, found in slots.addresses.items()}


async def test_what_was_there_stays_where_it_was(engine: LibvirtHypervisor, host: World) -> None:
    """Else a guest would call its NIC by another name after its next start."""
    nic = Nic(port_id=uuid4(), mac="fa:16:3e:00:00:0a", mtu=1400, bridge=host.bridge)
    guest, one = host.guest(nics=(nic,)), volume(host)
    assert await engine.ensure_disks(guest, fence=1) == Done()
    assert await engine.ensure_defined(guest, fence=1) == Done()
    assert await engine.ensure_power(guest.id, Power.ON, fence=1) == Done()
    before = devices(host, guest)
    more = msgspec.structs.replace(guest, disks=(*guest.disks, one))
    assert await engine.ensure_defined(more, fence=1) == Done()
    with_volume = devices(host, guest)
    assert with_volume.items() > before.items()
    assert await engine.ensure_restarted(guest.id, uuid4(), fence=1) == Done()
    assert devices(host, guest) == with_volume
    assert await engine.ensure_power(guest.id, Power.OFF, fence=1) == Done()
    [root] = guest.disks
    rescue = msgspec.structs.replace(root, name="rescue")  # type: ignore[call-overload]
    rescued = msgspec.structs.replace(guest, disks=(rescue, root, one))
    assert await engine.ensure_disks(rescued, fence=1) == Done()
    assert await engine.ensure_defined(rescued, fence=1) == Done()
    assert devices(host, guest)["ua-rescue"][0] == "vda"


async def test_a_guest_runs_on_when_libvirtd_and_its_agent_are_killed(host: World) -> None:
    guest = host.guest()
    async with host.engine() as engine:
        await on(engine, guest)
        pid = host.daemon.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert await again(engine, guest.id) is Power.ON  # the daemon was started anew
        await answers(engine, guest)
    async with host.engine() as engine:  # as the next agent would
        assert await uptime(engine, guest) > 0
        assert await again(engine, guest.id) is Power.ON
        assert (await engine.console_log(guest.id, None)).count("initramfs: root on") == 1
        qemu = host.daemon.guest_pid(str(guest.id))
        assert qemu is not None
        os.kill(qemu, signal.SIGKILL)
        crash = Change("hypervisor", "power", str(guest.id), Done(facts={"power": "off"}))
        await until(lambda _: crash in host.changes, lambda: pause(0.1))
        assert await engine.ensure_gone(guest.id, fence=1) == Done()


async def test_a_libvirtd_that_does_not_call_a_migration_off_is_ended(engine: LibvirtHypervisor, host: World) -> None:
    """As one did that waited for the end of a copy: its guests run on."""
    guest = host.guest(id=uuid4())
    await on(engine, guest)
    stuck, engine._sending.aborts_within_s = host.daemon.pid(), 0.5
    work = asyncio.create_task(until(lambda _: host.daemon.pid() != stuck, lambda: pause(0.1)))
    await engine._sending.call_off(guest.id, work)
    assert await again(engine, guest.id) is Power.ON
    assert host.daemon.pid() not in (None, stuck)


async def test_whoever_starts_a_guest_beside_another_has_started_it(engine: LibvirtHypervisor, host: World) -> None:
    """As an agent does that comes while libvirtd is at what it told the one before."""
    guest = host.guest()
    assert await engine.ensure_disks(guest, fence=1) == Done()
    assert await engine.ensure_defined(guest, fence=1) == Done()
    async with host.engine() as other:
        starts = [each.ensure_power(guest.id, Power.ON, fence=1) for each in (engine, other, engine, other)]
        assert await asyncio.gather(*starts) == [Done()] * 4


async def test_who_lost_its_power_unheard_is_told_from_who_switched_itself_off(host: World) -> None:
    lost, off = host.guest(), host.guest()
    async with host.engine() as engine:
        for guest in (lost, off):
            await on(engine, guest)
        qemu, libvirtd = host.daemon.guest_pid(str(lost.id)), host.daemon.pid()
        assert qemu is not None
        assert libvirtd is not None
    os.kill(libvirtd, signal.SIGKILL)
    os.kill(qemu, signal.SIGKILL)
    await until(lambda _: host.daemon.pid() is None, lambda: pause(0.1))
    told = await told_at_start(host, 1)
    assert told == {str(lost.id): Done(facts={"power": "off", "lost": True})}
    await until(lambda state: state == "shut off", lambda: asked_to_end(host, off))
    assert await told_at_start(host, 2) == {**told, str(off.id): Done(facts={"power": "off"})}


async def told_at_start(host: World, number: int) -> dict[str, object]:
    """What the next agent hears, of so many guests; perhaps more than once."""
    host.changes.clear()
    async with host.engine():
        await until(lambda _: len({change.subject for change in host.changes}) == number, lambda: pause(0.1))
    return {change.subject: change.answer for change in host.changes}


async def test_one_that_dies_while_something_is_done_with_it_is_told(engine: LibvirtHypervisor, host: World) -> None:
    guest = host.guest()
    await on(engine, guest)
    host.shelf.takes.clear()
    sending = asyncio.create_task(engine.ensure_uploaded(guest.id, "root", "/copy", fence=1))
    await until(lambda _: "/copy" in host.shelf.offered, lambda: pause(0.1))
    qemu = host.daemon.guest_pid(str(guest.id))
    assert qemu is not None
    os.kill(qemu, signal.SIGKILL)
    crash = Change("hypervisor", "power", str(guest.id), Done(facts={"power": "off"}))
    await until(lambda _: crash in host.changes, lambda: pause(0.1))
    host.shelf.takes.set()
    await sending  # however that ends


async def asked_to_end(host: World, guest: Domain) -> str:
    """Its state, after it was asked: one that boots, or a daemon that is busy, does not hear it."""
    virsh("shutdown", host, guest)
    return virsh("domstate", host, guest)


def virsh(word: str, host: World, guest: Domain) -> str:
    """What it says."""
    words = ("virsh", "-c", host.daemon.uri, word, str(guest.id))
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


async def again(engine: LibvirtHypervisor, guest_id: UUID) -> Power:
    """What it is, from who may be away for a moment."""
    async with asyncio.timeout(30):
        while True:
            try:
                return (await engine.observe())[guest_id].power
            except Unavailable:
                await pause(0.1)


async def test_a_disk_is_sent_away_while_its_guest_runs(engine: LibvirtHypervisor, host: World) -> None:
    guest = host.guest()
    await on(engine, guest)
    assert await engine.ensure_uploaded(guest.id, "root", "/copy", fence=1) == Done()
    copy = host.shelf.files["/copy"]
    about = subprocess.run(["qemu-img", "info", copy], capture_output=True, text=True, check=True).stdout
    assert "backing file" not in about
    subprocess.run(["qemu-img", "check", "-q", copy], check=True)
    assert list((host.home / "guests" / str(guest.id)).glob("*.unfinished")) == []
    assert await engine.ensure_power(guest.id, Power.OFF, fence=1) == Done()
    assert await engine.ensure_uploaded(guest.id, "root", "/other", fence=1) == Done()
    assert isinstance(await engine.ensure_uploaded(guest.id, "none", "/other", fence=1), Failed)


@pytest.mark.parametrize("path", ["/etc/shadow", "{home}/volumes/../tls", "{home}/guests"])
async def test_no_file_but_a_volume_is_opened(engine: LibvirtHypervisor, host: World, path: str) -> None:
    guest = host.guest(disks=(volume(host, Path(path.format(home=host.home))),))
    answer = await engine.ensure_defined(guest, fence=1)
    assert isinstance(answer, Failed)
    assert "no volume of this host" in answer.cause


async def test_an_image_that_is_not_what_was_promised_is_not_used(engine: LibvirtHypervisor, host: World) -> None:
    guest = host.guest()
    [root] = guest.disks
    assert root.image is not None  # type: ignore[union-attr]
    for wrong in ({"size": 10}, {"sha512": "0" * 128}, {"format": "vmdk", "sha512": None}, {"url": "/none"}):
        image = msgspec.structs.replace(root.image, id=uuid4(), **wrong)  # type: ignore[union-attr]
        liar = msgspec.structs.replace(guest, disks=(msgspec.structs.replace(root, image=image),))
        assert isinstance(await engine.ensure_disks(liar, fence=1), Failed)
    assert list((host.home / "images").glob(".*")) == []
    small = msgspec.structs.replace(guest, disks=(msgspec.structs.replace(root, size_mib=1),))
    answer = await engine.ensure_disks(small, fence=1)
    assert isinstance(answer, Failed)
    assert "GiB" in answer.cause


async def test_no_guest_has_a_disk_of_a_hostile_image(engine: LibvirtHypervisor, host: World) -> None:
    """Looked at when it came, and once more here: bytes may have reached the store by another way."""
    path = host.shelf.files["/hostile"] = host.shelf.folder / "hostile"
    guest = host.guest()
    [root] = guest.disks
    for name, (declared, make, why) in HOSTILE.items():
        size = path.write_bytes(make())
        image = Image(id=uuid4(), url="/hostile", format=declared, size=size)
        victim = msgspec.structs.replace(guest, disks=(msgspec.structs.replace(root, image=image),))
        answer = await engine.ensure_disks(victim, fence=1)
        assert isinstance(answer, Failed), name
        assert re.search(f"cannot be used: .*({why})|format ploop|needs 1024 GiB", answer.cause), (name, answer.cause)
    assert (await engine.observe()).get(guest.id) is None


async def test_a_probe_tells_who_boots_guests() -> None:
    assert await kvm.comes_up("qemu-system-x86_64", "-accel", "tcg")
    assert not await kvm.comes_up("qemu-system-x86_64", "-accel", "none-such")
    assert not await kvm.comes_up("/nonexistent")
