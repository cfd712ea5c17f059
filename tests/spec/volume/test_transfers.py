"""Transfers: a volume given to whoever knows the key."""

from __future__ import annotations

from support.block_storage import BlockStorage, error


async def test_a_volume_is_given_away_with_its_snapshots(volume: BlockStorage) -> None:
    made = await volume.volume()
    snapshot = await volume.snapshot(made["id"])
    sent = await volume.post("/v3/volume-transfers", json={"transfer": {"volume_id": made["id"], "name": "t"}})
    assert sent.status_code == 202
    transfer = sent.json()["transfer"]
    assert (await volume.shown(made["id"]))["status"] == "awaiting-transfer"
    shown = (await volume.get(f"/v3/volume-transfers/{transfer['id']}")).json()["transfer"]
    assert (shown["volume_id"], shown["no_snapshots"], "auth_key" in shown) == (made["id"], False, False)
    [summary] = (await volume.get("/v3/volume-transfers")).json()["transfers"]
    assert set(summary) == {"id", "volume_id", "name", "links"}
    assert len((await volume.get("/v3/volume-transfers/detail")).json()["transfers"]) == 1
    stranger = volume.as_("stranger")
    wrong = {"accept": {"auth_key": "guess"}}
    assert error(await stranger.post(f"/v3/volume-transfers/{transfer['id']}/accept", json=wrong))[0] == 400
    right = {"accept": {"auth_key": transfer["auth_key"]}}
    accepted = await stranger.post(f"/v3/volume-transfers/{transfer['id']}/accept", json=right)
    assert (accepted.status_code, accepted.json()["transfer"]["volume_id"]) == (202, made["id"])
    theirs = await stranger.shown(made["id"])
    assert (theirs["status"], theirs["os-vol-tenant-attr:tenant_id"]) == ("available", stranger.who.project_id)
    assert (await stranger.get(f"/v3/snapshots/{snapshot['id']}")).status_code == 200
    assert (await volume.get(f"/v3/volumes/{made['id']}")).status_code == 404
    assert error(await stranger.post(f"/v3/volume-transfers/{transfer['id']}/accept", json=right))[0] == 404


async def test_an_offer_is_taken_back(volume: BlockStorage) -> None:
    made = await volume.volume()
    older = volume.at("3.0")
    sent = await older.post("/v3/os-volume-transfer", json={"transfer": {"volume_id": made["id"]}})
    id_ = sent.json()["transfer"]["id"]
    assert error(await older.post("/v3/os-volume-transfer", json={"transfer": {"volume_id": made["id"]}}))[0] == 400
    assert (await older.get(f"/v3/os-volume-transfer/{id_}")).json()["transfer"]["name"] is None
    assert len((await older.get("/v3/os-volume-transfer")).json()["transfers"]) == 1
    assert len((await older.get("/v3/os-volume-transfer/detail")).json()["transfers"]) == 1
    wrong = {"accept": {"auth_key": "guess"}}
    assert error(await older.post(f"/v3/os-volume-transfer/{id_}/accept", json=wrong))[0] == 400
    assert (await older.delete(f"/v3/os-volume-transfer/{id_}")).status_code == 202
    assert (await volume.delete(f"/v3/volume-transfers/{id_}")).status_code == 404
    assert (await volume.shown(made["id"]))["status"] == "available"
