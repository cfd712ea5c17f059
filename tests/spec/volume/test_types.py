"""Volume types: what they mean, who may use them, and which is the default."""

from __future__ import annotations

from uuid import uuid4

from support.block_storage import BlockStorage, error


async def a_type(volume: BlockStorage, name: str, **more: object) -> str:
    made = await volume.as_("admin").post("/v3/types", json={"volume_type": {"name": name, **more}})
    assert made.status_code == 200, made.text
    return str(made.json()["volume_type"]["id"])


async def test_there_is_a_default_type(volume: BlockStorage) -> None:
    [found] = (await volume.get("/v3/types")).json()["volume_types"]
    assert (found["name"], found["is_public"], found["extra_specs"]) == ("__DEFAULT__", True, {})
    assert (await volume.get("/v3/types/default")).json()["volume_type"] == found
    gone = await volume.as_("admin").delete(f"/v3/types/{found['id']}")
    assert error(gone)[:2] == (400, "badRequest")


async def test_a_type_is_made_changed_and_gone(volume: BlockStorage) -> None:
    admin = volume.as_("admin")
    specs = {"multiattach": "<is> True", "volume_backend_name": "fast"}
    type_id = await a_type(volume, "fast", description="d", extra_specs=specs)
    seen = (await volume.get(f"/v3/types/{type_id}")).json()["volume_type"]
    assert seen["extra_specs"] == {"multiattach": "<is> True"}
    assert "qos_specs_id" not in seen
    whole = (await admin.get(f"/v3/types/{type_id}")).json()["volume_type"]
    assert (whole["extra_specs"], whole["qos_specs_id"]) == (specs, None)
    assert error(await admin.post("/v3/types", json={"volume_type": {"name": "fast"}}))[:2] == (
        409,
        "conflictingRequest",
    )
    assert error(await admin.post("/v3/types", json={"volume_type": {"name": ""}}))[0] == 400
    changed = await admin.put(f"/v3/types/{type_id}", json={"volume_type": {"name": "faster", "is_public": False}})
    assert (changed.json()["volume_type"]["name"], changed.json()["volume_type"]["is_public"]) == ("faster", False)
    assert "qos_specs_id" not in changed.json()["volume_type"]
    assert error(await admin.put(f"/v3/types/{type_id}", json={"volume_type": {}}))[0] == 400
    assert (await admin.delete(f"/v3/types/{type_id}")).status_code == 202
    assert error(await admin.get(f"/v3/types/{type_id}"))[:2] == (404, "itemNotFound")
    other = await a_type(volume, "other")
    assert (await admin.post(f"/v3/types/{other}/action", json={"delete": None})).status_code == 202


async def test_a_private_type_is_for_who_was_let(volume: BlockStorage) -> None:
    admin = volume.as_("admin")
    type_id = await a_type(volume, "private", **{"os-volume-type-access:is_public": False})
    assert (await volume.get(f"/v3/types/{type_id}")).status_code == 404
    project = {"project": volume.who.project_id}
    assert (await admin.post(f"/v3/types/{type_id}/action", json={"addProjectAccess": project})).status_code == 202
    assert error(await admin.post(f"/v3/types/{type_id}/action", json={"addProjectAccess": project}))[0] == 409
    listed = (await admin.get(f"/v3/types/{type_id}/os-volume-type-access")).json()["volume_type_access"]
    assert listed == [{"volume_type_id": type_id, "project_id": volume.who.project_id}]
    assert (await volume.get(f"/v3/types/{type_id}")).status_code == 200
    assert (await volume.volume(volume_type="private"))["volume_type"] == "private"
    assert (await admin.post(f"/v3/types/{type_id}/action", json={"removeProjectAccess": project})).status_code == 202
    assert error(await admin.post(f"/v3/types/{type_id}/action", json={"removeProjectAccess": project}))[0] == 404
    assert (await volume.get(f"/v3/types/{type_id}")).status_code == 404
    names = [each["name"] for each in (await admin.get("/v3/types?is_public=None")).json()["volume_types"]]
    assert sorted(names) == ["__DEFAULT__", "private"]
    assert [each["name"] for each in (await volume.get("/v3/types")).json()["volume_types"]] == ["__DEFAULT__"]
    public = await a_type(volume, "public")
    assert error(await admin.post(f"/v3/types/{public}/action", json={"addProjectAccess": project}))[0] == 400
    assert error(await admin.get(f"/v3/types/{public}/os-volume-type-access"))[0] == 404


async def test_extra_specs_change_while_nothing_is_of_the_type(volume: BlockStorage) -> None:
    admin = volume.as_("admin")
    type_id = await a_type(volume, "fast")
    specs = f"/v3/types/{type_id}/extra_specs"
    assert (await admin.post(specs, json={"extra_specs": {"a": "1", "b": "2"}})).json() == {
        "extra_specs": {"a": "1", "b": "2"}
    }
    assert (await admin.get(specs)).json() == {"extra_specs": {"a": "1", "b": "2"}}
    assert (await volume.get(specs)).json() == {"extra_specs": {}}
    assert (await admin.put(f"/v3/types/{type_id}/extra_specs/a", json={"a": "3"})).json() == {"a": "3"}
    assert (await admin.get(f"/v3/types/{type_id}/extra_specs/a")).json() == {"a": "3"}
    for body in ({}, {"b": "1"}, {"a": "1", "b": "2"}):
        assert error(await admin.put(f"/v3/types/{type_id}/extra_specs/a", json=body))[0] == 400
    assert (await admin.delete(f"/v3/types/{type_id}/extra_specs/b")).status_code == 202
    assert error(await admin.delete(f"/v3/types/{type_id}/extra_specs/b"))[0] == 404
    assert error(await admin.get(f"/v3/types/{type_id}/extra_specs/b"))[0] == 404
    assert error(await admin.get(f"/v3/types/{uuid4()}/extra_specs"))[0] == 404
    await volume.volume(volume_type=type_id)
    assert error(await admin.post(specs, json={"extra_specs": {"a": "1"}}))[0] == 400
    assert error(await admin.delete(f"/v3/types/{type_id}"))[0] == 400


async def test_a_type_may_say_how_it_is_encrypted_and_then_no_volume_is_made_of_it(volume: BlockStorage) -> None:
    admin = volume.as_("admin")
    type_id = await a_type(volume, "luks")
    encryption = f"/v3/types/{type_id}/encryption"
    assert (await admin.get(encryption)).json() == {}
    sent = {"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64", "key_size": 256}
    made = await admin.post(encryption, json={"encryption": sent})
    assert made.status_code == 200
    assert made.json()["encryption"]["volume_type_id"] == type_id
    assert error(await admin.post(encryption, json={"encryption": sent}))[0] == 400
    found = (await admin.get(encryption)).json()
    assert (found["provider"], found["key_size"]) == ("luks", 256)
    assert (await admin.get(f"/v3/types/{type_id}/encryption/cipher")).json() == {"cipher": "aes-xts-plain64"}
    assert error(await admin.get(f"/v3/types/{type_id}/encryption/colour"))[0] == 404
    changed = await admin.put(
        f"/v3/types/{type_id}/encryption/{found['encryption_id']}", json={"encryption": {"key_size": 512}}
    )
    assert changed.json() == {"encryption": {"key_size": 512}}
    refused = await volume.post("/v3/volumes", json={"volume": {"size": 1, "volume_type": "luks"}})
    assert error(refused)[0] == 400
    assert (await admin.delete(f"/v3/types/{type_id}/encryption/provider")).status_code == 202
    assert error(await admin.delete(f"/v3/types/{type_id}/encryption/provider"))[0] == 404


async def test_a_project_may_have_a_default_type_of_its_own(volume: BlockStorage) -> None:
    admin, project_id = volume.as_("admin"), volume.who.project_id
    type_id = await a_type(volume, "ours")
    path = f"/v3/default-types/{project_id}"
    assert error(await admin.get(path))[0] == 404
    said = {"default_type": {"project_id": project_id, "volume_type_id": type_id}}
    assert (await admin.put(path, json={"default_type": {"volume_type": "ours"}})).json() == said
    assert (await admin.get(path)).json() == said
    assert (await admin.get("/v3/default-types")).json() == {"default_types": [said["default_type"]]}
    assert (await volume.volume())["volume_type"] == "ours"
    assert error(await admin.delete(f"/v3/types/{type_id}"))[0] == 400
    assert (await admin.delete(path)).status_code == 204
    assert (await volume.volume())["volume_type"] == "__DEFAULT__"
