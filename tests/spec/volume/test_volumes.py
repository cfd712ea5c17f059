"""Volumes: made, shown, listed, changed and deleted."""

from __future__ import annotations

from uuid import uuid4

from support.block_storage import BlockStorage, error


async def test_a_volume_is_made_shown_and_gone(volume: BlockStorage) -> None:
    sent = await volume.post("/v3/volumes", json={"volume": {"size": 2, "name": " data ", "metadata": {"a": "1"}}})
    assert sent.status_code == 202
    made = sent.json()["volume"]
    assert (made["status"], made["size"], made["name"], made["metadata"]) == ("creating", 2, "data", {"a": "1"})
    await volume.cloud.settle()
    shown = await volume.shown(made["id"])
    assert (shown["status"], shown["volume_type"], shown["bootable"]) == ("available", "__DEFAULT__", "false")
    assert volume.everywhere("volumes") == [made["id"]]
    assert (await volume.delete(f"/v3/volumes/{made['id']}")).status_code == 202
    assert (await volume.shown(made["id"]))["status"] == "deleting"
    assert (await volume.delete(f"/v3/volumes/{made['id']}")).status_code == 202
    await volume.cloud.settle()
    gone = await volume.get(f"/v3/volumes/{made['id']}")
    assert error(gone) == (404, "itemNotFound", f"Volume {made['id']} could not be found.")
    assert volume.everywhere("volumes") == []


async def test_the_project_may_stand_in_the_path_and_then_in_the_links(volume: BlockStorage) -> None:
    project_id = volume.who.project_id
    made = (await volume.post(f"/v3/{project_id}/volumes", json={"volume": {"size": 1}})).json()["volume"]
    assert made["links"] == [
        {"rel": "self", "href": f"http://cloud.test/volume/v3/{project_id}/volumes/{made['id']}"},
        {"rel": "bookmark", "href": f"http://cloud.test/volume/{project_id}/volumes/{made['id']}"},
    ]
    without = (await volume.get(f"/v3/volumes/{made['id']}")).json()["volume"]
    assert without["links"][0]["href"] == f"http://cloud.test/volume/v3/volumes/{made['id']}"
    assert error(await volume.get(f"/v3/{'f' * 32}/volumes"))[:2] == (400, "badRequest")


async def test_a_list_has_pages_filters_and_a_count(volume: BlockStorage) -> None:
    ids = [(await volume.volume(name=name, metadata={"n": name}))["id"] for name in ("a", "b", "c")]
    first = (await volume.get("/v3/volumes?limit=2&sort=name:asc&with_count=true")).json()
    assert ([each["name"] for each in first["volumes"]], first["count"]) == (["a", "b"], 3)
    following = first["volumes_links"][0]["href"].removeprefix("http://cloud.test/volume")
    assert [each["id"] for each in (await volume.get(following)).json()["volumes"]] == ids[2:]
    for query, found in (
        ("name=b", ["b"]),
        ("metadata={'n': 'c'}", ["c"]),
        ('metadata={"n": "c"}', ["c"]),
        ("status=available&offset=1&sort_key=name&sort_dir=asc", ["b", "c"]),
        ("status=error", []),
        ("bootable=true", []),
        ("limit=0", []),
        ("created_at=gt:2020-01-01T00:00:00&size=1&sort=name", ["c", "b", "a"]),
    ):
        answer = await volume.get(f"/v3/volumes/detail?{query}")
        assert [each["name"] for each in answer.json()["volumes"]] == found, query
    summary = await volume.get("/v3/volumes/summary")
    assert summary.json() == {"volume-summary": {"total_count": 3, "total_size": 3, "metadata": {"n": ["a", "b", "c"]}}}


async def test_a_wrong_query_is_refused(volume: BlockStorage) -> None:
    for query in (
        "limit=-1",
        "limit=x",
        "sort=x",
        "sort=name:up",
        "colour=red",
        "metadata=x",
        "offset=-1",
    ):
        assert error(await volume.get(f"/v3/volumes?{query}"))[:2] == (400, "badRequest"), query
    assert (await volume.at("3.30").get("/v3/volumes?colour=red")).status_code == 200
    assert error(await volume.get(f"/v3/volumes?marker={uuid4()}"))[0] == 404


async def test_a_wrong_body_is_refused(volume: BlockStorage) -> None:
    for body in ({}, {"size": 0}, {"size": -1}, {"size": "x"}, {"size": None}, {"size": 1, "name": "n" * 256}):
        assert error(await volume.post("/v3/volumes", json={"volume": body}))[:2] == (400, "badRequest"), body
    odd = {"size": 1, "colour": "red"}
    assert error(await volume.post("/v3/volumes", json={"volume": odd}))[0] == 400
    assert (await volume.at("3.52").post("/v3/volumes", json={"volume": odd})).status_code == 202
    for missing in ("snapshot_id", "source_volid"):
        answer = await volume.post("/v3/volumes", json={"volume": {"size": 1, missing: str(uuid4())}})
        assert error(answer)[:2] == (404, "itemNotFound")
    answer = await volume.post("/v3/volumes", json={"volume": {"size": 1, "volume_type": "none"}})
    assert error(answer)[0] == 404
    answer = await volume.post("/v3/volumes", json={"volume": {"size": 1, "availability_zone": "mars"}})
    assert error(answer) == (400, "badRequest", "Availability zone 'mars' is invalid.")


async def test_a_volume_is_changed(volume: BlockStorage) -> None:
    made = await volume.volume(name="old", metadata={"a": "1"})
    sent = {"volume": {"name": "new", "description": "d", "metadata": {"b": "2"}}}
    changed = (await volume.put(f"/v3/volumes/{made['id']}", json=sent)).json()["volume"]
    assert (changed["name"], changed["description"], changed["metadata"]) == ("new", "d", {"b": "2"})
    assert error(await volume.put(f"/v3/volumes/{made['id']}", json={"volume": {}}))[0] == 400
    assert (await volume.put(f"/v3/volumes/{uuid4()}", json=sent)).status_code == 404


async def test_a_copy_is_as_large_as_its_original_and_on_its_host(volume: BlockStorage) -> None:
    first = await volume.volume(size=2)
    answer = await volume.post("/v3/volumes", json={"volume": {"source_volid": first["id"]}})
    await volume.cloud.settle()
    copy = await volume.shown(answer.json()["volume"]["id"])
    assert (copy["status"], copy["size"], copy["source_volid"]) == ("available", 2, first["id"])
    assert any(volume.held(host, "volumes") == sorted([first["id"], copy["id"]]) for host in ("h1", "h2"))
    small = await volume.post("/v3/volumes", json={"volume": {"source_volid": first["id"], "size": 1}})
    assert error(small)[0] == 400


async def test_a_volume_says_that_it_is_not_encrypted(volume: BlockStorage) -> None:
    made = await volume.volume()
    none = {"encryption_key_id": None}
    assert (await volume.get(f"/v3/volumes/{made['id']}/encryption")).json() == none
    assert (await volume.get(f"/v3/volumes/{made['id']}/encryption/encryption_key_id")).json() == none
