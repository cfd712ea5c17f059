"""An image in a volume, and a volume in an image."""

from __future__ import annotations

from support.cloud import RunningCloud
from support.imaged import uploaded


async def test_a_volume_is_made_of_an_image(cloud: RunningCloud) -> None:
    image = await uploaded(cloud, os_distro="debian")
    body = {"volume": {"size": 1, "imageRef": image["id"]}}
    answer = await cloud.post("/volume/v3/volumes", json=body)
    assert answer.status_code == 202, answer.text
    await cloud.settle()
    volume = (await cloud.get(f"/volume/v3/volumes/{answer.json()['volume']['id']}")).json()["volume"]
    assert (volume["status"], volume["bootable"]) == ("available", "true")
    assert volume["volume_image_metadata"]["image_id"] == image["id"]


async def test_an_image_is_made_of_a_volume(cloud: RunningCloud) -> None:
    made = (await cloud.post("/volume/v3/volumes", json={"volume": {"size": 1}})).json()["volume"]
    await cloud.settle()
    action = {"os-volume_upload_image": {"image_name": "copy", "disk_format": "raw", "container_format": "bare"}}
    answer = await cloud.post(f"/volume/v3/volumes/{made['id']}/action", json=action)
    assert answer.status_code == 202, answer.text
    image_id = answer.json()["os-volume_upload_image"]["image_id"]
    assert (await cloud.get(f"/image/v2/images/{image_id}")).json()["status"] == "queued"
    await cloud.settle()
    image = (await cloud.get(f"/image/v2/images/{image_id}")).json()
    assert (image["status"], image["name"], image["disk_format"]) == ("active", "copy", "raw")
