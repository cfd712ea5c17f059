"""What was done with a server."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from pileus.engines.troubles import Trouble
from support.cloud import Client, RunningCloud
from support.computed import at
from support.served import SERVERS, made


async def listed(client: Client, server_id: object, version: str = "2.1", query: str = "") -> list[dict[str, Any]]:
    path = f"/compute/v2.1/servers/{server_id}/os-instance-actions"
    answer = await client.get(path + query, headers=at(version))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["instanceActions"])


async def test_every_action_is_there_newest_first(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    for name in ("os-stop", "os-start"):
        await member.post(f"{SERVERS}/{server.id}/action", json={name: None})
        await cloud.settle()
    found = await listed(member, server.id)
    assert [each["action"] for each in found] == ["start", "stop", "create"]
    assert {each["message"] for each in found} == {None}
    assert (found[0]["user_id"], found[0]["project_id"]) == (member.user_id, member.project_id)
    first = await listed(member, server.id, "2.58", "?limit=1")
    assert first[0]["updated_at"] >= first[0]["start_time"]
    after = await listed(member, server.id, "2.58", f"?limit=1&marker={first[0]['request_id']}")
    assert after[0]["action"] == "stop"
    assert await listed(member, server.id, "2.66", "?changes-before=2000-01-01T00:00:00Z") == []
    assert len(await listed(member, server.id, "2.58", "?changes-since=2000-01-01T00:00:00Z")) == 3


async def test_an_action_shows_its_steps_to_who_may_see_them(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    cloud.world.rims["hypervisor", server.host or "h1"]._behind.troubles.add(
        Trouble(kind="fail", cause="no way"), verb="ensure_power"
    )
    answer = await member.post(f"{SERVERS}/{server.id}/action", json={"os-stop": None})
    request_id = answer.headers["x-openstack-request-id"]
    for host in ("h1", "h2"):
        cloud.world.rims["hypervisor", host]._behind.troubles.add(
            Trouble(kind="fail", cause="no way"), verb="ensure_power"
        )
    await cloud.settle()
    path = f"/compute/v2.1/servers/{server.id}/os-instance-actions/{request_id}"
    assert "events" not in (await member.get(path)).json()["instanceAction"]
    shown = (await member.get(path, headers=at("2.84"))).json()["instanceAction"]
    assert shown["message"] == "Error"
    assert (shown["events"][0]["result"], shown["events"][0]["details"]) == ("Error", "no way")
    assert "traceback" not in shown["events"][0]
    assert (await cloud.get(path)).json()["instanceAction"]["events"][0]["traceback"] == "no way"
    assert (await member.get(f"{path}x")).status_code == 404


async def test_what_was_done_with_a_deleted_server_can_be_read(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    await member.delete(f"{SERVERS}/{server.id}")
    await cloud.settle()
    assert [each["action"] for each in await listed(member, server.id, "2.21")] == ["delete", "create"]
    assert (await member.get(f"{SERVERS}/{server.id}/os-instance-actions")).status_code == 404
    assert (await member.get(f"{SERVERS}/{uuid4()}/os-instance-actions", headers=at("2.21"))).status_code == 404
    path = f"{SERVERS}/{server.id}/os-instance-actions"
    assert (await cloud.as_("stranger").get(path, headers=at("2.21"))).status_code == 404
