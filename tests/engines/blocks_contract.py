"""What every block storage promises, and whatever stands between a caller and one. Run by subclasses that give a `rig`."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from pileus.engines.blocks import Blocks, Connection, Export, Snapshot, Source, Volume, VolumeFacts
from pileus.engines.verbs import Answer, Done, Failed, Going, StaleFence


@dataclass
class Rig:
    """Block storage under test, and how to let its time pass. `host` is the one it is on."""

    blocks: Blocks
    elapse: Callable[[float], Awaitable[None]]
    host: str = "h1"
    _fences: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def fence(self) -> int:
        return next(self._fences)

    async def settled(self, verb: str, *args: Any) -> Answer:
        """What the verb comes to, however long it takes."""
        fence = self.fence()
        for _ in range(400):
            answer: Answer = await getattr(self.blocks, verb)(*args, fence=fence)
            if not isinstance(answer, Going):
                return answer
            await self.elapse(0.1)
        raise AssertionError(f"still {answer}")

    async def done(self, verb: str, *args: Any) -> Done:
        answer = await self.settled(verb, *args)
        assert isinstance(answer, Done), answer
        return answer

    async def failed(self, verb: str, *args: Any) -> str:
        answer = await self.settled(verb, *args)
        assert isinstance(answer, Failed), answer
        return answer.cause

    async def volume(self, **more: Any) -> UUID:
        """A new one of 1 GiB."""
        volume = Volume(**{"id": uuid4(), "size_gib": 1, **more})
        await self.done("ensure_volume", volume)
        return volume.id

    async def snapshot(self, volume_id: UUID) -> UUID:
        snapshot = Snapshot(id=uuid4(), volume_id=volume_id)
        await self.done("ensure_snapshot", snapshot)
        return snapshot.id


class BlocksContract:
    async def test_every_ensure_may_be_said_twice(self, rig: Rig) -> None:
        volume, snapshot_id, attachment_id = Volume(id=uuid4(), size_gib=1), uuid4(), uuid4()
        for _ in range(2):
            await rig.done("ensure_volume", volume)
            await rig.done("ensure_snapshot", Snapshot(id=snapshot_id, volume_id=volume.id))
            await rig.done("ensure_exported", Export(id=attachment_id, volume_id=volume.id, host=rig.host))
        seen = await rig.blocks.observe()
        assert seen.volumes == {volume.id: VolumeFacts(size_gib=1)}
        assert seen.snapshots == {snapshot_id: volume.id}
        assert seen.exports == {attachment_id: volume.id}
        for _ in range(2):
            await rig.done("ensure_unexported", attachment_id)
            await rig.done("ensure_snapshot_gone", snapshot_id)
            await rig.done("ensure_volume_gone", volume.id)
        seen = await rig.blocks.observe()
        assert (seen.volumes, seen.snapshots, seen.exports) == ({}, {}, {})
        assert 0 < seen.free_gib <= seen.total_gib

    async def test_what_never_was_is_gone_and_cancelled(self, rig: Rig) -> None:
        for verb in ("ensure_volume_gone", "ensure_snapshot_gone", "ensure_unexported"):
            await rig.done(verb, uuid4())
        await rig.done("cancel", uuid4(), "ensure_volume")

    async def test_a_volume_grows_and_never_shrinks(self, rig: Rig) -> None:
        volume_id = await rig.volume()
        for size_gib, after in ((3, 3), (2, 3)):
            await rig.done("ensure_volume", Volume(id=volume_id, size_gib=size_gib))
            assert (await rig.blocks.observe()).volumes[volume_id].size_gib == after

    async def test_an_exported_volume_grows(self, rig: Rig) -> None:
        volume_id, attachment_id = await rig.volume(), uuid4()
        export = Export(id=attachment_id, volume_id=volume_id, host=rig.host)
        before = await rig.done("ensure_exported", export)
        await rig.done("ensure_volume", Volume(id=volume_id, size_gib=2))
        assert (await rig.blocks.observe()).volumes[volume_id].size_gib == 2
        assert await rig.done("ensure_exported", export) == before

    async def test_a_volume_begins_with_a_snapshot_or_another(self, rig: Rig) -> None:
        first = await rig.volume()
        snapshot_id = await rig.snapshot(first)
        for source in (Source(volume_id=first), Source(snapshot_id=snapshot_id)):
            copy = await rig.volume(size_gib=2, source=source)
            assert (await rig.blocks.observe()).volumes[copy].size_gib == 2

    async def test_a_source_that_is_missing_or_too_large_is_refused(self, rig: Rig) -> None:
        large = await rig.volume(size_gib=2)
        for source in (Source(volume_id=uuid4()), Source(snapshot_id=uuid4()), Source(volume_id=large)):
            volume = Volume(id=uuid4(), size_gib=1, source=source)
            assert await rig.failed("ensure_volume", volume)
            assert volume.id not in (await rig.blocks.observe()).volumes

    async def test_a_source_is_looked_at_once(self, rig: Rig) -> None:
        first = await rig.volume()
        copy = await rig.volume(source=Source(volume_id=first))
        await rig.done("ensure_volume_gone", first)
        await rig.done("ensure_volume", Volume(id=copy, size_gib=2, source=Source(volume_id=first)))

    async def test_a_snapshot_outlives_its_volume(self, rig: Rig) -> None:
        volume_id = await rig.volume()
        snapshot_id = await rig.snapshot(volume_id)
        await rig.done("ensure_volume_gone", volume_id)
        assert await rig.volume(source=Source(snapshot_id=snapshot_id))

    async def test_a_copy_outlives_what_it_was_made_of(self, rig: Rig) -> None:
        first = await rig.volume()
        snapshot_id = await rig.snapshot(first)
        copy = await rig.volume(source=Source(snapshot_id=snapshot_id))
        await rig.done("ensure_snapshot_gone", snapshot_id)
        await rig.done("ensure_volume_gone", first)
        assert set((await rig.blocks.observe()).volumes) == {copy}

    async def test_what_is_not_there_is_not_snapshot_exported_or_uploaded(self, rig: Rig) -> None:
        missing = uuid4()
        assert str(missing) in await rig.failed("ensure_snapshot", Snapshot(id=uuid4(), volume_id=missing))
        export = Export(id=uuid4(), volume_id=missing, host=rig.host)
        assert str(missing) in await rig.failed("ensure_exported", export)
        assert str(missing) in await rig.failed("ensure_uploaded", missing, "/nowhere")

    async def test_an_exported_volume_stays(self, rig: Rig) -> None:
        volume_id, attachment_id = await rig.volume(), uuid4()
        await rig.done("ensure_exported", Export(id=attachment_id, volume_id=volume_id, host=rig.host))
        assert str(volume_id) in await rig.failed("ensure_volume_gone", volume_id)
        await rig.done("ensure_unexported", attachment_id)
        await rig.done("ensure_volume_gone", volume_id)

    async def test_while_its_guest_moves_two_hosts_may_open_it(self, rig: Rig) -> None:
        """Each as it did first, and after that the one that it is for."""
        volume_id, id_ = await rig.volume(), uuid4()

        async def opened(host: str, also: str | None = None) -> Any:
            export = Export(id=id_, volume_id=volume_id, host=host, also=also)
            return (await rig.done("ensure_exported", export)).facts

        hosts = (rig.host, "elsewhere", "far")
        ways = {rig.host: await opened(rig.host)}
        for now, there in pairwise((*hosts, *hosts)):
            ways[there] = await opened(there, now)
            assert await opened(now, there) == ways[now]
            assert await opened(there, now) == ways[there]
            assert await opened(there) == ways[there]
            assert (await rig.blocks.observe()).exports == {id_: volume_id}
        await opened(*hosts[:2])
        await rig.done("ensure_unexported", id_)
        assert (await rig.blocks.observe()).exports == {}
        await rig.done("ensure_volume_gone", volume_id)

    async def test_an_export_says_how_it_is_opened(self, rig: Rig) -> None:
        volume_id = await rig.volume()
        export = Export(id=uuid4(), volume_id=volume_id, host=rig.host)
        facts = (await rig.done("ensure_exported", export)).facts
        assert msgspec.convert(facts, Connection).driver in {"file", "nbd", "sim"}
        assert (await rig.done("ensure_exported", export)).facts == facts

    async def test_a_newer_fence_shuts_older_ones_out(self, rig: Rig) -> None:
        volume, snapshot_id, attachment_id = Volume(id=uuid4(), size_gib=1), uuid4(), uuid4()
        old = rig.fence()
        await rig.done("ensure_volume", volume)
        await rig.done("ensure_snapshot", Snapshot(id=snapshot_id, volume_id=volume.id))
        await rig.done("ensure_exported", Export(id=attachment_id, volume_id=volume.id, host=rig.host))
        verbs: list[tuple[str, Any]] = [
            ("ensure_volume", volume),
            ("ensure_volume_gone", volume.id),
            ("ensure_snapshot_gone", snapshot_id),
            ("ensure_unexported", attachment_id),
        ]
        for verb, subject in verbs:
            with pytest.raises(StaleFence):
                await getattr(rig.blocks, verb)(subject, fence=old)
        assert len((await rig.blocks.observe()).exports) == 1
