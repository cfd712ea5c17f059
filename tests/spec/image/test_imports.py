"""Import: bytes that are staged, or fetched, and become an image's in an operation."""

from __future__ import annotations

from support.cloud import RunningCloud
from support.imaged import DATA, OCTETS, registered


async def test_bytes_are_staged(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await registered(member)
    answer = await member.put(f"/image/v2/images/{image['id']}/stage", content=DATA, headers=OCTETS)
    assert (answer.status_code, answer.content) == (204, b"")
    shown = (await member.get(f"/image/v2/images/{image['id']}")).json()
    assert (shown["status"], shown["size"], shown["checksum"], "stores" in shown) == (
        "uploading",
        len(DATA),
        None,
        False,
    )
    again = await member.put(f"/image/v2/images/{image['id']}/stage", content=DATA, headers=OCTETS)
    assert again.status_code == 409
    assert (await member.get(f"/image/v2/images/{image['id']}/file")).status_code == 204
    assert (await member.delete(f"/image/v2/images/{image['id']}")).status_code == 204
    await cloud.settle()
    assert await cloud.world.own["blobs"].observe() == {}
