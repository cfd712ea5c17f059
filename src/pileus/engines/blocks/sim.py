"""Block storage made of small files: it survives kill -9, you can `ls` it, and it can be told to fail.

<home>/volumes/<id>.json     its size, and what it began with
<home>/snapshots/<id>.json   of which volume, and its size
<home>/exports/<id>.json     which volume, for which host
<home>/uploads/<id>.json     where the volume was uploaded to last
<home>/jobs, <home>/troubles see `engines.simulation`
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from uuid import UUID

import msgspec

from pileus.engines import blank
from pileus.engines.blocks import Connection, DiskFormat, Export, Seen, Snapshot, Source, Volume, VolumeFacts
from pileus.engines.files import read_or_none, write_at_home
from pileus.engines.simulation import FULL, Simulation, kept, structs
from pileus.engines.transfers import Transfers
from pileus.engines.verbs import Answer, Done, Failed
from pileus.kernel.clock import Clock

TOTAL_GIB = 1024.0


class HeldVolume(msgspec.Struct, frozen=True):
    size_gib: int
    origin: Source | None = None


class HeldSnapshot(msgspec.Struct, frozen=True):
    volume_id: UUID
    size_gib: int


class SimBlocks:
    """Volumes that are small files. `transfers`: where uploads go; None: nowhere."""

    KIND = "blocks"
    VERSION = 1

    def __init__(
        self,
        home: Path,
        clock: Clock,
        *,
        delays_s: Mapping[str, float] | None = None,
        transfers: Transfers | None = None,
        total_gib: float = TOTAL_GIB,
    ) -> None:
        names = ("volumes", "snapshots", "exports", "uploads")
        self._volumes, self._snapshots, self._exports, self._uploads = (home / name for name in names)
        self._simulation = Simulation(home, clock, delays_s=delays_s, takes_space=("ensure_volume", "ensure_snapshot"))
        self.troubles, self.delays_s = self._simulation.troubles, self._simulation.delays_s
        self._transfers, self._total_gib = transfers, total_gib

    async def ensure_volume(self, volume: Volume, *, fence: int) -> Answer:
        file = self._volumes / f"{volume.id}.json"

        def is_so() -> Answer | None:
            held = kept(file, HeldVolume)
            return Done() if held is not None and held.size_gib >= volume.size_gib else None

        def make_so() -> Answer:
            held = kept(file, HeldVolume)
            if held is None and (refusal := self._refusal(volume)):
                return refusal
            if volume.size_gib - (held.size_gib if held else 0) > self._free_gib():
                return FULL
            origin = volume.source if held is None else held.origin
            write_at_home(file, msgspec.json.encode(HeldVolume(volume.size_gib, origin)))
            return Done()

        wish = msgspec.json.encode(volume).decode()
        return await self._simulation.say("ensure_volume", volume.id, wish, is_so=is_so, make_so=make_so)

    def _refusal(self, volume: Volume) -> Failed | None:
        """Why a volume cannot begin with its source."""
        source = volume.source or Source()
        begun: HeldVolume | HeldSnapshot | None
        if source.snapshot_id is not None:
            begun = kept(self._snapshots / f"{source.snapshot_id}.json", HeldSnapshot)
        elif source.volume_id is not None:
            begun = kept(self._volumes / f"{source.volume_id}.json", HeldVolume)
        else:
            return None
        if begun is None:
            return Failed(f"There is no {source.snapshot_id or source.volume_id} on this host to make a volume of.")
        if begun.size_gib > volume.size_gib:
            return Failed(f"A volume of {volume.size_gib} GiB cannot hold {begun.size_gib} GiB.")
        return None

    async def ensure_volume_gone(self, volume_id: UUID, *, fence: int) -> Answer:
        if volume_id in self._exported():
            return Failed(f"The volume {volume_id} is exported.")
        (self._uploads / f"{volume_id}.json").unlink(missing_ok=True)
        return await self._gone("ensure_volume_gone", self._volumes, volume_id)

    async def _gone(self, verb: str, folder: Path, subject: UUID) -> Answer:
        def make_so() -> Answer:
            (folder / f"{subject}.json").unlink(missing_ok=True)
            self._simulation.drop(subject)
            return Done()

        return await self._simulation.say(verb, subject, is_so=lambda: None, make_so=make_so)

    async def ensure_snapshot(self, snapshot: Snapshot, *, fence: int) -> Answer:
        file = self._snapshots / f"{snapshot.id}.json"

        def make_so() -> Answer:
            volume = kept(self._volumes / f"{snapshot.volume_id}.json", HeldVolume)
            if volume is None:
                return Failed(f"There is no volume {snapshot.volume_id} on this host.")
            write_at_home(file, msgspec.json.encode(HeldSnapshot(snapshot.volume_id, volume.size_gib)))
            return Done()

        return await self._simulation.say(
            "ensure_snapshot", snapshot.id, is_so=lambda: Done() if file.exists() else None, make_so=make_so
        )

    async def ensure_snapshot_gone(self, snapshot_id: UUID, *, fence: int) -> Answer:
        return await self._gone("ensure_snapshot_gone", self._snapshots, snapshot_id)

    async def ensure_exported(self, export: Export, *, fence: int) -> Answer:
        def make_so() -> Answer:
            if not (self._volumes / f"{export.volume_id}.json").exists():
                return Failed(f"There is no volume {export.volume_id} on this host.")
            write_at_home(self._exports / f"{export.id}.json", msgspec.json.encode(export))
            connection = Connection(driver="sim", export=str(export.id))
            return Done(facts=msgspec.to_builtins(connection))

        return await self._simulation.say("ensure_exported", export.id, is_so=lambda: None, make_so=make_so)

    async def ensure_unexported(self, attachment_id: UUID, *, fence: int) -> Answer:
        return await self._gone("ensure_unexported", self._exports, attachment_id)

    async def ensure_uploaded(
        self, volume_id: UUID, url: str, disk_format: DiskFormat = "raw", *, fence: int
    ) -> Answer:
        file = self._uploads / f"{volume_id}.json"
        sent = msgspec.json.encode(url)

        def is_so() -> Answer | None:
            return Done() if read_or_none(file) == sent else None

        def make_so() -> Answer:
            if not (self._volumes / f"{volume_id}.json").exists():
                return Failed(f"There is no volume {volume_id} on this host.")
            if self._transfers is None:
                write_at_home(file, sent)
            return Done()

        answer = await self._simulation.say("ensure_uploaded", volume_id, url, is_so=is_so, make_so=make_so)
        if isinstance(answer, Done) and self._transfers is not None and is_so() is None:
            await self._transfers.put(url, self._bytes(volume_id, disk_format))
            write_at_home(file, sent)
        return answer

    async def _bytes(self, volume_id: UUID, disk_format: DiskFormat) -> AsyncIterator[bytes]:
        held = kept(self._volumes / f"{volume_id}.json", HeldVolume)
        yield blank.image(disk_format, (held.size_gib if held else 1) << 30)

    async def cancel(self, subject_id: UUID, verb: str, *, fence: int) -> Answer:
        return await self._simulation.cancel(subject_id, verb)

    async def observe(self) -> Seen:
        await self._simulation.suffer(self.troubles.of("observe", ""))
        volumes, snapshots = structs(self._volumes, HeldVolume), structs(self._snapshots, HeldSnapshot)
        return Seen(
            volumes={UUID(name): VolumeFacts(size_gib=held.size_gib) for name, held in volumes.items()},
            snapshots={UUID(name): held.volume_id for name, held in snapshots.items()},
            exports={UUID(name): held.volume_id for name, held in structs(self._exports, Export).items()},
            free_gib=self._free_gib(),
            total_gib=self._total_gib,
        )

    def _exported(self) -> set[UUID]:
        return {held.volume_id for held in structs(self._exports, Export).values()}

    def _free_gib(self) -> float:
        volumes, snapshots = structs(self._volumes, HeldVolume), structs(self._snapshots, HeldSnapshot)
        used_gib = sum(each.size_gib for each in volumes.values()) + sum(each.size_gib for each in snapshots.values())
        return self._total_gib - used_gib


def lose(home: Path, volume_id: UUID) -> None:
    """What a disk does that dies: the volume is not there any more, whoever has it open. May be repeated."""
    (home / "volumes" / f"{volume_id}.json").unlink(missing_ok=True)
