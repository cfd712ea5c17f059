"""A volume that grows while a server uses it: its guest sees so, and the server's actions tell of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.engines.troubles import Trouble
from spec.compute.test_server_attachments import VOLUMES, volume
from support.cloud import RunningCloud
from support.computed import at
from support.served import HOST, SERVERS, made

VERB = "ensure_volume_seen"
IN_USE = {"OpenStack-API-Version": "volume 3.42"}


async def attached(cloud: RunningCloud, **more: bool) -> tuple[UUID, str]:
    """A server that runs, and its volume of 1 GiB."""
    server, volume_id = await made(cloud), await volume(cloud, cloud)
    path, body = f"{SERVERS}/{server.id}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume_id, **more}}
    assert (await cloud.post(path, json=body, headers=at("2.79"))).status_code == 200
    await cloud.settle()
    return server.id, volume_id


async def extend(cloud: RunningCloud, volume_id: str, size_gib: int) -> int:
    body = {"os-extend": {"new_size": size_gib}}
    return (await cloud.post(f"{VOLUMES}/{volume_id}/action", json=body, headers=IN_USE)).status_code


async def size(cloud: RunningCloud, volume_id: str) -> tuple[str, int]:
    shown = (await cloud.get(f"{VOLUMES}/{volume_id}")).json()["volume"]
    return shown["status"], shown["size"]


async def seen_gib(cloud: RunningCloud, server_id: UUID) -> float:
    stats = await cloud.world.engine("hypervisor", HOST).stats(server_id)
    return float(stats.get("vdb_size", 0)) / 2**30


async def growths(cloud: RunningCloud, server_id: UUID) -> list[dict[str, Any]]:
    """The server's actions of that kind, newest first, each with its events."""
    path = f"{SERVERS}/{server_id}/os-instance-actions"
    listed = (await cloud.get(path)).json()["instanceActions"]
    ids = [each["request_id"] for each in listed if each["action"] == "extend_volume"]
    newest = at("2.104")
    return [(await cloud.get(f"{path}/{each}", headers=newest)).json()["instanceAction"] for each in ids]


def trouble(cloud: RunningCloud, **what: Any) -> None:
    cloud.world.rims["hypervisor", HOST]._behind.troubles.add(Trouble(**what), verb=VERB)


async def test_a_guest_sees_that_its_volume_grows(cloud: RunningCloud) -> None:
    server_id, volume_id = await attached(cloud)
    for size_gib in (2, 3):
        assert await extend(cloud, volume_id, size_gib) == 202
        await cloud.settle()
        assert await size(cloud, volume_id) == ("in-use", size_gib)
        assert await seen_gib(cloud, server_id) == size_gib
    told = await growths(cloud, server_id)
    assert [each["message"] for each in told] == [None, None]
    events = [(event["event"], event["result"]) for event in told[0]["events"]]
    assert ("compute_extend_volume", "Success") in events


async def test_until_the_guest_sees_it_the_volume_is_being_extended(cloud: RunningCloud) -> None:
    server_id, volume_id = await attached(cloud)
    trouble(cloud, kind="deaf", once=True)
    assert await extend(cloud, volume_id, 2) == 202
    one = f"{SERVERS}/{server_id}/os-volume_attachments/{volume_id}"
    assert (await cloud.delete(one)).status_code == 400
    await cloud.settle()
    assert (await size(cloud, volume_id), await seen_gib(cloud, server_id)) == (("in-use", 2), 2)
    assert (await cloud.delete(one)).status_code == 202
    await cloud.settle()
    assert await size(cloud, volume_id) == ("available", 2)


async def test_a_guest_that_cannot_see_it_says_why_and_the_volume_has_grown(cloud: RunningCloud) -> None:
    server_id, volume_id = await attached(cloud)
    trouble(cloud, kind="fail", once=True, cause="the monitor is stuck")
    assert await extend(cloud, volume_id, 2) == 202
    await cloud.settle()
    assert (await size(cloud, volume_id), await seen_gib(cloud, server_id)) == (("in-use", 2), 0)
    [told] = await growths(cloud, server_id)
    assert told["message"] == "Error"
    assert [event["details"] for event in told["events"] if event["result"] == "Error"] == ["the monitor is stuck"]


async def test_a_guest_that_is_off_sees_it_when_it_starts(cloud: RunningCloud) -> None:
    server_id, volume_id = await attached(cloud)
    await cloud.post(f"{SERVERS}/{server_id}/action", json={"os-stop": None})
    await cloud.settle()
    assert await extend(cloud, volume_id, 2) == 202
    await cloud.settle()
    assert await size(cloud, volume_id) == ("in-use", 2)
    [told] = await growths(cloud, server_id)
    assert told["message"] is None


async def test_a_server_that_goes_meanwhile_lets_its_volume_go(cloud: RunningCloud) -> None:
    server_id, volume_id = await attached(cloud)
    trouble(cloud, kind="delay", seconds=0.2)
    assert await extend(cloud, volume_id, 2) == 202
    assert (await cloud.delete(f"{SERVERS}/{server_id}")).status_code == 204
    await cloud.settle()
    assert await size(cloud, volume_id) == ("available", 2)
    assert (await cloud.get(f"{SERVERS}/{server_id}")).status_code == 404


async def test_a_server_that_goes_meanwhile_takes_along_what_goes_with_it(cloud: RunningCloud) -> None:
    """It keeps the rows of its disks until it has gone."""
    server_id, volume_id = await attached(cloud, delete_on_termination=True)
    trouble(cloud, kind="delay", seconds=0.2)
    assert await extend(cloud, volume_id, 2) == 202
    assert (await cloud.delete(f"{SERVERS}/{server_id}")).status_code == 204
    await cloud.settle()
    assert (await cloud.get(f"{SERVERS}/{server_id}")).status_code == 404
    assert (await cloud.get(f"{VOLUMES}/{volume_id}")).status_code == 404
