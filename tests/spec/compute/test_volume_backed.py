"""Servers that run from volumes: the images that are made of them, and what boots from those."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.backed import NEWEST, SNAPSHOTS, VOLUMES, Backed, from_an_image, snapshots, trouble
from support.cloud import Client, RunningCloud
from support.computed import a_roomy_flavor
from support.imaged import patched, uploaded
from support.served import SERVERS, TINY

IMAGES = "/image/v2/images"
BLANK = {"source_type": "blank", "destination_type": "volume", "volume_size": 2, "delete_on_termination": True}


async def test_its_volumes_become_an_image_that_boots(cloud: RunningCloud) -> None:
    server, origin = await from_an_image(cloud, BLANK)
    member = server.client
    answer = await server.act("createImage", {"name": "kept", "metadata": {"a": "b", "bdm_v2": "x"}})
    assert answer.status_code == 202, answer.text
    path = f"{IMAGES}/{answer.json()['image_id']}"
    assert (await member.get(path)).json()["status"] == "queued"
    assert (await server.shown())["OS-EXT-STS:task_state"] == "image_snapshot"
    assert (await server.act("os-stop", None)).status_code == 409
    await cloud.settle()
    assert (await server.shown())["OS-EXT-STS:task_state"] is None
    image = (await member.get(path)).json()
    about = ("status", "size", "disk_format", "container_format", "visibility", "a", "bdm_v2", "root_device_name")
    assert [image[name] for name in about] == ["active", 0, "raw", "bare", "private", "b", "True", "/dev/vda"]
    assert image["checksum"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert (image["hw_vif_model"], "image_type" in image) == ("e1000", False)
    assert (await member.get(f"{path}/file")).status_code == 204
    first, second = json.loads(image["block_device_mapping"])
    taken = {each["id"]: each for each in await snapshots(member)}
    for entry, size, index, name, volume in zip(
        (first, second), (1, 2), (0, None), "ab", await server.volumes(), strict=True
    ):
        assert (entry["source_type"], entry["destination_type"]) == ("snapshot", "volume")
        assert (entry["boot_index"], entry["device_name"], entry["volume_size"]) == (index, f"/dev/vd{name}", size)
        assert (entry["delete_on_termination"], entry["device_type"], entry["disk_bus"]) == (True, "disk", "virtio")
        snapshot = taken.pop(entry["snapshot_id"])
        assert (snapshot["name"], snapshot["status"]) == ("snapshot for kept", "available")
        assert snapshot["volume_id"] == volume["id"]
        assert entry["volume_id"] is entry["image_id"] is entry["no_device"] is None
    assert not taken
    copy = await Backed(cloud, member).made([], imageRef=image["id"])
    assert ((await copy.shown())["status"], (await copy.guest()).disks) == ("ACTIVE", ())
    assert (await copy.shown())["image"]["id"] == image["id"]
    root, beside = await copy.volumes()
    assert (root["snapshot_id"], beside["snapshot_id"]) == (first["snapshot_id"], second["snapshot_id"])
    assert (root["bootable"], root["volume_image_metadata"]["image_id"]) == ("true", origin)
    assert (await copy.act("rescue", {})).status_code == 400  # it has no bytes
    assert (await copy.act("rebuild", {"imageRef": origin})).json()["server"]["image"]["id"] == image["id"]
    await cloud.settle()
    assert (await copy.volumes())[0]["volume_image_metadata"]["image_id"] == origin
    await member.delete(f"{SERVERS}/{copy.id}")
    await cloud.settle()
    assert (await member.get(f"{VOLUMES}/{root['id']}")).status_code == 404


async def test_its_local_disks_are_described_too(cloud: RunningCloud) -> None:
    swap = {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": 64}
    flavor = await a_roomy_flavor(cloud)
    server, _ = await from_an_image(cloud, swap, flavorRef=flavor)
    answer = await server.act("createImage", {"name": "kept"}, "2.44")
    await cloud.settle()
    image_id = answer.headers["location"].rpartition("/")[2]
    image = (await server.client.get(f"{IMAGES}/{image_id}")).json()
    swapped = json.loads(image["block_device_mapping"])[1]
    assert (swapped["source_type"], swapped["guest_format"], swapped["volume_size"]) == ("blank", "swap", 64)
    copy = await Backed(cloud, server.client).made([], imageRef=image_id, flavorRef=flavor)
    assert (await copy.guest()).disks == ("swap", "ephemeral0")
    assert (await boots(server.client, image_id)).status_code == 400  # the tiny flavor has no swap


@pytest.mark.parametrize(
    ("sizes", "status"),
    [([None], 202), ([1], 202), ([2], 400), ([1, 1], 400), (["64"], 202), (["65"], 400), (["1"] * 2, 400)],
)
async def test_no_blank_disk_is_more_than_the_flavor_gives(
    cloud: RunningCloud, sizes: list[int | str | None], status: int
) -> None:
    """Numbers: GiB of ephemeral disks; texts: MiB of swap."""
    member = cloud.as_("member")
    local = {"source_type": "blank", "destination_type": "local", "boot_index": -1}
    swap = [{**local, "guest_format": "swap", "volume_size": size} for size in sizes if isinstance(size, str)]
    sized = [local | ({"volume_size": size} if size else {}) for size in sizes if not isinstance(size, str)]
    image_id = str((await uploaded(member))["id"])
    root = {"uuid": image_id, "source_type": "image", "destination_type": "local", "boot_index": 0}
    body = {"name": "roomy", "flavorRef": await a_roomy_flavor(cloud), "networks": "none", "imageRef": image_id}
    body["block_device_mapping_v2"] = [root, *swap, *sized]
    answer = await member.post(SERVERS, json={"server": body}, headers=NEWEST)
    assert answer.status_code == status, answer.text
    if status == 202:
        await cloud.settle()
        server = Backed(cloud, member)
        server.id = answer.json()["server"]["id"]
        assert sorted((await server.guest()).disks) == ["ephemeral0", "root", "swap"]


async def test_an_image_of_volumes_that_fails_leaves_nothing(cloud: RunningCloud) -> None:
    server, _ = await from_an_image(cloud, BLANK)
    trouble(cloud, "blocks", "ensure_snapshot")
    image_id = (await server.act("createImage", {"name": "kept"})).json()["image_id"]
    assert len(await snapshots(server.client)) == 2
    await cloud.settle()
    assert await snapshots(server.client) == []
    assert (await server.client.get(f"{IMAGES}/{image_id}")).status_code == 404
    shown = await server.shown()
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    actions = (await server.client.get(f"{SERVERS}/{server.id}/os-instance-actions")).json()["instanceActions"]
    assert (actions[0]["action"], actions[0]["message"]) == ("createImage", "Error")


async def test_a_server_that_goes_takes_the_image_along_that_is_being_made_of_it(cloud: RunningCloud) -> None:
    server, _ = await from_an_image(cloud)
    image_id = (await server.act("createImage", {"name": "kept"})).json()["image_id"]
    await server.client.delete(f"{SERVERS}/{server.id}")
    await cloud.settle()
    for path in (f"{SERVERS}/{server.id}", f"{IMAGES}/{image_id}"):
        assert (await server.client.get(path)).status_code == 404
    assert (await snapshots(server.client), (await server.client.get(VOLUMES)).json()["volumes"]) == ([], [])


@pytest.mark.parametrize("what", ["image", "snapshot"])
async def test_what_is_deleted_while_an_image_is_made_ends_it(cloud: RunningCloud, what: str) -> None:
    server, _ = await from_an_image(cloud)
    image_id = (await server.act("createImage", {"name": "kept"})).json()["image_id"]
    (snapshot,) = await snapshots(server.client)
    gone = {"image": f"{IMAGES}/{image_id}", "snapshot": f"{SNAPSHOTS}/{snapshot['id']}/action"}[what]
    if what == "image":
        assert (await server.client.delete(gone)).status_code == 204
    else:
        assert (await cloud.post(gone, json={"os-force_delete": {}})).status_code == 202
    await cloud.settle()
    assert (await snapshots(server.client), (await server.shown())["status"]) == ([], "ACTIVE")
    assert (await server.client.get(f"{IMAGES}/{image_id}")).status_code == 404


async def test_no_image_is_made_past_the_quota_of_snapshots(cloud: RunningCloud) -> None:
    server, _ = await from_an_image(cloud, BLANK)
    path = f"/volume/v3/os-quota-sets/{server.client.project_id}"
    assert (await cloud.put(path, json={"quota_set": {"snapshots": 1}})).status_code == 200
    answer = await server.act("createImage", {"name": "kept"})
    assert (answer.status_code, "snapshots" in answer.text) == (403, True)
    assert (await snapshots(server.client), (await server.shown())["OS-EXT-STS:task_state"]) == ([], None)
    assert [each["name"] for each in (await server.client.get(IMAGES)).json()["images"]] == ["tiny"]


async def test_who_may_not_make_such_images_or_backups_is_told(cloud: RunningCloud) -> None:
    server, _ = await from_an_image(cloud)
    body = {"name": "b", "backup_type": "daily", "rotation": 2}
    assert (await server.act("createBackup", body)).status_code == 400
    action = f"/compute/v2.1/servers/{server.id}/action"
    assert (await cloud.as_("reader").post(action, json={"createImage": {"name": "b"}})).status_code == 403
    (root,) = await server.volumes()
    reset = {"os-reset_status": {"status": "maintenance"}}
    assert (await cloud.post(f"{VOLUMES}/{root['id']}/action", json=reset)).status_code == 202
    assert (await server.act("createImage", {"name": "b"})).status_code == 400
    assert (await server.client.get(f"{IMAGES}?name=b")).json()["images"] == []


SOME = "3f0c9a52-8d3e-4f5e-9a68-0d4d1c1b7a11"  # in the names of tests, which two processes give alike


@pytest.mark.parametrize(
    "mapping",
    [
        "[",
        "{}",
        "[" * 60_000,
        '[{"source_type": "disk"}]',
        '[{"source_type": "snapshot", "boot_index": 0}]',
        json.dumps([{"source_type": "snapshot", "snapshot_id": SOME, "boot_index": 0}]),
        json.dumps([{"source_type": "volume", "volume_id": SOME, "boot_index": 0}]),
        json.dumps([{"source_type": "image", "image_id": SOME, "boot_index": 0, "volume_size": 1}]),
        json.dumps([{"source_type": "blank", "volume_size": 10**30}]),
        json.dumps([{"source_type": "blank", "device_name": "a b"}]),
        json.dumps([{"source_type": "blank"}] * 30),
        json.dumps([{"source_type": "blank", "boot_index": 7}]),
        "[]",
    ],
)
async def test_a_mapping_that_is_none_boots_nothing(cloud: RunningCloud, mapping: str) -> None:
    member = cloud.as_("member")
    whole = await uploaded(member, bdm_v2="true", block_device_mapping=mapping)
    answer = await boots(member, whole["id"])
    assert answer.status_code == (202 if mapping == "[]" else 400), answer.text


async def boots(client: Client, image_id: str) -> Any:
    body = {"name": "bfv", "flavorRef": TINY, "networks": "none", "imageRef": image_id}
    return await client.post(SERVERS, json={"server": body}, headers=NEWEST)


async def test_a_mapping_of_the_first_kind_is_refused(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    image = await uploaded(member, block_device_mapping='[{"source_type": "blank"}]')
    answer = await boots(member, image["id"])
    assert (answer.status_code, "bdm_v2" in answer.text) == (400, True)


async def test_others_snapshots_boot_nothing(cloud: RunningCloud) -> None:
    """An image that everybody sees may name what only its owner may use."""
    server, _ = await from_an_image(cloud)
    image_id = (await server.act("createImage", {"name": "kept"})).json()["image_id"]
    await cloud.settle()
    public = {"op": "replace", "path": "/visibility", "value": "public"}
    assert (await patched(cloud, image_id, public)).status_code == 200
    answer = await boots(cloud.as_("stranger"), image_id)
    assert (answer.status_code, "failed to get snapshot" in answer.text) == (400, True)


async def test_what_is_asked_for_goes_before_what_an_image_describes(cloud: RunningCloud) -> None:
    server, _ = await from_an_image(cloud, BLANK)
    image_id = (await server.act("createImage", {"name": "kept"})).json()["image_id"]
    await cloud.settle()
    root = {"uuid": image_id, "source_type": "image", "destination_type": "volume", "volume_size": 3, "boot_index": 0}
    other = {**BLANK, "volume_size": 4, "device_name": "vdb"}
    copy = await Backed(cloud, server.client).made([root, other])
    sizes = [(each["size"], each["snapshot_id"] is not None) for each in await copy.volumes()]
    assert sorted(sizes) == [(1, True), (4, False)]
