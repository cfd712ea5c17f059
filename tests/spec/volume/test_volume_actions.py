"""What may be done to a volume by an action, and its metadata."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

from pileus.engines.troubles import Trouble
from support.block_storage import BlockStorage, error


async def act(volume: BlockStorage, id_: str, action: str, value: Any = None) -> httpx.Response:
    return await volume.post(f"/v3/volumes/{id_}/action", json={action: value})


async def test_a_volume_grows(volume: BlockStorage) -> None:
    made = await volume.volume()
    assert error(await act(volume, made["id"], "os-extend", {"new_size": 1}))[0] == 400
    assert error(await act(volume, made["id"], "os-extend", {"new_size": 0}))[0] == 400
    assert (await act(volume, made["id"], "os-extend", {"new_size": "3"})).status_code == 202
    assert (await volume.shown(made["id"]))["status"] == "extending"
    assert error(await act(volume, made["id"], "os-extend", {"new_size": 4}))[0] == 400
    await volume.cloud.settle()
    grown = await volume.shown(made["id"])
    assert (grown["status"], grown["size"]) == ("available", 3)


async def test_a_volume_in_use_grows_from_3_42_on(volume: BlockStorage) -> None:
    made = await volume.volume()
    await act(volume, made["id"], "os-attach", {"instance_uuid": str(uuid4()), "mountpoint": "/dev/vdb"})
    assert error(await act(volume.at("3.41"), made["id"], "os-extend", {"new_size": 2}))[0] == 400
    assert (await act(volume.at("3.42"), made["id"], "os-extend", {"new_size": 2})).status_code == 202
    await volume.cloud.settle()
    assert (await volume.shown(made["id"]))["status"] == "in-use"


async def test_a_volume_that_is_let_go_while_it_grows_is_available_afterwards(volume: BlockStorage) -> None:
    made = await volume.volume()
    await act(volume, made["id"], "os-attach", {"instance_uuid": str(uuid4()), "mountpoint": "/dev/vdb"})
    assert (await act(volume.at("3.42"), made["id"], "os-extend", {"new_size": 2})).status_code == 202
    for (kind, _), rim in volume.cloud.world.rims.items():
        if kind == "blocks":
            rim._behind.troubles.add(Trouble(kind="delay", seconds=0.2), verb="ensure_volume")
    assert (await volume.worked(act(volume, made["id"], "os-detach", {}))).status_code == 202
    await volume.cloud.settle()
    shown = await volume.shown(made["id"])
    assert (shown["status"], shown["size"], shown["attachments"]) == ("available", 2, [])


async def test_a_volume_grows_on_when_its_server_goes_elsewhere_with_it(volume: BlockStorage) -> None:
    """The attachment is complete once more; and the volume is what becomes of it when both are over."""
    made = await volume.volume()
    path = f"/v3/attachments/{(await volume.attachment(made['id'], instance_uuid=str(uuid4())))['id']}"
    assert (await volume.post(f"{path}/action", json={"os-complete": None})).status_code == 204
    assert (await act(volume.at("3.42"), made["id"], "os-extend", {"new_size": 2})).status_code == 202
    for (kind, _), rim in volume.cloud.world.rims.items():
        if kind == "blocks":
            rim._behind.troubles.add(Trouble(kind="delay", seconds=0.2), verb="ensure_volume")
    assert (await volume.post(f"{path}/action", json={"os-complete": None})).status_code == 204
    assert (await volume.shown(made["id"]))["status"] == "extending"
    assert (await volume.worked(volume.delete(path))).status_code == 200
    await volume.cloud.settle()
    shown = await volume.shown(made["id"])
    assert (shown["status"], shown["size"], shown["attachments"]) == ("available", 2, [])


async def test_flags_and_image_metadata(volume: BlockStorage) -> None:
    made = await volume.volume()
    assert (await act(volume, made["id"], "os-set_bootable", {"bootable": "true"})).status_code == 200
    assert (await act(volume, made["id"], "os-update_readonly_flag", {"readonly": True})).status_code == 202
    shown = await volume.shown(made["id"])
    assert (shown["bootable"], shown["metadata"]) == ("true", {"readonly": "True"})
    pairs = {"metadata": {"image_id": "5137a025", "image_name": "image"}}
    assert (await act(volume, made["id"], "os-set_image_metadata", pairs)).json() == pairs
    assert (await volume.shown(made["id"]))["volume_image_metadata"] == pairs["metadata"]
    assert (await act(volume, made["id"], "os-show_image_metadata")).json() == pairs
    assert (await act(volume, made["id"], "os-unset_image_metadata", {"key": "image_name"})).status_code == 200
    assert error(await act(volume, made["id"], "os-unset_image_metadata", {"key": "image_name"}))[0] == 404
    assert error(await act(volume, made["id"], "os-set_bootable", {"bootable": "perhaps"}))[0] == 400
    assert error(await act(volume, made["id"], "os-jump"))[0] == 400


async def test_a_volume_changes_its_type(volume: BlockStorage) -> None:
    made = await volume.volume()
    await volume.as_("admin").post("/v3/types", json={"volume_type": {"name": "fast"}})
    assert (await act(volume, made["id"], "os-retype", {"new_type": "fast"})).status_code == 202
    assert (await volume.shown(made["id"]))["volume_type"] == "fast"
    assert error(await act(volume, made["id"], "os-retype", {"new_type": "fast"}))[0] == 400
    assert error(await act(volume, made["id"], "os-retype", {"new_type": "none"}))[0] == 404


async def test_an_administrator_resets_and_forces(volume: BlockStorage) -> None:
    admin = volume.as_("admin")
    made = await volume.volume()
    assert (await act(volume, made["id"], "os-reset_status", {"status": "error"})).status_code == 403
    for status in ("error", "maintenance", "attaching", "creating"):
        assert (await act(admin, made["id"], "os-reset_status", {"status": status})).status_code == 202
        assert (await volume.shown(made["id"]))["status"] == status
    for wrong in ("deleting", "in-use", "happy"):
        assert error(await act(admin, made["id"], "os-reset_status", {"status": wrong}))[0] == 400
    assert error(await act(admin, made["id"], "os-reset_status", {}))[0] == 400
    assert error(await volume.delete(f"/v3/volumes/{made['id']}"))[0] == 400
    assert (await volume.delete(f"/v3/volumes/{made['id']}?force=true")).status_code == 403
    assert (await act(admin, made["id"], "os-force_delete", {})).status_code == 202
    await volume.cloud.settle()
    assert (await volume.get(f"/v3/volumes/{made['id']}")).status_code == 404


async def test_a_volume_that_is_being_made_is_deleted_by_force(volume: BlockStorage) -> None:
    made = await volume.post("/v3/volumes", json={"volume": {"size": 1}})
    id_ = made.json()["volume"]["id"]
    assert (await volume.as_("admin").delete(f"/v3/volumes/{id_}?force=true")).status_code == 202
    await volume.cloud.settle()
    assert (await volume.get(f"/v3/volumes/{id_}")).status_code == 404
    assert volume.everywhere("volumes") == []


async def test_older_clients_attach_and_detach(volume: BlockStorage) -> None:
    id_ = (await volume.volume())["id"]
    assert (await act(volume, id_, "os-reserve")).status_code == 202
    assert error(await act(volume, id_, "os-reserve"))[0] == 400
    assert (await act(volume, id_, "os-unreserve")).status_code == 202
    assert (await volume.shown(id_))["status"] == "available"
    await act(volume, id_, "os-reserve")
    connector = {"connector": {"host": "h1"}}
    info = await volume.worked(act(volume, id_, "os-initialize_connection", connector))
    assert (info.status_code, info.json()["connection_info"]["driver_volume_type"]) == (200, "sim")
    assert len(volume.everywhere("exports")) == 1
    attach = {"instance_uuid": str(uuid4()), "mountpoint": "/dev/vdb"}
    assert (await act(volume, id_, "os-attach", attach)).status_code == 202
    assert error(await act(volume, id_, "os-attach", {"mountpoint": "/dev/vdb"}))[0] == 400
    shown = await volume.shown(id_)
    assert (shown["status"], shown["attachments"][0]["server_id"]) == ("in-use", attach["instance_uuid"])
    assert (await act(volume, id_, "os-begin_detaching")).status_code == 202
    assert (await act(volume, id_, "os-roll_detaching")).status_code == 202
    assert (await act(volume, id_, "os-begin_detaching")).status_code == 202
    assert (await volume.worked(act(volume, id_, "os-terminate_connection", connector))).status_code == 202
    assert error(await act(volume, id_, "os-detach", {"attachment_id": str(uuid4())}))[0] == 404
    assert (await volume.worked(act(volume, id_, "os-detach", {}))).status_code == 202
    assert ((await volume.shown(id_))["status"], volume.everywhere("exports")) == ("available", [])
    await volume.worked(act(volume, id_, "os-initialize_connection", connector))
    assert (await volume.worked(act(volume, id_, "os-terminate_connection", connector))).status_code == 202
    assert ((await volume.shown(id_))["status"], volume.everywhere("exports")) == ("available", [])


async def test_an_administrator_detaches_by_force(volume: BlockStorage) -> None:
    id_ = (await volume.volume())["id"]
    await act(volume, id_, "os-attach", {"instance_uuid": str(uuid4()), "mountpoint": "/dev/vdb"})
    [attachment] = (await volume.shown(id_))["attachments"]
    body = {"attachment_id": attachment["attachment_id"], "connector": None}
    assert (await act(volume, id_, "os-force_detach", body)).status_code == 403
    assert (await act(volume.as_("admin"), id_, "os-reset_status", {"status": "error"})).status_code == 202
    assert (await volume.worked(act(volume.as_("admin"), id_, "os-force_detach", body))).status_code == 202
    assert (await volume.shown(id_))["status"] == "available"


async def test_what_this_cloud_does_not_do_says_so(volume: BlockStorage) -> None:
    admin, id_ = volume.as_("admin"), (await volume.volume())["id"]
    assert error(await act(admin, id_, "os-unmanage"))[:2] == (501, "notImplemented")
    assert error(await act(admin, id_, "os-migrate_volume", {"host": "h2"}))[0] == 501
    assert error(await act(admin, id_, "os-migrate_volume_completion", {"new_volume": id_}))[0] == 400
    assert error(await act(admin, id_, "os-extend_volume_completion", {"error": False}))[0] == 400


async def test_images_are_asked_of_image(volume: BlockStorage) -> None:
    id_ = (await volume.volume())["id"]
    assert error(await act(volume, id_, "os-reimage", {"image_id": str(uuid4())}))[0] == 404
    assert error(await volume.post("/v3/volumes", json={"volume": {"size": 1, "imageRef": str(uuid4())}}))[0] == 400


async def test_a_volume_carries_metadata(volume: BlockStorage) -> None:
    id_ = (await volume.volume(metadata={"a": "1"}))["id"]
    listed = await volume.get(f"/v3/volumes/{id_}/metadata")
    assert listed.json() == {"metadata": {"a": "1"}}
    added = await volume.post(f"/v3/volumes/{id_}/metadata", json={"metadata": {"b": "2"}})
    assert added.json() == {"metadata": {"a": "1", "b": "2"}}
    seen = {"If-Match": listed.headers["etag"]}
    stale = await volume.put(f"/v3/volumes/{id_}/metadata", json={"metadata": {}}, headers=seen)
    assert stale.status_code == 412
    newer = {"If-Match": (await volume.get(f"/v3/volumes/{id_}/metadata")).headers["etag"]}
    set_ = await volume.put(f"/v3/volumes/{id_}/metadata", json={"metadata": {"c": "3"}}, headers=newer)
    assert set_.json() == {"metadata": {"c": "3"}}
    assert (await volume.put(f"/v3/volumes/{id_}/metadata/c", json={"meta": {"c": "4"}})).json() == {"meta": {"c": "4"}}
    assert error(await volume.put(f"/v3/volumes/{id_}/metadata/c", json={"meta": {"d": "4"}}))[0] == 400
    assert (await volume.get(f"/v3/volumes/{id_}/metadata/c")).json() == {"meta": {"c": "4"}}
    assert (await volume.delete(f"/v3/volumes/{id_}/metadata/c")).status_code == 200
    assert error(await volume.get(f"/v3/volumes/{id_}/metadata/c"))[0] == 404
