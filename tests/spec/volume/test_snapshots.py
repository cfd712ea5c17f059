"""Snapshots: made, shown, changed, gone."""

from __future__ import annotations

from uuid import uuid4

from support.block_storage import BlockStorage, error


async def test_a_snapshot_is_made_shown_and_gone(volume: BlockStorage) -> None:
    made = await volume.volume(size=2)
    sent = await volume.post("/v3/snapshots", json={"snapshot": {"volume_id": made["id"], "name": "s"}})
    assert (sent.status_code, sent.json()["snapshot"]["status"]) == (202, "creating")
    await volume.cloud.settle()
    snapshot_id = sent.json()["snapshot"]["id"]
    shown = (await volume.get(f"/v3/snapshots/{snapshot_id}")).json()["snapshot"]
    assert (shown["status"], shown["size"], shown["volume_id"]) == ("available", 2, made["id"])
    assert shown["os-extended-snapshot-attributes:progress"] == "100%"
    assert volume.everywhere("snapshots") == [snapshot_id]
    assert error(await volume.delete(f"/v3/volumes/{made['id']}"))[0] == 400
    assert (await volume.delete(f"/v3/snapshots/{snapshot_id}")).status_code == 202
    await volume.cloud.settle()
    assert error(await volume.get(f"/v3/snapshots/{snapshot_id}"))[:2] == (404, "itemNotFound")
    assert volume.everywhere("snapshots") == []


async def test_a_volume_goes_with_its_snapshots(volume: BlockStorage) -> None:
    made = await volume.volume()
    for name in ("a", "b"):
        await volume.snapshot(made["id"], name=name)
    assert (await volume.delete(f"/v3/volumes/{made['id']}?cascade=true")).status_code == 202
    await volume.cloud.settle()
    assert (await volume.get(f"/v3/volumes/{made['id']}")).status_code == 404
    assert (volume.everywhere("volumes"), volume.everywhere("snapshots")) == ([], [])


async def test_a_volume_is_made_of_a_snapshot_and_reverted_to_it(volume: BlockStorage) -> None:
    made = await volume.volume(size=2)
    snapshot = await volume.snapshot(made["id"])
    copy = await volume.volume(size=3, snapshot_id=snapshot["id"])
    assert (copy["status"], copy["snapshot_id"], copy["size"]) == ("available", snapshot["id"], 3)
    small = {"volume": {"size": 1, "snapshot_id": snapshot["id"]}}
    assert error(await volume.post("/v3/volumes", json=small))[0] == 400
    action = f"/v3/volumes/{made['id']}/action"
    assert error(await volume.post(action, json={"revert": {"snapshot_id": str(uuid4())}}))[0] == 400
    sent = await volume.post(f"/v3/volumes/{made['id']}/action", json={"revert": {"snapshot_id": snapshot["id"]}})
    assert sent.status_code == 202
    await volume.cloud.settle()
    assert (await volume.shown(made["id"]))["status"] == "available"
    assert error(await volume.post(f"/v3/volumes/{copy['id']}/action", json={"revert": {}}))[0] == 400


async def test_a_snapshot_stays_while_a_volume_is_reverted_to_it(volume: BlockStorage) -> None:
    made = await volume.volume()
    snapshot = await volume.snapshot(made["id"])
    path = f"/v3/snapshots/{snapshot['id']}"
    await volume.post(f"/v3/volumes/{made['id']}/action", json={"revert": {"snapshot_id": snapshot["id"]}})
    assert error(await volume.delete(path))[0] == 400
    await volume.cloud.settle()
    assert (await volume.shown(made["id"]))["status"] == "available"
    assert (await volume.delete(path)).status_code == 202


async def test_a_volume_in_use_has_a_snapshot_if_that_is_asked_for(volume: BlockStorage) -> None:
    made = await volume.volume()
    attached = {"os-attach": {"instance_uuid": str(uuid4()), "mountpoint": "/dev/vdb"}}
    await volume.post(f"/v3/volumes/{made['id']}/action", json=attached)
    body = {"snapshot": {"volume_id": made["id"]}}
    assert error(await volume.at("3.65").post("/v3/snapshots", json=body))[0] == 400
    assert (await volume.at("3.66").post("/v3/snapshots", json=body)).status_code == 202
    forced = {"snapshot": {"volume_id": made["id"], "force": "true"}}
    assert (await volume.at("3.0").post("/v3/snapshots", json=forced)).status_code == 202
    refused = {"snapshot": {"volume_id": made["id"], "force": False}}
    assert error(await volume.at("3.66").post("/v3/snapshots", json=refused))[0] == 400


async def test_snapshots_are_listed_in_pages(volume: BlockStorage) -> None:
    made = await volume.volume()
    ids = [(await volume.snapshot(made["id"], name=name, metadata={"n": name}))["id"] for name in "abc"]
    first = (await volume.get("/v3/snapshots?limit=2&sort_key=name&sort_dir=asc")).json()
    assert [each["id"] for each in first["snapshots"]] == ids[:2]
    rest = (await volume.get(f"/v3/snapshots/detail?marker={ids[1]}&sort=name:asc")).json()["snapshots"]
    assert [each["id"] for each in rest] == ids[2:]
    found = (await volume.get("/v3/snapshots?metadata={'n': 'b'}&status=available")).json()["snapshots"]
    assert [each["id"] for each in found] == ids[1:2]
    assert (await volume.as_("stranger").get("/v3/snapshots/detail")).json() == {"snapshots": []}


async def test_a_snapshot_is_changed(volume: BlockStorage) -> None:
    made = await volume.volume()
    snapshot = await volume.snapshot(made["id"], metadata={"a": "1"})
    path = f"/v3/snapshots/{snapshot['id']}"
    changed = await volume.put(f"/v3/snapshots/{snapshot['id']}", json={"snapshot": {"name": "n", "description": "d"}})
    assert (changed.json()["snapshot"]["name"], changed.json()["snapshot"]["description"]) == ("n", "d")
    assert error(await volume.put(path, json={"snapshot": {}}))[0] == 400


async def test_a_snapshot_carries_metadata(volume: BlockStorage) -> None:
    made = await volume.volume()
    id_ = (await volume.snapshot(made["id"], metadata={"a": "1"}))["id"]
    assert (await volume.get(f"/v3/snapshots/{id_}/metadata")).json() == {"metadata": {"a": "1"}}
    added = await volume.post(f"/v3/snapshots/{id_}/metadata", json={"metadata": {"b": "2"}})
    assert added.json() == {"metadata": {"a": "1", "b": "2"}}
    set_ = await volume.put(f"/v3/snapshots/{id_}/metadata", json={"metadata": {"c": "3"}})
    assert set_.json() == {"metadata": {"c": "3"}}
    assert (await volume.put(f"/v3/snapshots/{id_}/metadata/c", json={"meta": {"c": "4"}})).json() == {
        "meta": {"c": "4"}
    }
    assert error(await volume.put(f"/v3/snapshots/{id_}/metadata/c", json={"meta": {"d": "4"}}))[0] == 400
    assert (await volume.get(f"/v3/snapshots/{id_}/metadata/c")).json() == {"meta": {"c": "4"}}
    assert (await volume.delete(f"/v3/snapshots/{id_}/metadata/c")).status_code == 200
    assert error(await volume.delete(f"/v3/snapshots/{id_}/metadata/c"))[0] == 404


async def test_an_administrator_resets_and_forces(volume: BlockStorage) -> None:
    admin = volume.as_("admin")
    made = await volume.volume()
    id_ = (await volume.snapshot(made["id"]))["id"]
    error_ = {"os-reset_status": {"status": "error"}}
    assert (await volume.post(f"/v3/snapshots/{id_}/action", json=error_)).status_code == 403
    assert (await admin.post(f"/v3/snapshots/{id_}/action", json=error_)).status_code == 202
    creating = {"os-reset_status": {"status": "creating"}}
    assert (await admin.post(f"/v3/snapshots/{id_}/action", json=creating)).status_code == 202
    done = {"os-update_snapshot_status": {"status": "available", "progress": "80%"}}
    assert (await volume.post(f"/v3/snapshots/{id_}/action", json=done)).status_code == 202
    assert error(await volume.post(f"/v3/snapshots/{id_}/action", json=done))[0] == 400
    assert error(await admin.post(f"/v3/snapshots/{id_}/action", json={"os-unmanage": None}))[0] == 501
    assert (await admin.post(f"/v3/snapshots/{id_}/action", json={"os-force_delete": {}})).status_code == 202
    await volume.cloud.settle()
    assert volume.everywhere("snapshots") == []
