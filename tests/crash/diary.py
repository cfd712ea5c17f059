"""A guest that writes through a fire, to its own disk and to a volume, and remembers what was acknowledged: it is there in
the end, and the guest has run all the while."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from crash.datacentre import Datacentre, comes_true
from crash.tenants import COMPUTE, NETWORK, TINY, VOLUME, History

OWN = "/root/diary"
REACHED_WITHIN_S = 120.0
WRITE = (
    "touch /tmp/writing; (n=0; while [ -e /tmp/writing ]; do n=$((n+1)); echo $n | dd of={disk} bs=512 seek=$((100+n%64)) "
    "conv=notrunc,sync,fsync && echo $n >/tmp/last{number}; sleep 0.2; done) >/dev/null 2>&1 &"
)
"""A number to one of 64 places after the other."""
READ = (
    "n=$(cat /tmp/last{number}); echo 3 >/proc/sys/vm/drop_caches; "
    "m=$(dd if={disk} bs=512 skip=$((100+n%64)) count=1 2>/dev/null | tr -d '\\000'); echo $n $m"
)
OPTIONS = ("BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=5")


@dataclass
class Diary:
    """`netns`: from where the network outside is reached."""

    netns: str
    key: Path
    ip: str
    volume: str
    disks: tuple[str, ...] = ()
    run_id: str = ""

    async def run(self, command: str) -> str:
        """What it says, as soon as it is reached; empty when it is not, or the command went wrong."""
        words = ("nsenter", f"--net=/run/netns/{self.netns}", "ssh", "-q", "-i", str(self.key))
        words += (*(f"-o{each}" for each in OPTIONS), f"root@{self.ip}", command)
        done = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout.strip() if done.returncode == 0 else ""

    async def begin(self) -> None:
        await comes_true(self.run, "echo reached", within_s=REACHED_WITHIN_S)
        where = f"grep -l {self.volume[:20]} /sys/block/vd*/serial"
        await comes_true(self.run, where, within_s=REACHED_WITHIN_S)
        self.disks = (OWN, "/dev/" + (await self.run(where)).split("/")[3])
        self.run_id = await self.run("cat /proc/sys/kernel/random/boot_id")
        for disk in self.disks:
            await self.run(WRITE.format(disk=disk, number=len(disk)))

    async def faults(self) -> list[str]:
        """What it has lost."""
        await comes_true(self.run, "rm -f /tmp/writing; echo reached", within_s=REACHED_WITHIN_S)
        found = (
            [] if await self.run("cat /proc/sys/kernel/random/boot_id") == self.run_id else ["the diary's guest ended"]
        )
        await self.run("sleep 2; sync")
        for disk in self.disks:
            said, _, read = (await self.run(READ.format(disk=disk, number=len(disk)))).partition(" ")
            if not said or said != read:
                found.append(f"the diary has {read or 'nothing'} on {disk}, where {said or 'nothing'} was acknowledged")
        return found


async def diary(cloud: Datacentre, admin: httpx.AsyncClient, history: History) -> Diary:
    """It writes. It is the administrator's, whom nobody else takes anything from."""
    key = cloud.home / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)

    async def made(path: str, kind: str, **wanted: Any) -> Any:
        answer = await admin.post(path, json={kind: wanted})
        assert answer.is_success, answer.text
        return answer.json()[kind]

    async def reads(path: str, kind: str, status: str) -> bool:
        return bool((await admin.get(path)).json()[kind]["status"] == status)

    await made(f"{COMPUTE}/os-keypairs", "keypair", name="diary", public_key=key.with_suffix(".pub").read_text())
    volume = (await made(f"{VOLUME}/volumes", "volume", size=1))["id"]
    network = (await made(f"{NETWORK}/networks", "network", name="diary"))["id"]
    subnet = await made(f"{NETWORK}/subnets", "subnet", network_id=network, ip_version=4, cidr="10.99.0.0/24")
    router = await made(f"{NETWORK}/routers", "router", external_gateway_info={"network_id": history.public})
    way = f"{NETWORK}/routers/{router['id']}/add_router_interface"
    assert (await admin.put(way, json={"subnet_id": subnet["id"]})).is_success
    group = await made(f"{NETWORK}/security-groups", "security_group", name="diary")
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    await made(f"{NETWORK}/security-group-rules", "security_group_rule", security_group_id=group["id"], **rule)
    port = await made(f"{NETWORK}/ports", "port", network_id=network, security_groups=[group["id"]])
    wanted = {"flavorRef": TINY, "imageRef": history.image, "key_name": "diary", "networks": [{"port": port["id"]}]}
    server = await made(f"{COMPUTE}/servers", "server", name="diary", **wanted)
    path = f"{COMPUTE}/servers/{server['id']}"
    await comes_true(reads, path, "server", "ACTIVE")
    await comes_true(reads, f"{VOLUME}/volumes/{volume}", "volume", "available")
    await made(f"{path}/os-volume_attachments", "volumeAttachment", volumeId=volume)
    await comes_true(reads, f"{VOLUME}/volumes/{volume}", "volume", "in-use")
    outside = {"floating_network_id": history.public, "port_id": port["id"]}
    floating = await made(f"{NETWORK}/floatingips", "floatingip", **outside)
    begun = Diary(cloud.net.hosts[cloud.hosts[0].name], key, floating["floating_ip_address"], volume)
    await begun.begin()
    return begun
