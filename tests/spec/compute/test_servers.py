"""Servers: made, listed, shown, changed, deleted."""

from __future__ import annotations

import string
from typing import Any
from uuid import uuid4

import pytest

from pileus.engines.hypervisor import DomainFacts, Power
from pileus.engines.troubles import Trouble
from pileus.kernel import hosts
from support.cloud import Client, RunningCloud
from support.computed import PUBLIC_KEY, at
from support.imaged import uploaded
from support.served import SERVERS, TINY, made

IMAGE = str(uuid4())
NEWEST = at("2.104")


@pytest.fixture(autouse=True)
async def image(cloud: RunningCloud) -> None:
    await uploaded(cloud, id=IMAGE, visibility="public")


async def created(client: Client, version: str = "2.1", **more: Any) -> dict[str, Any]:
    body = {"name": "web", "flavorRef": TINY, "imageRef": IMAGE, **more}
    answer = await client.post("/compute/v2.1/servers", json={"server": body}, headers=at(version))
    assert answer.status_code == 202, answer.text
    return dict(answer.json()["server"])


async def shown(client: Client, server_id: object, version: str = "2.104") -> dict[str, Any]:
    answer = await client.get(f"/compute/v2.1/servers/{server_id}", headers=at(version))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["server"])


async def refused(client: Client, status: int, version: str = "2.1", **more: Any) -> str:
    body = {"name": "web", "flavorRef": TINY, "imageRef": IMAGE, **more}
    body = {name: value for name, value in body.items() if value is not None}
    answer = await client.post(SERVERS, json={"server": body}, headers=at(version))
    assert answer.status_code == status, answer.text
    return next(iter(answer.json().values()))["message"]  # type: ignore[no-any-return]


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [server["name"] for server in answer.json()["servers"]]


async def guests(cloud: RunningCloud) -> dict[Any, DomainFacts]:
    return {
        id_: facts
        for host in ("h1", "h2")
        for id_, facts in (await cloud.world.engine("hypervisor", host).observe()).items()
    }


async def test_a_server_is_built_and_runs(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    new = await created(member, metadata={"a": "b"})
    assert new.keys() == {"id", "links", "OS-DCF:diskConfig", "adminPass", "security_groups"}
    building = await shown(member, new["id"])
    assert (building["status"], building["OS-EXT-STS:task_state"]) == ("BUILD", "scheduling")
    await cloud.settle()
    server = await shown(member, new["id"])
    assert (server["status"], server["OS-EXT-STS:power_state"], server["progress"]) == ("ACTIVE", 1, 100)
    assert server["metadata"] == {"a": "b"}
    assert server["hostId"]
    assert "OS-EXT-SRV-ATTR:host" not in server
    assert (await shown(cloud, new["id"]))["OS-EXT-SRV-ATTR:host"] in {"h1", "h2"}
    (facts,) = (await guests(cloud)).values()
    assert facts == DomainFacts(defined=True, power=Power.ON, disks=("root",))


async def test_what_is_shown_grows_with_the_microversion(cloud: RunningCloud) -> None:
    server = await made(cloud)
    known: set[str] = set()
    grown = {}
    for version in ("2.1", "2.3", "2.9", "2.16", "2.19", "2.26", "2.63", "2.71", "2.73", "2.96", "2.100"):
        found = set(await shown(cloud, server.id, version))
        grown[version] = sorted(found - known)
        assert known <= found
        known = found
    assert grown["2.3"][0] == "OS-EXT-SRV-ATTR:hostname"
    assert {version: new for version, new in grown.items() if version > "2.1" and version != "2.3"} == {
        "2.9": ["locked"],
        "2.16": ["host_status"],
        "2.19": ["description"],
        "2.26": ["tags"],
        "2.63": ["trusted_image_certificates"],
        "2.71": ["server_groups"],
        "2.73": ["locked_reason"],
        "2.96": ["pinned_availability_zone"],
        "2.100": ["scheduler_hints"],
    }
    assert set((await shown(cloud, server.id, "2.46"))["flavor"]) == {"id", "links"}
    assert (await shown(cloud, server.id, "2.47"))["flavor"]["original_name"] == "m1.nano"


async def test_a_server_is_changed(cloud: RunningCloud) -> None:
    server = await made(cloud, cloud.as_("member"))
    path = f"/compute/v2.1/servers/{server.id}"
    body = {
        "name": "db",
        "accessIPv4": "192.0.2.1",
        "description": "d",
        "hostname": "db-1",
        "OS-DCF:diskConfig": "AUTO",
    }
    answer = await cloud.as_("member").put(path, json={"server": body}, headers=NEWEST)
    assert answer.status_code == 200, answer.text
    changed = answer.json()["server"]
    assert {name: changed[name] for name in ("name", "accessIPv4", "description")} == {
        "name": "db",
        "accessIPv4": "192.0.2.1",
        "description": "d",
    }
    for version, wrong in (("2.1", {"description": "d"}), ("2.89", {"hostname": "x1"}), ("2.104", {"hostname": "a b"})):
        answer = await cloud.as_("member").put(path, json={"server": wrong}, headers=at(version))
        assert answer.status_code == 400
    assert (await cloud.as_("reader").put(path, json={"server": {"name": "x"}})).status_code == 403


async def test_a_deleted_server_leaves_nothing_but_its_row_for_administrators(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    for _ in range(2):
        assert (await member.delete(f"/compute/v2.1/servers/{server.id}")).status_code == 204
    await cloud.settle()
    assert (await member.get(f"{SERVERS}/{server.id}")).status_code == 404
    assert (await member.delete(f"{SERVERS}/{server.id}")).status_code == 404
    assert await guests(cloud) == {}
    assert names(await member.get("/compute/v2.1/servers?deleted=true")) == []
    assert names(await cloud.get("/compute/v2.1/servers?deleted=true&all_tenants=1")) == [server.name]
    since = await member.get(f"{SERVERS}/detail?changes-since=2000-01-01T00:00:00Z")
    assert [each["status"] for each in since.json()["servers"]] == ["DELETED"]


async def test_deleting_wins_over_building(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    new = await created(member)
    assert (await member.delete(f"{SERVERS}/{new['id']}")).status_code == 204
    await cloud.settle()
    assert (await member.get(f"{SERVERS}/{new['id']}")).status_code == 404
    assert await guests(cloud) == {}


async def test_a_build_that_fails_says_why_and_leaves_nothing(cloud: RunningCloud) -> None:
    for host in ("h1", "h2"):
        cloud.world.rims["hypervisor", host]._behind.troubles.add(
            Trouble(kind="fail", cause="the image is broken"), verb="ensure_disks"
        )
    new = await created(cloud.as_("member"))
    await cloud.settle()
    server = await shown(cloud.as_("member"), new["id"])
    assert (server["status"], server["fault"]["code"]) == ("ERROR", 500)
    assert "the image is broken" in server["fault"]["message"]
    assert "details" not in server["fault"]
    assert server["hostId"] == ""
    assert await guests(cloud) == {}


async def test_who_finds_no_host_is_told_what_would_fit(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    new = await too_large(cloud)
    fault = (await shown(member, new["id"]))["fault"]
    assert fault["message"].startswith("No valid host was found. Of 2 hosts Placement took 2 (")
    assert "MiB of memory" in fault["message"]


async def too_large(cloud: RunningCloud) -> dict[str, Any]:
    """A member's server that no host has room for."""
    member = cloud.as_("member")
    flavor = {"flavor": {"name": "huge", "ram": 10**9, "vcpus": 1, "disk": 1, "id": "huge"}}
    assert (await cloud.post("/compute/v2.1/flavors", json=flavor)).status_code == 200
    quota = {"quota_set": {"ram": -1}}
    answer = await cloud.put(f"/compute/v2.1/os-quota-sets/{member.project_id}", json=quota)
    assert answer.status_code == 200, answer.text
    new = await created(member, flavorRef="huge")
    await cloud.settle()
    return new


async def test_which_hosts_fell_out_is_told_to_administrators_alone(cloud: RunningCloud) -> None:
    await disabled(cloud, "h2", "its owner, h7, is late")
    new = await too_large(cloud)
    theirs, ours = [await why_not(client, new["id"]) for client in (cloud.as_("member"), cloud)]
    assert "ComputeFilter took 1 (taken out of use); Placement took 1 (" in theirs
    assert not {word.strip(string.punctuation) for word in theirs.split()} & {"h1", "h2", "h7"}
    assert "ComputeFilter: h2 (taken out of use: its owner, h7, is late)" in ours
    assert "Placement: h1 (has not 1000000000 MiB of memory free)" in ours


async def test_a_host_that_is_down_is_named_to_administrators_alone(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await made(cloud, member)
    await hosts.fence(cloud.ctx(), "h1")
    await cloud.world.hosts.look(cloud.ctx())
    assert (await member.post(f"{SERVERS}/{server.id}/action", json={"os-stop": None})).status_code == 202
    await cloud.settle()
    theirs, ours = [await failures(client, server.id) for client in (member, cloud)]
    assert theirs == ["The host is not reachable: its lease has run out."]
    assert ours == ["The host is not reachable: its lease has run out.\nhost: h1"]


async def failures(client: Client, server_id: object) -> list[str]:
    """The details of what failed of the last thing that was done with a server."""
    path = f"{SERVERS}/{server_id}/os-instance-actions"
    action = (await client.get(path, headers=NEWEST)).json()["instanceActions"][0]
    whole = (await client.get(f"{path}/{action['request_id']}", headers=NEWEST)).json()["instanceAction"]
    return [event["details"] for event in whole["events"] if event["result"] == "Error"]


async def disabled(cloud: RunningCloud, host: str, why: str) -> None:
    (service,) = (await cloud.get(f"/compute/v2.1/os-services?host={host}", headers=NEWEST)).json()["services"]
    body = {"status": "disabled", "disabled_reason": why}
    answer = await cloud.put(f"/compute/v2.1/os-services/{service['id']}", json=body, headers=NEWEST)
    assert answer.status_code == 200, answer.text


async def why_not(client: Client, server_id: object) -> str:
    """What somebody may read of why a server was not built: the same in its fault and in the event of its action."""
    fault = (await shown(client, server_id))["fault"]
    (said,) = await failures(client, server_id)
    assert said == fault.get("details", said)
    assert said.startswith(fault["message"])
    return said


async def test_several_at_once_share_a_reservation(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    body = {"name": "web", "flavorRef": TINY, "imageRef": IMAGE, "min_count": 2, "max_count": "3"}
    answer = await member.post(SERVERS, json={"server": {**body, "return_reservation_id": True}})
    reservation = answer.json()["reservation_id"]
    await cloud.settle()
    listed = await member.get(f"{SERVERS}?reservation_id={reservation}&sort_key=display_name&sort_dir=asc")
    assert names(listed) == ["web-1", "web-2", "web-3"]
    assert await refused(member, 400, min_count=3, max_count=2) == "min_count must be <= max_count"
    assert "Quota exceeded for instances" in await refused(member, 403, min_count=8)
    answer = await member.post(SERVERS, json={"server": {**body, "max_count": 100}})  # as many as fit
    assert answer.status_code == 202
    assert len(names(await member.get(SERVERS))) == 10


@pytest.mark.parametrize(
    ("version", "wrong", "said"),
    [
        ("2.1", {"flavorRef": "none"}, "Flavor none could not be found."),
        ("2.1", {"imageRef": "none"}, "'none' is not a 'uuid'"),
        ("2.1", {"imageRef": None}, "Invalid imageRef provided."),
        ("2.1", {"imageRef": str(uuid4())}, "Can not find requested image"),
        ("2.1", {"name": " web"}, "printable"),
        ("2.1", {"name": "x" * 256}, "server.name"),
        ("2.1", {"surprise": 1}, "unknown field"),
        ("2.1", {"key_name": "none"}, "Invalid key_name provided."),
        ("2.1", {"user_data": "no base64!"}, "user_data"),
        ("2.1", {"metadata": {"ä": "x"}}, "metadata"),
        ("2.1", {"accessIPv4": "::1"}, "ipv4"),
        ("2.1", {"min_count": 0}, "min_count"),
        ("2.1", {"config_drive": "perhaps"}, "config_drive"),
        ("2.1", {"description": "too early"}, "description"),
        ("2.1", {"networks": "none"}, "networks"),
        ("2.37", {"networks": None}, "'networks' is a required property"),
        ("2.57", {"networks": "none", "personality": []}, "personality"),
        ("2.63", {"networks": "none", "trusted_image_certificates": ["x"]}, "certificates"),
        (
            "2.1",
            {
                "block_device_mapping_v2": [
                    {"source_type": "image", "destination_type": "volume", "uuid": IMAGE, "boot_index": 0}
                ]
            },
            "size",
        ),
        (
            "2.1",
            {"block_device_mapping_v2": [{"source_type": "blank", "boot_index": 1, "volume_size": 1}]},
            "Boot sequence",
        ),
        ("2.90", {"networks": "none", "hostname": "a.b"}, "hostname"),
    ],
)
async def test_what_cannot_be_is_refused(cloud: RunningCloud, version: str, wrong: dict[str, Any], said: str) -> None:
    assert said in await refused(cloud.as_("member"), 400, version, **wrong)


async def test_a_host_is_chosen_by_administrators_alone(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    await refused(member, 403, availability_zone="nova:h2")
    await refused(member, 403, "2.74", host="h2", networks="none")
    for version, more in (("2.1", {"availability_zone": "nova:h2"}), ("2.74", {"host": "h2", "networks": "none"})):
        new = await created(cloud, version, **more)
        await cloud.settle()
        assert (await shown(cloud, new["id"]))["OS-EXT-SRV-ATTR:host"] == "h2"
    for which in ({"host": "h9"}, {"hypervisor_hostname": "h9"}):
        assert "h9 could not be found" in await refused(cloud, 400, "2.74", networks="none", **which)
    new = await created(cloud, "2.1", availability_zone="nova:h9")
    await cloud.settle()
    assert "another host was asked for" in (await shown(cloud, new["id"]))["fault"]["message"]


async def test_hints_bring_servers_together_and_apart(cloud: RunningCloud) -> None:
    first = await shown(cloud, (await made(cloud)).id)
    for hint, same in (("same_host", True), ("different_host", False)):
        body = {"name": "x", "flavorRef": TINY, "imageRef": IMAGE}
        answer = await cloud.post(SERVERS, json={"server": body, "os:scheduler_hints": {hint: first["id"]}})
        await cloud.settle()
        second = await shown(cloud, answer.json()["server"]["id"])
        assert (second["OS-EXT-SRV-ATTR:host"] == first["OS-EXT-SRV-ATTR:host"]) is same
    answer = await cloud.post(SERVERS, json={"server": body, "os:scheduler_hints": {"same_host": "none"}})
    assert answer.status_code == 400


async def test_a_list_is_filtered_sorted_and_paged(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    for name in ("web-1", "web-2", "db.1"):
        await created(member, "2.52", name=name, networks="none", tags=[name, "all"])
    await cloud.settle()
    assert names(await member.get("/compute/v2.1/servers?name=^web&sort_key=display_name&sort_dir=asc")) == [
        "web-1",
        "web-2",
    ]
    assert names(await member.get("/compute/v2.1/servers/detail?name=b\\.1")) == ["db.1"]
    assert (await member.get(f"{SERVERS}?name=(a%2B)%2B$")).status_code == 400
    assert len(names(await member.get(f"{SERVERS}?status=active&flavor={TINY}&image={IMAGE}"))) == 3
    assert names(await member.get(f"{SERVERS}?status=SHUTOFF")) == []
    assert names(await member.get(f"{SERVERS}?status=odd")) == []
    assert (await member.get(f"{SERVERS}?status=odd", headers=at("2.38"))).status_code == 400
    assert names(await member.get(f"{SERVERS}?tags=web-1,all", headers=NEWEST)) == ["web-1"]
    assert len(names(await member.get(f"{SERVERS}?not-tags-any=web-1", headers=NEWEST))) == 2
    assert (await member.get(f"{SERVERS}?surprise=1", headers=NEWEST)).status_code == 400
    assert len(names(await member.get(f"{SERVERS}?surprise=1"))) == 3
    assert len(names(await member.get(f"{SERVERS}?host=h9"))) == 3  # a member's filter by host has no effect
    assert names(await cloud.get(f"{SERVERS}?all_tenants=1&host=h9")) == []
    assert (await member.get(f"{SERVERS}?all_tenants=1")).status_code == 403
    assert len(names(await cloud.get(f"{SERVERS}?all_tenants=True"))) == 3
    seen, path = [], "/compute/v2.1/servers?limit=2"
    while path:
        answer = await member.get(path)
        seen += names(answer)
        path = next((link["href"] for link in answer.json().get("servers_links", [])), "")
    assert sorted(seen) == ["db.1", "web-1", "web-2"]
    assert (await member.get(f"{SERVERS}?marker={uuid4()}")).status_code == 400
    assert (await member.get(f"{SERVERS}?limit=-1")).status_code == 400


async def test_a_key_goes_with_the_server(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    await member.post("/compute/v2.1/os-keypairs", json={"keypair": {"name": "mine", "public_key": PUBLIC_KEY}})
    new = await created(member, key_name="mine", config_drive=True, user_data="aGVsbG8=", adminPass="secret")
    assert new["adminPass"] == "secret"
    await cloud.settle()
    server = await shown(member, new["id"])
    assert (server["key_name"], server["config_drive"]) == ("mine", "True")


async def test_a_locked_server_is_deleted_by_administrators_alone(cloud: RunningCloud) -> None:
    assert (
        await cloud.as_("reader").post(SERVERS, json={"server": {"name": "x", "flavorRef": TINY}})
    ).status_code == 403
    assert (await cloud.get(f"{SERVERS}/{uuid4()}")).status_code == 404
    assert (await cloud.get(f"{SERVERS}/no-uuid")).status_code == 404
