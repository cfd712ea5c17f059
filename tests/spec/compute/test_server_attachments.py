"""Volumes of servers that are there."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from pileus.engines.troubles import Trouble
from support.cloud import Client, RunningCloud
from support.computed import a_roomy_flavor, at
from support.served import SERVERS, TINY, made

VOLUMES = "/volume/v3/volumes"
NEWEST = at("2.104")


async def volume(cloud: RunningCloud, client: Client, **more: Any) -> str:
    answer = await client.post(VOLUMES, json={"volume": {"size": 1, **more}})
    assert answer.status_code == 202, answer.text
    await cloud.settle()
    return str(answer.json()["volume"]["id"])


async def status(client: Client, volume_id: str) -> str:
    return str((await client.get(f"{VOLUMES}/{volume_id}")).json()["volume"]["status"])


async def plugged(cloud: RunningCloud, server_id: UUID) -> int:
    found = {}
    for host in ("h1", "h2"):
        found |= await cloud.world.engine("hypervisor", host).observe()
    return len(found[server_id].volumes)


async def exports(cloud: RunningCloud) -> int:
    return sum([len((await cloud.world.engine("blocks", host).observe()).exports) for host in ("h1", "h2")])


async def test_a_volume_is_attached_and_detached(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server, volume_id = await made(cloud, member), await volume(cloud, member)
    path = f"/compute/v2.1/servers/{server.id}/os-volume_attachments"
    one = f"/compute/v2.1/servers/{server.id}/os-volume_attachments/{volume_id}"
    answer = await member.post(path, json={"volumeAttachment": {"volumeId": volume_id}}, headers=at("2.79"))
    assert answer.status_code == 200, answer.text
    expected = {"id": volume_id, "serverId": str(server.id), "volumeId": volume_id, "device": "/dev/vdb"}
    assert answer.json()["volumeAttachment"] == {**expected, "tag": None, "delete_on_termination": False}
    await cloud.settle()
    assert (await status(member, volume_id), await plugged(cloud, server.id)) == ("in-use", 1)
    assert (await member.get(path)).json()["volumeAttachments"] == [expected]
    newest = (await member.get(one, headers=NEWEST)).json()["volumeAttachment"]
    assert "id" not in newest
    assert newest["attachment_id"] == newest["bdm_uuid"]
    shown = (await member.get(f"{SERVERS}/{server.id}", headers=NEWEST)).json()["server"]
    assert shown["os-extended-volumes:volumes_attached"] == [{"id": volume_id, "delete_on_termination": False}]
    body = {"volumeAttachment": {"volumeId": volume_id, "delete_on_termination": True}}
    assert (await member.put(one, json=body, headers=at("2.85"))).status_code == 202
    assert (await member.put(one, json=body)).status_code == 400
    assert (await member.post(path, json={"volumeAttachment": {"volumeId": volume_id}})).status_code == 400
    assert (await member.delete(one)).status_code == 202
    await cloud.settle()
    assert (await status(member, volume_id), await plugged(cloud, server.id)) == ("available", 0)
    assert await exports(cloud) == 0
    assert (await member.get(one)).status_code == (await member.delete(one)).status_code == 404
    actions = (await member.get(f"{SERVERS}/{server.id}/os-instance-actions")).json()["instanceActions"]
    assert [each["action"] for each in actions] == ["detach_volume", "attach_volume", "create"]


async def test_several_at_once(cloud: RunningCloud) -> None:
    server = await made(cloud)
    volumes = [await volume(cloud, cloud) for _ in range(3)]
    for volume_id in volumes:
        body = {"volumeAttachment": {"volumeId": volume_id}}
        assert (await cloud.post(f"{SERVERS}/{server.id}/os-volume_attachments", json=body)).status_code == 200
    await cloud.settle()
    assert await plugged(cloud, server.id) == 3
    assert (await cloud.post(f"{SERVERS}/{server.id}/action", json={"os-stop": None})).status_code == 202
    await cloud.settle()
    for volume_id in volumes:
        await cloud.delete(f"{SERVERS}/{server.id}/os-volume_attachments/{volume_id}")
    await cloud.settle()
    assert await plugged(cloud, server.id) == 0
    assert {await status(cloud, volume_id) for volume_id in volumes} == {"available"}


async def test_what_cannot_be_attached_is_refused(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server, volume_id = await made(cloud, member), await volume(cloud, member)
    path = f"{SERVERS}/{server.id}/os-volume_attachments"
    for body, code in (
        ({"volumeId": str(uuid4())}, 404),
        ({"volumeId": "x"}, 400),
        ({"volumeId": volume_id, "device": "x"}, 400),
        ({"volumeId": volume_id, "device": "/dev/vda"}, 409),
        ({"volumeId": volume_id, "tag": "x"}, 400),
        ({}, 400),
    ):
        assert (await member.post(path, json={"volumeAttachment": body})).status_code == code, body
    await member.post(f"{SERVERS}/{server.id}/action", json={"suspend": None})
    await cloud.settle()
    assert (await member.post(path, json={"volumeAttachment": {"volumeId": volume_id}})).status_code == 409
    assert await status(member, volume_id) == "available"
    assert (await cloud.as_("reader").post(path, json={"volumeAttachment": {"volumeId": volume_id}})).status_code == 403


async def test_an_attachment_that_fails_leaves_both_as_they_were(cloud: RunningCloud) -> None:
    server, volume_id = await made(cloud), await volume(cloud, cloud)
    for host in ("h1", "h2"):
        cloud.world.rims["hypervisor", host]._behind.troubles.add(
            Trouble(kind="fail", once=True, cause="no slot is free"), verb="ensure_defined"
        )
    await cloud.post(f"{SERVERS}/{server.id}/os-volume_attachments", json={"volumeAttachment": {"volumeId": volume_id}})
    await cloud.settle()
    assert (await status(cloud, volume_id), await plugged(cloud, server.id), await exports(cloud)) == (
        "available",
        0,
        0,
    )
    assert (await cloud.get(f"{SERVERS}/{server.id}/os-volume_attachments")).json() == {"volumeAttachments": []}


async def test_a_server_that_goes_gives_its_volumes_back(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server, kept, going = await made(cloud, member), await volume(cloud, member), await volume(cloud, member)
    path = f"{SERVERS}/{server.id}/os-volume_attachments"
    await member.post(path, json={"volumeAttachment": {"volumeId": kept}})
    body = {"volumeId": going, "delete_on_termination": True}
    await member.post(path, json={"volumeAttachment": body}, headers=at("2.79"))
    assert (await member.delete(f"{SERVERS}/{server.id}")).status_code == 204  # while they are being attached
    await cloud.settle()
    assert await status(member, kept) == "available"
    assert (await member.get(f"{SERVERS}/{server.id}")).status_code == 404
    assert await exports(cloud) == 0


async def bootable(client: Client, volume_id: str) -> None:
    answer = await client.post(f"{VOLUMES}/{volume_id}/action", json={"os-set_bootable": {"bootable": True}})
    assert answer.status_code == 200, answer.text


async def test_a_server_boots_from_no_volume_that_is_not_bootable(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    device = {
        "uuid": await volume(cloud, member),
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": 0,
    }
    body = {"name": "bfv", "flavorRef": TINY, "block_device_mapping_v2": [device], "networks": "none"}
    answer = await member.post(SERVERS, json={"server": body}, headers=at("2.37"))
    assert answer.status_code == 400
    assert "not bootable" in answer.text


async def test_a_server_boots_from_volumes(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    old = await volume(cloud, member)
    await bootable(member, old)
    devices: list[dict[str, Any]] = [
        {"uuid": old, "source_type": "volume", "destination_type": "volume", "boot_index": 0},
        {
            "source_type": "blank",
            "destination_type": "volume",
            "volume_size": 2,
            "delete_on_termination": True,
            "boot_index": -1,
        },
        {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": 64},
    ]
    flavor = await a_roomy_flavor(cloud)
    body = {"name": "bfv", "flavorRef": flavor, "block_device_mapping_v2": devices, "networks": "none"}
    answer = await member.post(SERVERS, json={"server": body}, headers=NEWEST)
    assert answer.status_code == 202, answer.text
    server_id = UUID(answer.json()["server"]["id"])
    await cloud.settle()
    shown = (await member.get(f"{SERVERS}/{server_id}", headers=NEWEST)).json()["server"]
    assert (shown["status"], shown["image"]) == ("ACTIVE", "")
    first, second = shown["os-extended-volumes:volumes_attached"]
    assert (first["id"], second["delete_on_termination"]) == (old, True)
    assert (await status(member, old), await status(member, second["id"])) == ("in-use", "in-use")
    assert await plugged(cloud, server_id) == 2
    assert (await member.delete(f"{SERVERS}/{server_id}/os-volume_attachments/{old}")).status_code == 409
    await member.delete(f"{SERVERS}/{server_id}")
    await cloud.settle()
    assert await status(member, old) == "available"
    assert (await member.get(f"{VOLUMES}/{second['id']}")).status_code == 404


async def test_a_boot_from_volumes_that_fails_leaves_none_of_its_own(cloud: RunningCloud) -> None:
    for host in ("h1", "h2"):
        cloud.world.rims["hypervisor", host]._behind.troubles.add(Trouble(kind="fail", cause="no"), verb="ensure_power")
    old = await volume(cloud, cloud)
    await bootable(cloud, old)
    devices = [
        {"uuid": old, "source_type": "volume", "destination_type": "volume", "boot_index": 0},
        {"source_type": "blank", "destination_type": "volume", "volume_size": 2},
    ]
    body = {"name": "bfv", "flavorRef": TINY, "block_device_mapping_v2": devices, "networks": "none"}
    answer = await cloud.post(SERVERS, json={"server": body}, headers=NEWEST)
    await cloud.settle()
    shown = (await cloud.get(f"{SERVERS}/{answer.json()['server']['id']}")).json()["server"]
    assert shown["status"] == "ERROR"
    listed = (await cloud.get(VOLUMES)).json()["volumes"]
    assert [each["id"] for each in listed] == [old]
    assert (await status(cloud, old), await exports(cloud)) == ("available", 0)


async def test_what_a_server_uses_is_detached_from_it_alone(cloud: RunningCloud) -> None:
    """Not by Block Storage behind its back: the guest would write to what may be another's by then."""
    member = cloud.as_("member")
    server, volume_id = await made(cloud, member), await volume(cloud, member)
    path = f"{SERVERS}/{server.id}/os-volume_attachments"
    await member.post(path, json={"volumeAttachment": {"volumeId": volume_id}})
    await cloud.settle()
    newer = {"OpenStack-API-Version": "volume 3.27"}
    [attachment] = (await member.get("/volume/v3/attachments", headers=newer)).json()["attachments"]
    answers = [
        await member.delete(f"/volume/v3/attachments/{attachment['id']}", headers=newer),
        await member.post(f"{VOLUMES}/{volume_id}/action", json={"os-detach": {}}),
        await cloud.post(f"{VOLUMES}/{volume_id}/action", json={"os-force_detach": {}}),
    ]
    for answer in answers:
        assert answer.status_code == 409
        assert f"Detach volume from instance {server.id} using the Compute API" in answer.text
    assert (await status(member, volume_id), await plugged(cloud, server.id)) == ("in-use", 1)
    assert (await member.delete(f"{path}/{volume_id}")).status_code == 202
    await cloud.settle()
    assert (await status(member, volume_id), await exports(cloud)) == ("available", 0)
