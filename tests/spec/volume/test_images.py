"""Volumes made of images, and images made of volumes."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from pileus.services.image.images import service as images
from support.block_storage import BlockStorage, error

IMAGES = "/image/v2/images"


async def an_image(volume: BlockStorage, **more: object) -> str:
    about = {"name": "tiny", "disk_format": "raw", "container_format": "bare", **more}
    made = await volume.who.post(IMAGES, json=about)
    assert made.status_code == 201, made.text
    id_ = str(made.json()["id"])
    octets = {"Content-Type": "application/octet-stream"}
    sent = await volume.who.put(f"{IMAGES}/{id_}/file", content=bytes(4096), headers=octets)
    assert sent.status_code == 204, sent.text
    return id_


async def test_a_volume_is_made_of_an_image(volume: BlockStorage) -> None:
    image_id = await an_image(volume, hw_disk_bus="scsi")
    made = await volume.volume(imageRef=image_id)
    assert (made["status"], made["bootable"]) == ("available", "true")
    assert made["volume_image_metadata"]["image_id"] == image_id
    assert made["volume_image_metadata"]["hw_disk_bus"] == "scsi"


async def test_an_image_that_needs_more_or_is_not_there_is_refused(volume: BlockStorage) -> None:
    large = await an_image(volume, min_disk=5)
    for image_id in (large, str(uuid4()), "tiny"):
        answer = await volume.post("/v3/volumes", json={"volume": {"size": 1, "imageRef": image_id}})
        assert error(answer)[:2] == (400, "badRequest")


async def test_a_volume_gets_the_bytes_of_another_image(volume: BlockStorage) -> None:
    made, image_id = await volume.volume(), await an_image(volume)
    sent = await volume.post(f"/v3/volumes/{made['id']}/action", json={"os-reimage": {"image_id": image_id}})
    assert sent.status_code == 202, sent.text
    assert (await volume.shown(made["id"]))["status"] == "downloading"
    await volume.cloud.settle()
    shown = await volume.shown(made["id"])
    assert (shown["status"], shown["bootable"]) == ("available", "true")
    assert shown["volume_image_metadata"]["image_id"] == image_id


async def without_bytes(volume: BlockStorage, mapping: str) -> str:
    """As Compute makes it of a server that runs from a volume."""
    made = await images.create_for(volume.ctx(), properties={"block_device_mapping": mapping}, name="kept")
    await images.set_without_bytes(volume.ctx(), made.id)
    return str(made.id)


async def test_an_image_without_bytes_stands_for_its_snapshot(volume: BlockStorage) -> None:
    origin = await volume.volume(size=2)
    snapshot = await volume.snapshot(origin["id"])
    other = {"source_type": "snapshot", "boot_index": None, "snapshot_id": str(uuid4())}
    root = {"source_type": "snapshot", "boot_index": 0, "snapshot_id": snapshot["id"]}
    image_id = await without_bytes(volume, json.dumps([other, root]))
    made = await volume.volume(size=3, imageRef=image_id)
    assert (made["status"], made["snapshot_id"], made["bootable"]) == ("available", snapshot["id"], "true")
    assert made["volume_image_metadata"]["image_id"] == image_id
    action = f"/v3/volumes/{made['id']}/action"
    assert (await volume.post(action, json={"os-reimage": {"image_id": image_id}})).status_code == 202
    await volume.cloud.settle()
    assert (await volume.shown(made["id"]))["status"] == "available"
    small = await volume.volume()
    answer = await volume.post(f"/v3/volumes/{small['id']}/action", json={"os-reimage": {"image_id": image_id}})
    assert error(answer)[:2] == (400, "badRequest")


@pytest.mark.parametrize("mapping", ["[]", "[", "[" * 60_000, '[{"boot_index": 0}]', "of_a_stranger"])
async def test_an_image_that_stands_for_nothing_makes_no_volume(volume: BlockStorage, mapping: str) -> None:
    if mapping == "of_a_stranger":
        stranger = volume.as_("stranger")
        snapshot = await stranger.snapshot((await stranger.volume())["id"])
        mapping = json.dumps([{"boot_index": 0, "snapshot_id": snapshot["id"]}])
    image_id = await without_bytes(volume, mapping)
    answer = await volume.post("/v3/volumes", json={"volume": {"size": 1, "imageRef": image_id}})
    assert error(answer)[:2] == (400, "badRequest")


@pytest.mark.parametrize("disk_format", ["raw", "qcow2"])
async def test_a_volume_becomes_an_image(volume: BlockStorage, disk_format: str) -> None:
    made = await volume.volume()
    body = {"os-volume_upload_image": {"image_name": "copy", "disk_format": disk_format}}
    sent = await volume.post(f"/v3/volumes/{made['id']}/action", json=body)
    assert sent.status_code == 202, sent.text
    said = sent.json()["os-volume_upload_image"]
    assert (said["status"], said["image_name"]) == ("uploading", "copy")
    await volume.cloud.settle()
    assert (await volume.shown(made["id"]))["status"] == "available"
    image = (await volume.who.get(f"{IMAGES}/{said['image_id']}")).json()
    assert (image["name"], image["disk_format"]) == ("copy", disk_format)
