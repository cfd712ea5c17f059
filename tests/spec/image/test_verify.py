"""`pileus verify` about images."""

from __future__ import annotations

from pileus.kernel.verify import verify
from support.cloud import RunningCloud
from support.imaged import staged, uploaded


async def test_bytes_are_what_the_rows_say(cloud: RunningCloud) -> None:
    image = await uploaded(cloud)
    await staged(cloud, b"others")
    assert await told(cloud) == []
    blobs = cloud.world.own["blobs"]
    async with blobs.writing("nobodys", most_bytes=9) as writer:
        await writer.keep()
    (mine,) = [blob_id for blob_id, facts in (await blobs.observe()).items() if facts.size == image["size"]]
    await blobs.ensure_gone(mine)
    causes = await told(cloud)
    assert any("no image has it" in cause for cause in causes)
    assert any("not there" in cause for cause in causes)


async def told(cloud: RunningCloud) -> list[str]:
    report = await verify(cloud.ctx(), ["image.blobs"])
    return [difference.cause for difference in report.differences]
