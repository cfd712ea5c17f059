"""A machine that can lose its power: a guest with this machine's files, read-only, and a disk of its own for the cloud's state."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from cli.conftest import pileus
from pileus.cli.tiny import disk, packages, tree
from support.postgres import free_port
from support.waiting import pause

MORE_MODULES = ["virtio_net", "af_packet", "virtiofs", "virtio-rng"]  # than the first file system of a tiny guest has
MEMORY_MIB, DISK_GIB = 1024, 2
SERVES_WITHIN_S = 240.0  # by emulation, on a machine that does other things
LOOK_S = 0.25
VIRTIOFSD = Path("/usr/lib/qemu/virtiofsd")
INIT = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for d in modules more; do while read -r m; do insmod "/$d/$m"; done < /$d/order; done
mount -t virtiofs -o ro machine /newroot
for d in proc sys dev; do mount --move /$d /newroot/$d; done
mount -t tmpfs tmpfs /newroot/run
mount -t ext4 /newroot/dev/vda /newroot/srv
ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
exec chroot /newroot /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run \
    {pileus} up --simulate --config /srv/pileus.toml --listen 0.0.0.0:5000
"""
CONFIG = """\
state = "{root}/cloud"
[identity]
bcrypt_rounds = 4
[image]
store = "{root}/images"
[operations]
lease_s = 3.0
host_lease_s = 3.0
"""


@dataclass
class Machine:
    """`home`: its kernel, its disk, its sockets."""

    home: Path
    port: int = field(default_factory=free_port)
    running: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def disk(self) -> Path:
        return self.home / "state.raw"

    def make(self) -> None:
        """Kernel and first file system, and a disk with a cloud that nobody has started yet."""
        unpacked = packages.unpacked(
            self.home / "packages",
            Path.home() / ".cache/pileus/packages",
            kernel="linux-image-cloud-amd64",
            agent=False,
        )
        modules = tree.Modules(unpacked)
        first = tree.first_file_system(self.home / "first", unpacked, modules)
        modules.take(MORE_MODULES, first / "more")
        (first / "init").write_text(INIT.format(pileus=Path(sys.executable).with_name("pileus")))
        disk.archive(first, self.home / "initrd.gz")
        shutil.copyfile(next((unpacked / "boot").glob("vmlinuz-*")), self.home / "vmlinuz")
        with self.disk.open("wb") as file:
            file.truncate(DISK_GIB << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.disk], check=True)
        with self.mounted() as root:
            (root / "pileus.toml").write_text(CONFIG.format(root="/srv"))
            here = self.home / "here.toml"
            here.write_text(CONFIG.format(root=root))
            done = pileus("db", "upgrade", "--config", here)
            assert done.returncode == 0, done.stderr

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Its disk, on this machine."""
        root = self.home / "disk"
        root.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "loop", self.disk, root], check=True)
        try:
            yield root
        finally:
            subprocess.run(["umount", root], check=True)

    async def boot(self) -> None:
        """Return when its cloud serves."""
        files, console = self.home / "files.sock", self.home / "console.log"
        files.unlink(missing_ok=True)
        options = ("source=/", "cache=always", "sandbox=chroot")
        await self._start(VIRTIOFSD, f"--socket-path={files}", *(f"-o{each}" for each in options), log="files.log")
        while not files.exists():
            await pause(LOOK_S)
        await self._start(*self._qemu(files), log="console.log")
        async with httpx.AsyncClient(base_url=self.url, timeout=5) as http, asyncio.timeout(SERVES_WITHIN_S):
            while not await serves(http):
                assert self.running[-1].returncode is None, console.read_text(errors="replace")[-4000:]
                await pause(LOOK_S)

    def _qemu(self, files: Path) -> list[str | Path]:
        memory = f"memory-backend-memfd,id=memory,size={MEMORY_MIB}M,share=on"
        return [
            *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-smp", str(os.cpu_count()), "-m", str(MEMORY_MIB)),
            *("-object", memory, "-numa", "node,memdev=memory", "-nographic", "-no-reboot", "-nodefaults"),
            *("-chardev", f"socket,id=files,path={files}", "-device", "vhost-user-fs-pci,chardev=files,tag=machine"),
            *("-drive", f"file={self.disk},format=raw,if=virtio,cache=writeback", "-device", "virtio-rng-pci"),
            *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{self.port}-:5000"),
            *("-device", "virtio-net-pci,netdev=net,romfile=", "-serial", "stdio"),
            *("-kernel", self.home / "vmlinuz", "-initrd", self.home / "initrd.gz"),
            *("-append", "console=ttyS0 panic=-1 quiet"),
        ]

    async def _start(self, *words: str | Path, log: str) -> None:
        with (self.home / log).open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file
            )
        self.running.append(process)

    async def cut(self) -> None:
        """No power any more: what was in its memory is lost."""
        for process in reversed(self.running):
            if process.returncode is None:
                process.kill()
                await process.wait()
        self.running.clear()


async def serves(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/identity/v3")).status_code == 200
    except httpx.TransportError:
        return False
