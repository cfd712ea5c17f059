"""What Compute showed of Block Storage before 2.36: volumes and snapshots."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.cloud import Client, RunningCloud
from support.computed import at

VOLUMES = "/compute/v2.1/os-volumes"
SNAPSHOTS = "/compute/v2.1/os-snapshots"


async def a_volume(client: Client, **more: Any) -> dict[str, Any]:
    answer = await client.post(VOLUMES, json={"volume": {"size": 1, **more}})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["volume"]
    assert answer.headers["location"].endswith(f"/v2.1/os-volumes/{found['id']}")
    return found


async def test_volumes_come_and_go(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    made = await a_volume(member, display_name="web", display_description="of old", metadata={"a": "b"})
    assert made == {
        **{"id": made["id"], "createdAt": made["createdAt"], "status": "creating", "size": 1},
        **{"displayName": "web", "displayDescription": "of old", "metadata": {"a": "b"}, "attachments": [{}]},
        **{"availabilityZone": "nova", "volumeType": "__DEFAULT__", "snapshotId": None},
    }
    await cloud.settle()
    shown = (await member.get(f"{VOLUMES}/{made['id']}")).json()["volume"]
    assert shown == {**made, "status": "available"}
    other = await a_volume(member, size="2")
    await cloud.settle()
    listed = (await member.get(VOLUMES)).json()["volumes"]
    assert [each["id"] for each in listed] == [other["id"], made["id"]], "the newest first"
    assert (await member.get("/compute/v2.1/os-volumes/detail?offset=1&limit=1")).json()["volumes"] == [shown]
    assert (await cloud.get(VOLUMES)).json()["volumes"] == []
    assert (await member.get(f"{VOLUMES}?limit=x")).status_code == 400
    assert (await member.delete(f"{VOLUMES}/{made['id']}")).status_code == 202
    await cloud.settle()
    for answer in (await member.get(f"{VOLUMES}/{made['id']}"), await member.delete(f"{VOLUMES}/{made['id']}")):
        assert answer.json()["itemNotFound"]["message"] == f"Volume {made['id']} could not be found."
    for path in (VOLUMES, f"{VOLUMES}/detail", f"{VOLUMES}/{other['id']}", SNAPSHOTS):
        assert (await member.get(path, headers=at("2.36"))).status_code == 404


async def test_a_volume_in_use_names_its_server(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    made, server_id = await a_volume(member), str(uuid4())
    await cloud.settle()
    for action in ({"os-reserve": {}}, {"os-attach": {"instance_uuid": server_id, "mountpoint": "/dev/vdb"}}):
        assert (await cloud.post(f"/volume/v3/volumes/{made['id']}/action", json=action)).status_code == 202
    await cloud.settle()
    (attached,) = (await member.get(f"{VOLUMES}/{made['id']}")).json()["volume"]["attachments"]
    expected = {"id": made["id"], "volumeId": made["id"], "serverId": server_id, "device": "/dev/vdb"}
    assert attached == expected


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"size": "#$%"}, 400),
        ({"size": ""}, 400),
        ({"size": 0}, 400),
        ({"size": -1}, 400),
        ({"availability_zone": "moon"}, 400),
        ({"unknown": 1}, 400),
        ({"snapshot_id": "3f0c9a52-8d3e-4f5e-9a68-0d4d1c1b7a11"}, 404),
        ({"volume_type": "nothing"}, 404),
        ({"size": 5000}, 403),
    ],
    ids=str,
)
async def test_what_cannot_be_made_is_refused(cloud: RunningCloud, more: dict[str, Any], status: int) -> None:
    answer = await cloud.as_("member").post(VOLUMES, json={"volume": {"size": 1, **more}})
    assert answer.status_code == status, answer.text


async def test_snapshots_come_and_go(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    volume = await a_volume(member)
    body = {"volume_id": volume["id"], "display_name": "before", "display_description": "of old", "force": "false"}
    assert (await member.post(SNAPSHOTS, json={"snapshot": body})).status_code == 400, "it is not there yet"
    await cloud.settle()
    made = (await member.post(SNAPSHOTS, json={"snapshot": body})).json()["snapshot"]
    assert made == {
        **{"id": made["id"], "createdAt": made["createdAt"], "status": "creating", "size": 1},
        **{"volumeId": volume["id"], "displayName": "before", "displayDescription": "of old"},
    }
    await cloud.settle()
    shown = (await member.get(f"{SNAPSHOTS}/{made['id']}")).json()["snapshot"]
    assert shown == {**made, "status": "available"}
    assert (await member.get(SNAPSHOTS)).json() == {"snapshots": [shown]}
    assert (await member.get("/compute/v2.1/os-snapshots/detail?limit=1")).json() == {"snapshots": [shown]}
    assert (await cloud.get(SNAPSHOTS)).json() == {"snapshots": []}
    grown = await a_volume(member, size=2, snapshot_id=made["id"])
    assert (grown["size"], grown["snapshotId"]) == (2, made["id"])
    await cloud.settle()
    assert (await member.delete(f"{VOLUMES}/{volume['id']}")).status_code == 400, "it has a snapshot"
    assert (await member.delete(f"{SNAPSHOTS}/{made['id']}")).status_code == 202
    await cloud.settle()
    for answer in (await member.get(f"{SNAPSHOTS}/{made['id']}"), await member.delete(f"{SNAPSHOTS}/{made['id']}")):
        assert answer.json()["itemNotFound"]["message"] == f"Snapshot {made['id']} could not be found."
    missing = {"snapshot": {"volume_id": str(uuid4())}}
    assert (await member.post(SNAPSHOTS, json=missing)).status_code == 404
    await cloud.put(f"/volume/v3/os-quota-sets/{member.project_id}", json={"quota_set": {"snapshots": 0}})
    assert (await member.post(SNAPSHOTS, json={"snapshot": body})).status_code == 403
