"""A libvirtd with its state below a folder, the engine in front of it, and one image that can be fetched."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec

from engines.hypervisor_contract import Rig
from pileus.engines.blocks import Connection
from pileus.engines.hypervisor import Domain, Hypervisor, Image, LocalDisk, Nic, Power, VolumeDisk
from pileus.engines.hypervisor.libvirt.daemon import Libvirtd
from pileus.engines.hypervisor.libvirt.engine import LibvirtHypervisor
from pileus.engines.hypervisor.libvirt.road import Road
from pileus.engines.hypervisor.libvirt.xml import Site
from pileus.engines.rim import Rim
from pileus.engines.troubles import Troubles
from pileus.engines.verbs import Change, Done
from pileus.kernel.clock import SystemClock
from pileus.kernel.errors import NotFound
from real.troubled import Troubled
from support.waiting import pause

IMAGE_ID = UUID(int=1)
PATIENCE_S = 90.0


@dataclass
class Shelf:
    """What can be fetched, by path; what was sent is put there too, while `takes` is set."""

    files: dict[str, Path] = field(default_factory=dict)
    folder: Path = Path()
    fetched: list[str] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    takes: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def get(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        if path not in self.files:
            raise NotFound("There is no such transfer.")
        self.fetched.append(path)
        yield self._pieces(self.files[path])

    async def _pieces(self, path: Path) -> AsyncIterator[bytes]:
        with path.open("rb") as file:
            while piece := file.read(65_536):
                yield piece

    async def put(self, path: str, pieces: AsyncIterator[bytes]) -> None:
        self.offered.append(path)
        await self.takes.wait()
        self.files[path] = self.folder / path.replace("/", "_")
        with self.files[path].open("wb") as file:
            async for piece in pieces:
                file.write(piece)


@dataclass
class World:
    """One host. Its bridge is nobody else's."""

    home: Path
    daemon: Libvirtd
    shelf: Shelf
    changes: list[Change] = field(default_factory=list)
    bridge: str = field(default_factory=lambda: f"pit{uuid4().hex[:8]}")

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[LibvirtHypervisor]:
        site = Site("tcg", self.home / "volumes", "bridge")
        made = LibvirtHypervisor(
            self.home,
            SystemClock(),
            road=Road(self.daemon),
            site=site,
            transfers=self.shelf,
            changed=self.changes.append,
        )
        async with made.running():
            yield made

    @asynccontextmanager
    async def rig(self, tmp_path: Path) -> AsyncIterator[Rig]:
        """As the contract suite wants it; whatever the test leaves is removed."""
        clock, troubles = SystemClock(), Troubles(tmp_path / "troubles")
        async with self.engine() as engine:
            rig = Rig(None, troubles, pause, self.changes, job_s=0.4, volume=self.volume)  # type: ignore[arg-type]
            troubled = Troubled(Hypervisor, engine, troubles, clock).face
            rim = Rim(Hypervisor, troubled, tmp_path / "rim", clock, changed=self.changes.append)
            rig.hypervisor = rim.engine
            yield rig
            await rim.stop()
            for domain_id in await engine.observe():
                await engine.ensure_gone(domain_id, fence=0)

    def volume(self, volume_id: UUID, size_gib: int) -> VolumeDisk:
        """So large by now."""
        path = self.home / "volumes" / str(volume_id)
        subprocess.run(["truncate", "-s", f"{size_gib}G", path], check=True)
        connection = msgspec.to_builtins(Connection(driver="file", path=str(path)))
        return VolumeDisk(id=volume_id, volume_id=volume_id, connection=connection)

    def guest(self, *, nics: tuple[Nic, ...] = (), **more: Any) -> Domain:
        """One that boots."""
        path = self.shelf.files["/tiny"]
        checksum = hashlib.sha512(path.read_bytes()).hexdigest()
        image = Image(id=IMAGE_ID, url="/tiny", format="qcow2", size=path.stat().st_size, sha512=checksum)
        root = LocalDisk(name="root", size_mib=512, image=image)
        return Domain(**{"id": uuid4(), "vcpus": 1, "memory_mib": 128, "disks": (root,), "nics": nics, **more})


@contextmanager
def world(home: Path, tiny: Path | None) -> Iterator[World]:
    """Guests and daemon are gone at the end."""
    (home / "volumes").mkdir(parents=True)
    home.chmod(0o711)
    (home / "volumes").chmod(0o711)
    (home / "shelf").mkdir()
    shelf = Shelf({} if tiny is None else {"/tiny": tiny}, home / "shelf")
    shelf.takes.set()
    made = World(home, Libvirtd(home / "libvirt", home / "tls"), shelf)
    subprocess.run(["ip", "link", "add", made.bridge, "type", "bridge"], check=True)
    try:
        yield made
    finally:
        try:
            asyncio.run(cleared(made))
        finally:
            subprocess.run(["ip", "link", "del", made.bridge], check=True)


async def cleared(made: World) -> None:
    async with made.engine() as engine:
        for domain_id in await engine.observe():
            await engine.ensure_gone(domain_id, fence=0)
    await made.daemon.stop()


async def on(engine: LibvirtHypervisor, domain: Domain) -> None:
    """It runs, and somebody could log in."""
    assert await engine.ensure_disks(domain, fence=1) == Done()
    assert await engine.ensure_defined(domain, fence=1) == Done()
    assert await engine.ensure_power(domain.id, Power.ON, fence=1) == Done()
    await says(engine, domain.id, "login:")


async def says(engine: LibvirtHypervisor, domain_id: UUID, word: str, times: int = 1) -> None:
    """Return when the guest has written the word so often."""
    await until(lambda log: log.count(word) >= times, lambda: engine.console_log(domain_id, None))


async def until(true: Callable[[Any], bool], look: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true(await look()):
            await pause(0.2)
