"""What `pileus verify` says of volumes: each way in which hosts can disagree with their rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from pileus.engines.blocks import Export, Snapshot, Volume
from pileus.kernel.db import metadata
from pileus.kernel.verify import verify
from support.block_storage import BlockStorage

CHECKS = [f"volume.{name}" for name in ("volumes", "snapshots", "exports", "states", "quotas")]
FENCE = 10**9  # of nobody: newer than any operation's


class Scene:
    """A volume with a snapshot, which a host may open."""

    def __init__(self, volume: BlockStorage, volume_id: str, snapshot_id: str, attachment_id: str, host: str) -> None:
        self.volume, self.host = volume, host
        self.volume_id, self.snapshot_id, self.attachment_id = UUID(volume_id), UUID(snapshot_id), UUID(attachment_id)

    @property
    def blocks(self) -> Any:
        return self.volume.cloud.world.engine("blocks", self.host)

    async def write(self, name: str, id_: UUID, **columns: Any) -> None:
        table = metadata.tables[name]
        async with self.volume.cloud.ctx().transaction() as ctx:
            await ctx.execute(table.update().where(table.c.id == id_).values(**columns))

    async def told(self) -> dict[tuple[str, str], str]:
        found = (await verify(self.volume.cloud.ctx(), CHECKS)).differences
        told: dict[tuple[str, str], str] = {}
        for each in found:
            told[each.subject, each.subject_id] = told.get((each.subject, each.subject_id), "") + each.cause
        return told


async def scene(volume: BlockStorage) -> Scene:
    made = await volume.volume(size=2)
    snapshot = await volume.snapshot(made["id"])
    attachment = await volume.attachment(made["id"])
    connector = {"connector": {"host": "h2", "initiator": "iqn.x", "ip": "192.0.2.1"}}
    path = f"/v3/attachments/{attachment['id']}"
    assert (await volume.worked(volume.put(path, json={"attachment": connector}))).status_code == 200
    assert (await volume.post(f"{path}/action", json={"os-complete": {}})).status_code == 204
    (host,) = [name for name in ("h1", "h2") if made["id"] in volume.held(name, "volumes")]
    return Scene(volume, made["id"], snapshot["id"], attachment["id"], host)


async def a_volume_that_is_missing(on: Scene) -> tuple[str, object]:
    (on.volume.cloud.world.state / "hosts" / on.host / "blocks" / "volumes" / f"{on.volume_id}.json").unlink()
    return "volume", on.volume_id


async def a_volume_that_no_row_has(on: Scene) -> tuple[str, object]:
    stray = Volume(id=uuid4(), size_gib=3)
    await on.blocks.ensure_volume(stray, fence=FENCE)
    return "volume", stray.id


async def a_volume_that_is_larger(on: Scene) -> tuple[str, object]:
    await on.blocks.ensure_volume(Volume(id=on.volume_id, size_gib=5), fence=FENCE)
    return "volume", on.volume_id


async def gigabytes_that_no_quota_counts(on: Scene) -> tuple[str, object]:
    await on.blocks.ensure_volume(Volume(id=on.volume_id, size_gib=5), fence=FENCE)
    return "project", on.volume.who.project_id


async def a_snapshot_that_is_missing(on: Scene) -> tuple[str, object]:
    await on.blocks.ensure_snapshot_gone(on.snapshot_id, fence=FENCE)
    return "snapshot", on.snapshot_id


async def a_snapshot_that_no_row_has(on: Scene) -> tuple[str, object]:
    stray = Snapshot(id=uuid4(), volume_id=on.volume_id)
    await on.blocks.ensure_snapshot(stray, fence=FENCE)
    return "snapshot", stray.id


async def an_export_that_is_missing(on: Scene) -> tuple[str, object]:
    await on.blocks.ensure_unexported(on.attachment_id, fence=FENCE)
    return "attachment", on.attachment_id


async def an_export_that_no_row_has(on: Scene) -> tuple[str, object]:
    stray = Export(id=uuid4(), volume_id=on.volume_id, host="h2")
    await on.blocks.ensure_exported(stray, fence=FENCE)
    return "attachment", stray.id


async def an_export_that_its_row_knows_nothing_of(on: Scene) -> tuple[str, object]:
    await on.write("volume_attachment", on.attachment_id, connection=None)
    return "attachment", on.attachment_id


async def an_attachment_of_no_volume(on: Scene) -> tuple[str, object]:
    await on.write("volume_attachment", on.attachment_id, volume_id=uuid4())
    return "attachment", on.attachment_id


async def a_deletion_that_nobody_does(on: Scene) -> tuple[str, object]:
    await on.write("volume_volume", on.volume_id, status="deleting")
    return "volume", on.volume_id


async def a_snapshot_that_nobody_takes(on: Scene) -> tuple[str, object]:
    await on.write("volume_snapshot", on.snapshot_id, status="creating")
    return "snapshot", on.snapshot_id


async def a_volume_that_is_used_and_available(on: Scene) -> tuple[str, object]:
    await on.write("volume_volume", on.volume_id, status="available")
    return "volume", on.volume_id


async def a_volume_that_nobody_uses(on: Scene) -> tuple[str, object]:
    table = metadata.tables["volume_attachment"]
    async with on.volume.cloud.ctx().transaction() as ctx:
        await ctx.execute(table.delete())
    return "volume", on.volume_id


KINDS: list[tuple[Callable[[Scene], Awaitable[tuple[str, object]]], str]] = [
    (a_volume_that_is_missing, "The rows say that it is there with 2 GiB, and it is not. What was in it"),
    (a_volume_that_no_row_has, "It is there with 3 GiB. No row has it"),
    (a_volume_that_is_larger, "The rows say 2 GiB, and it is 5 GiB. Extend it"),
    (gigabytes_that_no_quota_counts, "Its quota counts 4 of gigabytes, and there are 7"),
    (a_snapshot_that_is_missing, ", and it is not. What was in it"),
    (a_snapshot_that_no_row_has, "No row has it"),
    (an_export_that_is_missing, ", and it is not. Detach it"),
    (an_export_that_no_row_has, "No row has it"),
    (an_export_that_its_row_knows_nothing_of, "No row has it"),
    (an_attachment_of_no_volume, "and there is no such volume. Delete the attachment."),
    (a_deletion_that_nobody_does, "The row says deleting, and no operation is at work on it. Reset"),
    (a_snapshot_that_nobody_takes, "The row says creating, and no operation"),
    (a_volume_that_is_used_and_available, "The row says available, and 1 have it attached"),
    (a_volume_that_nobody_uses, "The row says in-use, and nobody has it attached"),
]


@pytest.mark.parametrize(("plant", "words"), [pytest.param(*kind, id=kind[0].__name__) for kind in KINDS])
async def test_each_disagreement_is_told(
    volume: BlockStorage, plant: Callable[[Scene], Awaitable[tuple[str, object]]], words: str
) -> None:
    on = await scene(volume)
    assert await on.told() == {}
    subject, subject_id = await plant(on)
    told = await on.told()
    assert words in told[subject, str(subject_id)]


async def test_an_extension_that_came_to_nothing_may_have_left_more_than_is_said(volume: BlockStorage) -> None:
    on = await scene(volume)
    await a_volume_that_is_larger(on)
    await on.write("volume_volume", on.volume_id, status="error_extending")
    assert await on.told() == {}


async def test_a_volume_that_is_being_made_is_none(volume: BlockStorage) -> None:
    assert (await volume.post("/v3/volumes", json={"volume": {"size": 1}})).status_code == 202
    assert [each.cause for each in (await verify(volume.cloud.ctx(), CHECKS)).differences] == []
    await volume.cloud.settle()
    assert (await verify(volume.cloud.ctx(), CHECKS)).differences == []
