"""Attachments: reserved, connected, completed, gone."""

from __future__ import annotations

from uuid import uuid4

from support.block_storage import BlockStorage, error


async def test_a_volume_is_reserved_connected_completed_and_let_go(volume: BlockStorage) -> None:
    made = await volume.volume()
    server_id = str(uuid4())
    attachment = await volume.attachment(made["id"], instance_uuid=server_id, mode="ro")
    assert (attachment["status"], attachment["instance"], attachment["attach_mode"]) == ("reserved", server_id, "ro")
    assert attachment["connection_info"] == {}
    assert (await volume.shown(made["id"]))["status"] == "reserved"
    path = f"/v3/attachments/{attachment['id']}"
    body = {"attachment": {"connector": {"host": "h1", "mountpoint": "/dev/vdb"}}}
    connected = (await volume.worked(volume.put(path, json=body))).json()["attachment"]
    assert (connected["status"], connected["connection_info"]["driver_volume_type"]) == ("attaching", "sim")
    assert volume.everywhere("exports") == [attachment["id"]]
    assert (await volume.shown(made["id"]))["status"] == "attaching"
    assert (
        await volume.post(f"/v3/attachments/{attachment['id']}/action", json={"os-complete": None})
    ).status_code == 204
    shown = await volume.shown(made["id"])
    assert shown["status"] == "in-use"
    [seen] = shown["attachments"]
    assert (seen["server_id"], seen["attachment_id"], seen["device"]) == (server_id, attachment["id"], "/dev/vdb")
    assert seen["host_name"] is None
    assert error(await volume.delete(f"/v3/volumes/{made['id']}"))[0] == 400
    gone = await volume.worked(volume.delete(path))
    assert gone.json() == {"attachments": []}
    assert (await volume.shown(made["id"]))["status"] == "available"
    assert volume.everywhere("exports") == []
    assert error(await volume.get(path))[:2] == (404, "itemNotFound")


async def test_a_reserved_volume_is_nobody_elses(volume: BlockStorage) -> None:
    made = await volume.volume()
    attachment = await volume.attachment(made["id"])
    again = {"attachment": {"volume_uuid": made["id"], "instance_uuid": str(uuid4())}}
    assert error(await volume.post("/v3/attachments", json=again))[0] == 400
    same = {"attachment": {"volume_uuid": made["id"], "instance_uuid": attachment["instance"]}}
    assert (await volume.post("/v3/attachments", json=same)).status_code == 200
    assert error(await volume.delete(f"/v3/volumes/{made['id']}"))[0] == 400


async def test_an_empty_connector_is_none(volume: BlockStorage) -> None:
    made = await volume.volume()
    attachment = await volume.attachment(made["id"], connector={})
    assert (attachment["status"], attachment["connection_info"]) == ("reserved", {})
    assert (
        error(await volume.put(f"/v3/attachments/{attachment['id']}", json={"attachment": {"connector": {}}}))[0] == 400
    )


async def test_attachments_are_listed(volume: BlockStorage) -> None:
    made = await volume.volume()
    attachment = await volume.attachment(made["id"])
    other = await volume.attachment((await volume.volume())["id"])
    listed = (await volume.get("/v3/attachments")).json()["attachments"]
    assert [each["id"] for each in listed] == [other["id"], attachment["id"]]
    assert set(listed[0]) == {"id", "status", "instance", "volume_id"}
    [detail] = (await volume.get(f"/v3/attachments/detail?volume_id={made['id']}")).json()["attachments"]
    assert (await volume.get(f"/v3/attachments/{attachment['id']}")).json() == {"attachment": detail}
    assert (await volume.as_("stranger").get("/v3/attachments")).json() == {"attachments": []}
    assert error(await volume.at("3.26").get("/v3/attachments"))[0] == 404


async def test_a_connector_names_a_host(volume: BlockStorage) -> None:
    made = await volume.volume()
    attachment = await volume.attachment(made["id"])
    for connector in ({}, {"host": ""}, {"host": 1}, {f"k{n}": 1 for n in range(65)} | {"host": "h1"}):
        answer = await volume.put(f"/v3/attachments/{attachment['id']}", json={"attachment": {"connector": connector}})
        assert error(answer)[0] == 400
    body = {"attachment": {"volume_uuid": str(uuid4())}}
    assert error(await volume.post("/v3/attachments", json=body))[0] == 404
