"""/faults that lose volumes."""

from __future__ import annotations

from typing import Any

import pytest

from support import served
from support.cloud import RunningCloud
from support.faulty import fault

pytestmark = pytest.mark.database("sqlite")
SERVERS, VOLUMES = "/compute/v2.1/servers", "/volume/v3/volumes"


async def volume(cloud: RunningCloud, name: str, **more: Any) -> str:
    made = await cloud.post(VOLUMES, json={"volume": {"name": name, "size": 1, **more}})
    assert made.status_code == 202, made.text
    await cloud.settle()
    return str(made.json()["volume"]["id"])


async def volume_status(cloud: RunningCloud, *ids: str) -> list[str]:
    return [(await cloud.get(f"{VOLUMES}/{each}")).json()["volume"]["status"] for each in ids]


async def test_a_volume_that_there_is_is_lost(cloud: RunningCloud) -> None:
    """Nothing is read of it any more, by whatever way."""
    lost, other = await volume(cloud, "db-1"), await volume(cloud, "web-1")
    fault_id = await fault(cloud, lose=True, name="db-*", message="The disk has died.")
    assert await volume_status(cloud, lost, other) == ["error", "available"]
    assert (await cloud.get(f"/faults/{fault_id}")).json()["fault"]["hits"] == 1
    newer = {"OpenStack-API-Version": "volume 3.59"}
    [message] = (await cloud.get("/volume/v3/messages", headers=newer)).json()["messages"]
    assert (message["resource_uuid"], message["user_message"]) == (lost, "keep volume:The disk has died.")
    server_id, action = (await served.made(cloud)).id, f"{VOLUMES}/{lost}/action"
    for path, body in (
        (f"{SERVERS}/{server_id}/os-volume_attachments", {"volumeAttachment": {"volumeId": lost}}),
        (VOLUMES, {"volume": {"source_volid": lost, "size": 1}}),
        ("/volume/v3/snapshots", {"snapshot": {"volume_id": lost, "force": True}}),
        (action, {"os-volume_upload_image": {"image_name": "i", "force": True}}),
        (action, {"os-extend": {"new_size": 2}}),
    ):
        refused = await cloud.post(path, json=body)
        assert refused.status_code == 400, refused.text
    assert (await cloud.delete(f"{VOLUMES}/{lost}")).status_code == 202
    await cloud.settle()
    assert (await cloud.get(f"{VOLUMES}/{lost}")).status_code == 404


async def test_the_volume_of_a_server_is_lost_and_comes_back_by_no_detachment(cloud: RunningCloud) -> None:
    lost, server_id = await volume(cloud, "data"), (await served.made(cloud)).id
    attachments = f"{SERVERS}/{server_id}/os-volume_attachments"
    assert (await cloud.post(attachments, json={"volumeAttachment": {"volumeId": lost}})).status_code == 200
    await cloud.settle()
    assert await volume_status(cloud, lost) == ["in-use"]
    await fault(cloud, lose=True, name=lost)
    assert await volume_status(cloud, lost) == ["error"]
    assert len((await cloud.get(attachments)).json()["volumeAttachments"]) == 1
    assert (await cloud.delete(f"{attachments}/{lost}")).status_code == 400
    assert (await cloud.delete(f"{VOLUMES}/{lost}")).status_code == 400
    assert (await cloud.delete(f"{SERVERS}/{server_id}")).status_code == 204
    await cloud.settle()
    assert await volume_status(cloud, lost) == ["error"]


async def test_what_is_called_available_again_is_lost_all_the_same(cloud: RunningCloud) -> None:
    lost = await volume(cloud, "data")
    await fault(cloud, lose=True)
    reset = {"os-reset_status": {"status": "available"}}
    assert (await cloud.post(f"{VOLUMES}/{lost}/action", json=reset)).status_code == 202
    answer = await cloud.post("/volume/v3/snapshots", json={"snapshot": {"volume_id": lost}})
    await cloud.settle()
    snapshot = await cloud.get(f"/volume/v3/snapshots/{answer.json()['snapshot']['id']}")
    assert snapshot.json()["snapshot"]["status"] == "error"


async def test_so_many_of_a_project_with_a_tag_are_lost(cloud: RunningCloud) -> None:
    """And none that is just being made: that is what a fault of operations is for."""
    wearing = [await volume(cloud, "v", metadata={"tier": "cheap"}) for _ in range(2)]
    without = await volume(cloud, "v", metadata={"tier": "dear"})
    await fault(cloud, lose=True, tag="tier=cheap", project="people")
    assert await volume_status(cloud, *wearing, without) == ["available"] * 3
    await fault(cloud, lose=True, tag="tier=cheap", project="admin", count=1)
    assert sorted(await volume_status(cloud, *wearing, without)) == ["available", "available", "error"]
    made = await cloud.post(VOLUMES, json={"volume": {"size": 1}})
    await fault(cloud, lose=True, seconds=60)
    await cloud.settle()
    assert await volume_status(cloud, made.json()["volume"]["id"], without) == ["available", "error"]
