"""What a user of a cloud on real engines is promised: one cloud, few guests, and what is done with them told from inside."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from real.screens import colours
from real.test_up import started_on
from real.two_hosts import Host
from real.whole_cloud import BOOT_S, LOOK_S, Guest, WholeCloud, comes_true, encoded, listening, machines, whole_cloud
from support.pages import block_of
from support.sdk import ITS_OWN_WARNINGS

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("real"),
    *ITS_OWN_WARNINGS,
]

USER_DATA = "#!/bin/sh\necho ran >/root/user-data-ran\n"
METADATA = "http://169.254.169.254/openstack/latest"
NANO_MIB, MICRO_MIB = 192, 256
PSS_BYTES = 200e6
YES = """
address={ip}
ssh() {{ command ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "$@"; }}
"""
"""Said when ssh asks whether this is the guest."""


@pytest.fixture(scope="module")
def cloud(workshop: Path, tiny: Path) -> Iterator[WholeCloud]:
    with machines("cloud") as [machine], whole_cloud(workshop / "w", machine, tiny) as made:
        yield made


@pytest.fixture(scope="module")
def web(cloud: WholeCloud) -> Guest:
    """A guest that most is done with."""
    found = cloud.boot("web", user_data=encoded(USER_DATA), config_drive=True, metadata={"role": "web"})
    return asyncio.run(cloud.reach(found))


@pytest.fixture(scope="module")
def other(cloud: WholeCloud, web: Guest) -> Guest:
    """In a network of its own, on the same router; its disk is a volume."""
    root = {"source_type": "image", "uuid": cloud.image.id, "destination_type": "volume", "boot_index": 0}
    more = {"volume_size": 1, "delete_on_termination": True}
    found = cloud.boot("other", network=cloud.routed("away", 98), image_id=None, block_device_mapping=[root | more])
    return asyncio.run(cloud.reach(found))


async def test_user_data_ran_and_metadata_and_config_drive_agree(web: Guest) -> None:
    assert web.run("cat /root/user-data-ran; hostname") == "ran\nweb"
    web.run("mkdir -p /mnt && mount -t iso9660 -o ro /dev/sr0 /mnt")
    web.run("udhcpc -q -n -i eth0 -s /etc/udhcpc.script -O 121")  # who has a drive need not ask for the way
    for name in ("meta_data.json", "network_data.json", "vendor_data.json"):
        drive, service = (
            json.loads(web.run(f"{read} {where}/{name}"))
            for read, where in (("cat", "/mnt/openstack/latest"), ("wget -q -O -", METADATA))
        )
        for found in (drive, service):
            found.pop("random_seed", None)
        assert drive == service
        assert name != "meta_data.json" or (drive["uuid"], drive["meta"]) == (web.id, {"role": "web"})
    assert web.run("cat /mnt/openstack/latest/user_data") == web.run(f"wget -q -O - {METADATA}/user_data")
    web.run("umount /mnt")


async def test_its_user_comes_in_by_ssh(cloud: WholeCloud, web: Guest) -> None:
    typed = block_of("docs/user-guide.md", "ssh -i")
    said = typed.said(cloud.key.parent, before=YES.format(ip=web.ip), answers="hostname; exit\n")
    assert "web" in said.split()


async def test_an_operator_sees_guests_and_networks_below(cloud: WholeCloud, web: Guest, tmp_path: Path) -> None:
    here = {"/var/lib/pileus": cloud.state}
    guests = block_of("docs/operator-guide.md", "virsh").here(here).said(tmp_path)
    assert re.search(rf"{web.id} +running", guests)
    port, *_ = cloud.sdk.network.ports(device_id=web.id)
    here |= {"SWITCH": port.network_id, "PORT": port.id, "...": f"eth.src == {port.mac_address}"}
    networks = block_of("docs/operator-guide.md", "ovn-trace").here(here).said(tmp_path)
    assert re.search(rf"^switch \S+ \({port.network_id}\)", networks, re.MULTILINE)
    assert "ingress(" in networks
    assert re.search(rf'Port "?tap{port.id[:11]}"?', networks)


async def test_pileus_itself_is_small(cloud: WholeCloud, web: Guest) -> None:
    """Keeper, control process, agent and metadata, while a guest runs."""
    keeper = psutil.Process(cloud.process.popen.pid)
    mine = [keeper, *keeper.children(recursive=True)]
    mine += [each for each in started_on(cloud.state) if "pileus.agent.metadata" in each.cmdline()]
    assert len(mine) == 4
    used = [each.memory_full_info().pss for each in mine]
    assert sum(used) < PSS_BYTES, used


async def test_nothing_but_the_api_listens_to_the_network(cloud: WholeCloud, web: Guest) -> None:
    """While a guest with a screen and a volume runs; what answers guests does so in a network of its own."""
    volume = cloud.volume()
    await cloud.attach(web, volume)
    processes = [*started_on(cloud.state), psutil.Process(Host(cloud.state / "host", cloud.machine).pid_of("libvirtd"))]
    assert {"libvirtd", "ovsdb-server", "ovs-vswitchd", "qemu-system-x86_64"} <= {each.name() for each in processes}
    networks = {f"/proc/{each.pid}/ns/net": os.stat(f"/proc/{each.pid}/ns/net").st_ino for each in processes}
    heard = {inode: listening(network) for network, inode in networks.items()}
    api = cloud.process.url.removeprefix("http://")
    assert heard.pop(cloud.machine.network.stat().st_ino) == [api]
    assert list(heard.values()) == [["169.254.169.254:80"]]
    await cloud.detach(web, volume)


async def test_a_disk_that_is_plugged_and_grows_keeps_what_was_written(cloud: WholeCloud, web: Guest) -> None:
    volume = cloud.volume()
    web.writes(disk := await cloud.attach(web, volume), "written")
    await cloud.grow(web, volume, disk, 2)
    assert web.reads(disk) == "written"
    await cloud.detach(web, volume)
    assert web.reads(await cloud.attach(web, volume)) == "written"
    await cloud.detach(web, volume)


async def test_a_nic_that_is_plugged_gets_its_address(cloud: WholeCloud, web: Guest) -> None:
    network = cloud.sdk.network.create_network(name="beside")
    cloud.sdk.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.97.0.0/24", gateway_ip=None)
    made = cloud.sdk.compute.create_server_interface(web.id, net_id=network.id)
    address = made.fixed_ips[0]["ip_address"]
    assert await comes_true(lambda: f" {address}/24 " in web.run("ip -o address"))
    cloud.sdk.compute.delete_server_interface(made.port_id, server=web.id)
    assert await comes_true(lambda: address not in web.run("ip -o address"))
    assert await comes_true(lambda: len(web.run("ls /sys/class/net").split()) == 2)


async def test_a_group_is_closed_under_an_open_connection_and_opened_again(cloud: WholeCloud, web: Guest) -> None:
    with web.line() as line:
        assert line.echoes(20)
        cloud.sdk.network.delete_security_group_rule(cloud.ssh)
        assert await comes_true(lambda: not line.echoes(3))
        assert not web.does("true")
        cloud.ssh = cloud.allow(protocol="tcp", port_range_min=22, port_range_max=22)
        assert await comes_true(lambda: line.echoes())
        assert web.does("true")
        cloud.sdk.network.delete_security_group_rule(cloud.ssh)
        assert await comes_true(lambda: not line.echoes(3))
    cloud.ssh = cloud.allow(protocol="tcp", port_range_min=22, port_range_max=22)
    assert await web.is_reached()


async def test_a_guest_that_is_paused_or_suspended_goes_on_where_it_was(cloud: WholeCloud, web: Guest) -> None:
    compute, run_id = cloud.sdk.compute, web.run_id()
    uptime = float(web.run("cut -d' ' -f1 /proc/uptime"))
    compute.pause_server(web.id)
    assert web.is_("PAUSED")
    assert not web.does("true", within_s=3)
    compute.unpause_server(web.id)
    assert web.is_("ACTIVE")
    compute.suspend_server(web.id)
    assert web.is_("SUSPENDED")
    compute.resume_server(web.id)
    assert web.is_("ACTIVE")
    assert await web.is_reached()
    assert web.run_id() == run_id
    assert float(web.run("cut -d' ' -f1 /proc/uptime")) > uptime


async def test_guests_of_two_networks_reach_each_other_through_a_router(
    cloud: WholeCloud, web: Guest, other: Guest
) -> None:
    for address in cloud.addresses(other):
        assert await comes_true(lambda address=address: web.does(f"ping -c 1 -W 2 {address}")), address
    assert [":" in address for address in cloud.addresses(other)] == [False, True]


async def test_what_is_in_the_way_of_packets_is_told_from_rows_and_from_ovn(
    cloud: WholeCloud, web: Guest, other: Guest
) -> None:
    """From one network to the other: what the groups let in, and what they do not."""
    [to], [source] = (list(cloud.sdk.network.ports(device_id=each.id)) for each in (web, other))
    asked, came_out = ("explain", "reach", to.id, "--from", source.id), f'output to "{to.id[:6]}"'
    said = cloud.said_by(*asked, "--protocol", "icmp")
    assert said.startswith("reached: ")
    assert came_out in said
    said = cloud.said_by(*asked, "--protocol", "tcp", "--port", "23")
    assert said.startswith("not reached: ")
    assert "no   security groups: " in said
    assert came_out not in said
    assert "@pileus_secured" in said[said.index("egress(") :]
    assert said.rstrip().endswith("drop;")


async def test_the_disk_of_a_guest_is_a_volume(cloud: WholeCloud, other: Guest) -> None:
    [attached] = cloud.sdk.compute.volume_attachments(other.id)
    assert other.run("cat /sys/block/vda/serial") == attached.volume_id[:20]
    assert cloud.sdk.block_storage.get_volume(attached.volume_id).is_bootable


async def test_a_screen_is_shown_by_a_browser(cloud: WholeCloud, other: Guest, tmp_path: Path) -> None:
    url = cloud.sdk.compute.create_server_remote_console(other.id, protocol="vnc", type="novnc").url
    assert await colours(url, tmp_path) > 1


async def test_a_guest_on_a_volume_is_kept_as_an_image_and_rebuilt_from_it(cloud: WholeCloud, other: Guest) -> None:
    other.run("echo kept >/root/kept; sync")
    image = cloud.sdk.compute.create_server_image(other.id, "kept", wait=True, timeout=BOOT_S)
    other.run("touch /root/later; sync")
    run_id = other.run_id()
    cloud.sdk.compute.rebuild_server(other.id, image=image.id)
    assert other.is_("ACTIVE")
    assert await other.is_reached()
    assert other.run_id() != run_id
    assert other.run("cd /root; cat kept; ls later || true") == "kept"


async def test_a_guest_that_powers_off_by_itself_is_told_and_starts_again(cloud: WholeCloud, web: Guest) -> None:
    run_id = web.run_id()
    web.does("poweroff")
    assert web.is_("SHUTOFF")
    cloud.sdk.compute.start_server(web.id)
    assert web.is_("ACTIVE")
    assert await web.is_reached()
    assert web.run_id() != run_id


async def test_stop_start_and_reboot(cloud: WholeCloud, web: Guest) -> None:
    compute, first, volume = cloud.sdk.compute, web.run_id(), cloud.volume()
    web.writes(disk := await cloud.attach(web, volume), "written")
    compute.stop_server(web.id)
    assert web.is_("SHUTOFF")
    assert "Power down" in web.console()  # it was asked
    compute.start_server(web.id)
    assert web.is_("ACTIVE")
    assert await web.is_reached()
    second = web.run_id()
    compute.reboot_server(web.id, "SOFT")
    assert await comes_true(lambda: web.does(f"! grep -q {second} /proc/sys/kernel/random/boot_id"))
    assert web.is_("ACTIVE")
    assert len({first, second, web.run_id()}) == 3
    assert web.reads(disk) == "written"
    await cloud.detach(web, volume)


async def test_a_resize_gives_more_memory_and_its_revert_takes_it_back(cloud: WholeCloud, web: Guest) -> None:
    def memory_mib() -> float:
        return int(web.run("awk '/MemTotal/ { print $2 }' /proc/meminfo")) / 1024

    web.run("echo kept >/root/kept; sync")
    assert memory_mib() < NANO_MIB
    cloud.sdk.compute.resize_server(web.id, "84")
    assert web.is_("VERIFY_RESIZE")
    assert await web.is_reached()
    assert NANO_MIB < memory_mib() < MICRO_MIB
    cloud.sdk.compute.revert_server_resize(web.id)
    assert web.is_("ACTIVE")
    assert await web.is_reached()
    assert memory_mib() < NANO_MIB
    assert web.run("cat /root/kept") == "kept"


async def test_an_image_of_a_guest_boots_with_what_it_had_written(cloud: WholeCloud, web: Guest) -> None:
    web.run("echo changed >/root/changed; sync")
    image = cloud.sdk.compute.create_server_image(web.id, "changed", wait=True, timeout=BOOT_S)
    copy = await cloud.reach(cloud.boot("copy", image_id=image.id))
    assert copy.run("cat /root/changed") == "changed"
    cloud.sdk.compute.delete_server(copy.id)
    cloud.sdk.compute.wait_for_delete(copy.server, interval=LOOK_S, wait=60)
