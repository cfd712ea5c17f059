"""What lists say of servers: how they are now, whoever asks, though what is the same is not made anew."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from pileus.engines.troubles import Trouble
from support import networks
from support.cloud import BASE, Client, RunningCloud
from support.computed import at
from support.served import SERVERS, TINY, an_image

OLD, NEW = "2.1", "2.104"
DATA = base64.b64encode(b"#!/bin/sh\n").decode()
ELSEWHERE = count()
NETWORK = "/network/v2.0"


@dataclass
class Watched:
    """A member's server, and what lists say of it to its owner and to an administrator, at an old and a new microversion."""

    cloud: RunningCloud
    owner: Client
    id: str

    async def listed(self, by: Client, version: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        answer = await by.get(
            f"{SERVERS}/detail?all_tenants={by is self.cloud}", headers={**at(version), **(headers or {})}
        )
        (found,) = [each for each in answer.json()["servers"] if each["id"] == self.id]
        return dict(found)

    async def looks(self) -> list[dict[str, Any]]:
        """To the owner and the administrator of old, then of now. Each is as if it were made for the first time."""
        found = []
        for version in (OLD, NEW):
            for by in (self.owner, self.cloud):
                shown = await self.listed(by, version)
                anew = await self.listed(by, version, {"host": f"{next(ELSEWHERE)}.test"})
                assert without_links(shown) == without_links(anew)
                assert ("OS-EXT-SRV-ATTR:host" in shown) == (by is self.cloud)
                found.append(shown)
        return found

    async def say(self, **expected: Any) -> None:
        """All lists say this of what they show at all; by the last part of its name."""
        for shown in await self.looks():
            short = {name.rpartition(":")[2]: value for name, value in shown.items()}
            assert {name: short[name] for name in expected if name in short} == {
                name: value for name, value in expected.items() if name in short
            }
        assert expected.keys() <= short.keys(), "to an administrator, now"

    async def ask(self, method: str, path: str, body: Any = None, by: Client | None = None) -> Any:
        """Of Compute, about the server."""
        sent = {} if body is None else {"json": body}
        answer = await (by or self.owner).request(method, f"{SERVERS}/{self.id}{path}", headers=at("2.85"), **sent)
        assert answer.status_code < 300, answer.text
        return answer

    async def act(self, name: str, body: Any = None, by: Client | None = None) -> None:
        await self.ask("POST", "/action", {name: body}, by)


def without_links(shown: dict[str, Any]) -> dict[str, Any]:
    """But what the address says by which one asks."""
    assert shown["links"]
    return {name: value for name, value in shown.items() if name not in ("links", "image", "flavor")} | {
        "image": shown["image"]["id"],
        "flavor": {name: value for name, value in shown["flavor"].items() if name != "links"},
    }


@pytest.fixture
async def watched(cloud: RunningCloud) -> Watched:
    member = cloud.as_("member")
    network_id, _ = await networks.network(member, name="net")
    wanted = {"name": "web", "flavorRef": TINY, "imageRef": await an_image(cloud), "networks": [{"uuid": network_id}]}
    answer = await member.post(SERVERS, json={"server": {**wanted, "user_data": DATA}}, headers=at("2.37"))
    assert answer.status_code == 202, answer.text
    server = Watched(cloud, member, answer.json()["server"]["id"])
    await server.say(status="BUILD", task_state="scheduling", power_state=0, name="web")
    await cloud.settle()
    await server.say(status="ACTIVE", task_state=None, power_state=1, user_data=DATA)
    return server


async def test_a_list_says_what_its_owner_changed(watched: Watched) -> None:
    named = {"name": "db", "accessIPv4": "192.0.2.1", "OS-DCF:diskConfig": "AUTO"}
    await watched.owner.put(f"{SERVERS}/{watched.id}", json={"server": {**named, "description": "d"}}, headers=at(NEW))
    await watched.say(name="db", accessIPv4="192.0.2.1", diskConfig="AUTO", description="d")
    await watched.owner.put(f"{SERVERS}/{watched.id}", json={"server": {"hostname": "db-1"}}, headers=at(NEW))
    await watched.say(hostname="db-1")
    await watched.ask("POST", "/metadata", {"metadata": {"a": "b"}})
    await watched.say(metadata={"a": "b"})
    await watched.ask("DELETE", "/metadata/a")
    await watched.say(metadata={})
    await watched.ask("PUT", "/tags", {"tags": ["one", "two"]})
    await watched.say(tags=["one", "two"])
    await watched.ask("DELETE", "/tags/one")
    await watched.say(tags=["two"])
    await watched.act("lock", {"locked_reason": "mine"})
    await watched.say(locked=True, locked_reason="mine")
    await watched.act("unlock")
    await watched.say(locked=False, locked_reason=None)


async def test_a_list_says_what_is_done_and_how_it_ended(watched: Watched) -> None:
    cloud = watched.cloud
    await watched.act("os-stop")
    await watched.say(status="ACTIVE", task_state="powering-off", power_state=1)
    await cloud.settle()
    await watched.say(status="SHUTOFF", task_state=None, power_state=4, vm_state="stopped")
    await watched.act("os-start")
    await cloud.settle()
    await watched.say(status="ACTIVE", power_state=1)
    (before, *_) = await watched.looks()
    await watched.act("resize", {"flavorRef": "84"})
    await watched.say(status="RESIZE", task_state="resize_prep")
    await cloud.settle()
    *_, now = await watched.looks()
    assert (now["status"], now["flavor"]["original_name"], now["flavor"]["ram"]) == ("VERIFY_RESIZE", "m1.micro", 256)
    await watched.act("confirmResize")
    await cloud.settle()
    old, _, new, _ = await watched.looks()
    assert (before["flavor"]["id"], old["flavor"]["id"], new["status"]) == (TINY, "84", "ACTIVE")
    await cloud.post("/compute/v2.1/flavors/84/os-extra_specs", json={"extra_specs": {"later": "1"}})
    assert [each["flavor"] for each in await watched.looks()][2:] == [new["flavor"], now["flavor"]], "a copy"


async def test_a_list_says_what_went_wrong(watched: Watched) -> None:
    cloud, image_id = watched.cloud, await an_image(watched.cloud)
    await watched.act("rebuild", {"imageRef": image_id, "user_data": "b3RoZXI="})
    await watched.say(status="REBUILD", user_data="b3RoZXI=")
    await cloud.settle()
    assert [each["image"]["id"] for each in await watched.looks()] == [image_id] * 4
    for host in ("h1", "h2"):
        trouble = Trouble(kind="fail", cause="the image is broken")
        cloud.world.rims["hypervisor", host]._behind.troubles.add(trouble, verb="ensure_disks")
    await watched.act("rebuild", {"imageRef": image_id})
    await cloud.settle()
    for shown in await watched.looks():
        assert (shown["status"], shown["fault"]["code"]) == ("ERROR", 500)
        assert "the image is broken" in shown["fault"]["message"]


async def test_a_list_says_in_which_networks_a_server_is(watched: Watched) -> None:
    owner, path = watched.owner, f"{NETWORK}/networks"
    (port,) = (await owner.get(f"{NETWORK}/ports", params={"device_id": watched.id})).json()["ports"]
    inside, outside = port["network_id"], (await networks.external(watched.cloud))[0]
    await owner.put(f"{path}/{inside}", json={"network": {"name": "lan"}})
    assert [[*each["addresses"]] for each in await watched.looks()] == [["lan"]] * 4
    (subnet,) = [each["subnet_id"] for each in port["fixed_ips"]]
    fixed = {"fixed_ips": [{"subnet_id": subnet, "ip_address": "10.0.0.77"}]}
    assert (await owner.put(f"{NETWORK}/ports/{port['id']}", json={"port": fixed})).status_code == 200
    assert addresses(await watched.looks()) == [["10.0.0.77"]] * 4
    router = await networks.router(owner, external_gateway_info={"network_id": outside})
    await networks.interface(owner, router["id"], subnet_id=subnet)
    floating = await networks.floating_ip(owner, outside, port_id=port["id"])
    assert addresses(await watched.looks()) == [["10.0.0.77", floating["floating_ip_address"]]] * 4
    await owner.delete(f"{NETWORK}/floatingips/{floating['id']}")
    assert addresses(await watched.looks()) == [["10.0.0.77"]] * 4
    await watched.say(security_groups=[{"name": "default"}])
    answer = await owner.post(f"{NETWORK}/security-groups", json={"security_group": {"name": "open"}})
    group = answer.json()["security_group"]["id"]
    await owner.put(f"{NETWORK}/ports/{port['id']}", json={"port": {"security_groups": [group]}})
    await watched.say(security_groups=[{"name": "open"}])
    await owner.put(f"{NETWORK}/security-groups/{group}", json={"security_group": {"name": "wide"}})
    await watched.say(security_groups=[{"name": "wide"}])
    await watched.ask("DELETE", f"/os-interface/{port['id']}")
    await watched.cloud.settle()
    assert addresses(await watched.looks()) == [[]] * 4


def addresses(looks: list[dict[str, Any]]) -> list[list[str]]:
    return [[each["addr"] for listed in shown["addresses"].values() for each in listed] for shown in looks]


async def test_a_list_says_which_volumes_a_server_has(watched: Watched) -> None:
    volume = (await watched.owner.post("/volume/v3/volumes", json={"volume": {"size": 1}})).json()["volume"]["id"]
    await watched.cloud.settle()
    await watched.ask("POST", "/os-volume_attachments", {"volumeAttachment": {"volumeId": volume}})
    await watched.cloud.settle()
    assert (
        disks(await watched.looks()) == [[{"id": volume}]] * 2 + [[{"id": volume, "delete_on_termination": False}]] * 2
    )
    body = {"volumeAttachment": {"volumeId": volume, "delete_on_termination": True}}
    await watched.ask("PUT", f"/os-volume_attachments/{volume}", body)
    assert (
        disks(await watched.looks()) == [[{"id": volume}]] * 2 + [[{"id": volume, "delete_on_termination": True}]] * 2
    )
    await watched.ask("DELETE", f"/os-volume_attachments/{volume}")
    await watched.cloud.settle()
    assert disks(await watched.looks()) == [[]] * 4


def disks(looks: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [shown["os-extended-volumes:volumes_attached"] for shown in looks]


async def test_a_list_says_where_a_server_is(watched: Watched) -> None:
    cloud = watched.cloud
    await watched.say(host_status="UP", availability_zone="nova")
    *_, now = await watched.looks()
    host = now["OS-EXT-SRV-ATTR:host"]
    for status, said in (("disable", "MAINTENANCE"), ("enable", "UP")):
        body = {"host": host, "binary": "nova-compute"}
        assert (await cloud.put(f"/compute/v2.1/os-services/{status}", json=body)).status_code == 200
        await watched.say(host_status=said)
    other = "h2" if host == "h1" else "h1"
    body = {"aggregate": {"name": "north", "availability_zone": "north"}}
    aggregate = (await cloud.post("/compute/v2.1/os-aggregates", json=body)).json()["aggregate"]["id"]
    body = {"add_host": {"host": other}}
    assert (await cloud.post(f"/compute/v2.1/os-aggregates/{aggregate}/action", json=body)).status_code == 200
    (old, *_) = await watched.looks()
    await watched.act("migrate", {"host": other}, cloud)
    await cloud.settle()
    await watched.say(host=other, availability_zone="north", status="VERIFY_RESIZE")
    assert (await watched.looks())[0]["hostId"] != old["hostId"]


async def test_each_is_told_as_he_asks(watched: Watched) -> None:
    """What was made for another, or for another way of asking, is not what is told."""
    owner, cloud = watched.owner, watched.cloud
    seen: dict[str, set[str]] = {}
    for version in ("2.104", "2.1", "2.3", "2.16", "2.47", "2.71"):
        for by in (cloud, owner, cloud):
            listed = await watched.listed(by, version)
            whole = (await by.get(f"{SERVERS}/{watched.id}", headers=at(version))).json()["server"]
            groups = {"server_groups": []} if version in ("2.71", "2.104") else {}
            assert whole == listed | groups
            seen[f"{version} {by is cloud}"] = set(listed)
    assert not {"OS-EXT-SRV-ATTR:host", "host_status"} & seen["2.104 False"]
    assert {"OS-EXT-SRV-ATTR:host", "host_status", "OS-EXT-SRV-ATTR:user_data"} <= seen["2.104 True"]
    assert "host_status" not in seen["2.3 True"]
    assert "OS-EXT-SRV-ATTR:user_data" not in seen["2.1 True"]
    path = SERVERS.replace("/v2.1", f"/v2.1/{owner.project_id}")
    (named,) = (await owner.get(f"{path}/detail")).json()["servers"]
    (plain,) = (await owner.get(f"{SERVERS}/detail")).json()["servers"]
    assert named["links"][0]["href"] == f"{BASE}{path}/{watched.id}"
    assert plain["links"][0]["href"] == f"{BASE}{SERVERS}/{watched.id}"
