"""What every store of bytes promises. Run by subclasses that give `blobs`."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from pileus.engines.blobs import BlobFacts, Blobs, Read
from pileus.kernel.errors import NotFound, TooLarge

DATA = bytes(range(256)) * 8192  # 2 MiB: more than is written at once
MOST = 1 << 30


async def kept(blobs: Blobs, blob_id: str, data: bytes = DATA) -> BlobFacts:
    async with blobs.writing(blob_id, most_bytes=MOST, digests=("md5", "sha512")) as writer:
        for start in range(0, len(data), 100_000):
            await writer.write(data[start : start + 100_000])
        return await writer.keep()


def everything(read: Read, size: int) -> bytes:
    return read(0, size)


class BlobsContract:
    async def test_what_is_kept_is_there_whole_with_its_digests(self, blobs: Blobs) -> None:
        facts = await kept(blobs, "one")
        digests = {name: hashlib.new(name, DATA).hexdigest() for name in ("md5", "sha512")}
        assert facts == BlobFacts(size=len(DATA), digests=digests)
        assert (await blobs.path("one")).read_bytes() == DATA
        assert await blobs.look("one", everything) == DATA
        assert await blobs.observe() == {"one": BlobFacts(size=len(DATA))}

    async def test_nothing_may_be_kept(self, blobs: Blobs) -> None:
        assert (await kept(blobs, "none", b"")).size == 0
        assert await blobs.look("none", everything) == b""

    async def test_of_what_is_not_kept_nothing_is_left(self, blobs: Blobs) -> None:
        async with blobs.writing("one", most_bytes=MOST) as writer:
            await writer.write(DATA)
        with pytest.raises(ValueError, match="mine"):
            async with blobs.writing("two", most_bytes=MOST) as writer:
                await writer.write(DATA)
                raise ValueError("mine")
        assert await blobs.observe() == {}
        with pytest.raises(NotFound):
            await blobs.path("one")

    async def test_it_is_not_there_before_it_is_whole(self, blobs: Blobs) -> None:
        async with blobs.writing("one", most_bytes=MOST) as writer:
            await writer.write(DATA)
            with pytest.raises(NotFound):
                await blobs.path("one")
            with pytest.raises(NotFound):
                await blobs.look("one", everything)
            assert [facts.whole for facts in (await blobs.observe()).values()] == [False]

    async def test_it_can_be_looked_at_before_it_is_kept(self, blobs: Blobs) -> None:
        async with blobs.writing("one", most_bytes=MOST) as writer:
            await writer.write(DATA[:10])
            assert await writer.look(everything) == DATA[:10]
            await writer.write(DATA[10:])
            assert await writer.look(lambda read, size: (read(size - 1, 9), size)) == (DATA[-1:], len(DATA))

    async def test_more_than_was_allowed_is_refused(self, blobs: Blobs) -> None:
        async with blobs.writing("one", most_bytes=10) as writer:
            await writer.write(bytes(10))
            with pytest.raises(TooLarge):
                await writer.write(b"x")
        assert await blobs.observe() == {}

    async def test_what_is_gone_is_gone_and_may_go_again(self, blobs: Blobs) -> None:
        await kept(blobs, "one")
        for _ in range(2):
            await blobs.ensure_gone("one")
        assert await blobs.observe() == {}

    async def test_who_writes_what_was_taken_away_is_told(self, blobs: Blobs) -> None:
        async with blobs.writing("one", most_bytes=MOST) as writer:
            await writer.write(DATA)
            await blobs.ensure_gone("one")
            with pytest.raises(NotFound):
                await writer.keep()
        assert await blobs.observe() == {}

    async def test_who_was_killed_leaves_nothing_in_the_way(self, blobs: Blobs) -> None:
        async with blobs.writing("one", most_bytes=MOST) as writer:
            await writer.write(DATA)
            facts = await kept(blobs, "one", b"later")
        assert facts.size == 5
        assert await blobs.look("one", everything) == b"later"

    async def test_who_is_cancelled_leaves_nothing(self, blobs: Blobs) -> None:
        async def write() -> None:
            async with blobs.writing("one", most_bytes=MOST) as writer:
                while True:
                    await writer.write(DATA)

        writing = asyncio.create_task(write())
        await asyncio.wait([writing], timeout=0.05)
        writing.cancel()
        await asyncio.wait([writing])
        assert await blobs.observe() == {}

    @pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "ü", ".x.unfinished"])
    async def test_an_id_may_be_any_text(self, blobs: Blobs, name: str) -> None:
        await kept(blobs, name, b"x")
        assert await blobs.look(name, everything) == b"x"
        assert await blobs.observe() == {name: BlobFacts(size=1)}
