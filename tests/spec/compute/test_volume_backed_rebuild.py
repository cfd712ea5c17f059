"""Servers that run from volumes: how they are rebuilt."""

from __future__ import annotations

from uuid import UUID, uuid4

from pileus.engines.hypervisor import Power
from pileus.services.compute.servers import store
from support.backed import NEWEST, SNAPSHOTS, VOLUMES, Backed, from_an_image, snapshots, trouble
from support.cloud import RunningCloud
from support.imaged import uploaded
from support.served import SERVERS

IMAGES = "/image/v2/images"
BLANK = {"source_type": "blank", "destination_type": "volume", "volume_size": 2, "delete_on_termination": True}


async def test_its_root_volume_gets_another_image_from_2_93_on(cloud: RunningCloud) -> None:
    server, first = await from_an_image(cloud, BLANK)
    member, second = server.client, str((await uploaded(server.client))["id"])
    root, beside = await server.volumes()
    for image_id, status in ((second, 400), (first, 202)):
        answer = await server.act("rebuild", {"imageRef": image_id}, "2.92")
        assert answer.status_code == status, answer.text
        await cloud.settle()
    assert (await server.volumes())[0]["updated_at"] == root["updated_at"]  # the same image: it stays as it is
    answer = await server.act("rebuild", {"imageRef": second, "name": "anew"}, "2.93")
    assert answer.status_code == 202, answer.text
    found = answer.json()["server"]
    assert (found["status"], found["name"], found["image"]) == ("REBUILD", "anew", "")
    assert [each["status"] for each in await server.volumes()] == ["downloading", "in-use"]
    assert (await server.act("rebuild", {"imageRef": second})).status_code == 409
    extend = {"os-extend": {"new_size": 5}}
    newest = {"OpenStack-API-Version": "volume 3.71"}
    assert (await member.post(f"{VOLUMES}/{root['id']}/action", json=extend, headers=newest)).status_code == 400
    await cloud.settle()
    shown, (anew, still) = await server.shown(), await server.volumes()
    assert (shown["status"], shown["image"], (await server.guest()).power) == ("ACTIVE", "", Power.ON)
    assert (anew["id"], anew["status"], anew["volume_image_metadata"]["image_id"]) == (root["id"], "in-use", second)
    assert (still["id"], still["status"]) == (beside["id"], "in-use")
    assert len((await server.guest()).volumes) == 2
    actions = (await member.get(f"{SERVERS}/{server.id}/os-instance-actions")).json()["instanceActions"]
    assert [each["action"] for each in actions] == ["rebuild", "rebuild", "create"]
    assert (await server.act("rebuild", {"imageRef": second}, "2.92")).status_code == 202


async def test_a_server_that_is_stopped_stays_so_when_it_is_rebuilt(cloud: RunningCloud) -> None:
    server, image_id = await from_an_image(cloud)
    await server.act("os-stop", None)
    await cloud.settle()
    assert (await server.act("rebuild", {"imageRef": image_id})).status_code == 202
    await cloud.settle()
    assert ((await server.shown())["status"], (await server.guest()).power) == ("SHUTOFF", Power.OFF)


async def test_a_server_is_rebuilt_from_the_image_that_was_made_of_it(cloud: RunningCloud) -> None:
    server, _ = await from_an_image(cloud)
    image_id = (await server.act("createImage", {"name": "kept"})).json()["image_id"]
    await cloud.settle()
    (snapshot,) = await snapshots(server.client)
    assert (await server.act("rebuild", {"imageRef": image_id})).status_code == 202
    await cloud.settle()
    (root,) = await server.volumes()
    assert (root["status"], root["volume_image_metadata"]["image_id"]) == ("in-use", image_id)
    assert (await server.shown())["status"] == "ACTIVE"
    assert (await server.client.delete(f"{SNAPSHOTS}/{snapshot['id']}")).status_code == 202
    await cloud.settle()
    assert (await server.act("rebuild", {"imageRef": image_id})).status_code == 400  # what it stood for is gone


async def test_a_volume_is_not_filled_with_a_snapshot_of_another_host(cloud: RunningCloud) -> None:
    server, _ = await from_an_image(cloud)
    image_id = (await server.act("createImage", {"name": "kept"})).json()["image_id"]
    await cloud.settle()
    (root,) = await server.volumes()
    shown = (await cloud.get(f"{VOLUMES}/{root['id']}")).json()["volume"]
    disabled = {"host": shown["os-vol-host-attr:host"].partition("#")[0], "binary": "cinder-volume"}
    assert (await cloud.put("/volume/v3/os-services/disable", json=disabled)).status_code == 200
    elsewhere, _ = await from_an_image(cloud)
    answer = await elsewhere.act("rebuild", {"imageRef": image_id})
    assert (answer.status_code, "another host" in answer.text) == (400, True)


async def test_a_volume_that_others_use_too_is_not_filled(cloud: RunningCloud) -> None:
    multi = {"name": "multi", "extra_specs": {"multiattach": "<is> True"}}
    assert (await cloud.post("/volume/v3/types", json={"volume_type": multi})).status_code == 200
    server, image_id = await from_an_image(cloud, volume_type="multi")
    other, _ = await from_an_image(cloud, volume_type="multi")
    (root,) = await server.volumes()
    attach = {"volumeAttachment": {"volumeId": root["id"]}}
    path = f"/compute/v2.1/servers/{other.id}/os-volume_attachments"
    assert (await other.client.post(path, json=attach, headers=NEWEST)).status_code == 202
    await cloud.settle()
    assert (await server.act("rebuild", {"imageRef": image_id})).status_code == 409
    assert [each["status"] for each in (await server.volumes())] == ["in-use"]
    assert (await other.act("rebuild", {"imageRef": image_id})).status_code == 202  # its root is its own
    attach = {"volumeAttachment": {"volumeId": (await other.volumes())[0]["id"]}}
    path = f"/compute/v2.1/servers/{server.id}/os-volume_attachments"
    assert (await other.client.post(path, json=attach, headers=NEWEST)).status_code == 400  # and stays so meanwhile
    await cloud.settle()
    assert (await other.shown())["status"] == "ACTIVE"


async def test_an_image_that_does_not_fit_rebuilds_nothing(cloud: RunningCloud) -> None:
    server, _ = await from_an_image(cloud)
    for more in ({"min_disk": 2}, {"min_ram": 4096}):
        image = await uploaded(server.client, **more)
        assert (await server.act("rebuild", {"imageRef": image["id"]})).status_code == 400
    assert (await server.act("rebuild", {"imageRef": str(uuid4())})).status_code == 400
    shown, (root,) = await server.shown(), await server.volumes()
    assert (shown["status"], root["status"]) == ("ACTIVE", "in-use")


async def test_a_rebuild_that_fails_before_its_volume_is_written_leaves_that(cloud: RunningCloud) -> None:
    server, first = await from_an_image(cloud)
    image = await uploaded(server.client)
    assert (await server.act("rebuild", {"imageRef": image["id"]})).status_code == 202
    assert (await server.client.delete(f"{IMAGES}/{image['id']}")).status_code == 204
    await cloud.settle()
    shown, (root,) = await server.shown(), await server.volumes()
    assert (shown["status"], shown["fault"]["code"]) == ("ERROR", 500)
    assert (root["status"], root["volume_image_metadata"]["image_id"]) == ("in-use", first)
    assert (await server.guest()).power is Power.ON
    assert (await server.act("reboot", {"type": "HARD"})).status_code == 202
    await cloud.settle()
    assert (await server.shown())["status"] == "ACTIVE"


async def test_a_server_whose_volume_was_never_made_is_not_rebuilt(cloud: RunningCloud) -> None:
    trouble(cloud, "blocks", "ensure_volume")
    image_id = str((await uploaded(cloud.as_("member")))["id"])
    root = {"uuid": image_id, "source_type": "image", "destination_type": "volume", "volume_size": 1, "boot_index": 0}
    server = await Backed(cloud, cloud.as_("member")).made([root])
    assert (await server.shown())["status"] == "ERROR"
    assert (await server.act("rebuild", {"imageRef": image_id})).status_code == 409


async def test_a_server_goes_while_it_is_rebuilt(cloud: RunningCloud) -> None:
    server, image_id = await from_an_image(cloud)
    assert (await server.act("rebuild", {"imageRef": image_id})).status_code == 202
    await server.client.delete(f"{SERVERS}/{server.id}")
    await cloud.settle()
    assert (await server.client.get(f"{SERVERS}/{server.id}")).status_code == 404
    assert (await server.client.get(VOLUMES)).json()["volumes"] == []


async def test_a_server_without_a_disk_is_not_rebuilt(cloud: RunningCloud) -> None:
    """One that is going may have lost its last by the time at which it is looked at."""
    server, image_id = await from_an_image(cloud)
    async with cloud.ctx().transaction() as ctx:
        for device in await store.devices_of(ctx, [UUID(server.id)]):
            await store.drop_device(ctx, device.id)
    answer = await server.act("rebuild", {"imageRef": image_id})
    assert answer.status_code == 409, answer.text
