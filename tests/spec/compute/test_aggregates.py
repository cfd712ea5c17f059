"""Aggregates of hosts, and the availability zones that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from pileus.services.compute.aggregates import service
from pileus.services.compute.hypervisors import service as hypervisors
from pileus.services.compute.hypervisors.service import Guest
from pileus.services.placement.aggregates import service as provider_aggregates
from support import served
from support.cloud import RunningCloud
from support.computed import Guests, a_compute_host, at
from support.imaged import uploaded

AGGREGATES = "/compute/v2.1/os-aggregates"
TINY = "1"  # of the flavor m1.tiny
ZONES = "/compute/v2.1/os-availability-zone"


async def made(cloud: RunningCloud, name: str = "fast", **more: Any) -> dict[str, Any]:
    answer = await cloud.post(AGGREGATES, json={"aggregate": {"name": name, **more}}, headers=at("2.41"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["aggregate"])


async def act(cloud: RunningCloud, id_: object, key: str, **body: Any) -> Any:
    return await cloud.post(f"/compute/v2.1/os-aggregates/{id_}/action", json={key: body}, headers=at("2.41"))


async def test_an_aggregate_is_made_shown_changed_and_deleted(cloud: RunningCloud) -> None:
    aggregate = await made(cloud, availability_zone="north")
    url = f"/compute/v2.1/os-aggregates/{aggregate['id']}"
    assert "hosts" not in aggregate
    assert "metadata" not in aggregate
    whole = (await cloud.get(url, headers=at("2.41"))).json()["aggregate"]
    assert whole == {**aggregate, "hosts": [], "metadata": {"availability_zone": "north"}}
    assert (whole["availability_zone"], whole["deleted"], whole["updated_at"]) == ("north", False, None)
    assert "uuid" not in (await cloud.get(url)).json()["aggregate"]
    assert [each["name"] for each in (await cloud.get(AGGREGATES)).json()["aggregates"]] == ["fast"]
    body = {"aggregate": {"name": "slow", "availability_zone": "south"}}
    changed = (await cloud.put(url, json=body)).json()["aggregate"]
    assert (changed["name"], changed["metadata"]) == ("slow", {"availability_zone": "south"})
    assert changed["updated_at"] is not None
    gone = await cloud.delete(url)
    assert (gone.status_code, gone.content) == (200, b"")
    assert (await cloud.delete(url)).status_code == 404
    assert (await cloud.get(url)).status_code == 404
    assert (await cloud.put(url, json=body)).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 256},
        {"name": " x"},
        {"availability_zone": ""},
        {"availability_zone": "a:b"},
        {"availability_zone": "x" * 256},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_an_aggregate_that_is_none_is_refused(cloud: RunningCloud, wrong: dict[str, Any]) -> None:
    answer = await cloud.post(AGGREGATES, json={"aggregate": {"name": "fast", **wrong}})
    assert answer.status_code == 400


async def test_a_name_is_given_once(cloud: RunningCloud) -> None:
    await made(cloud)
    other = await made(cloud, "other")
    again = await cloud.post(AGGREGATES, json={"aggregate": {"name": "fast"}})
    assert again.json()["conflictingRequest"]["message"] == "Aggregate fast already exists."
    url = f"/compute/v2.1/os-aggregates/{other['id']}"
    assert (await cloud.put(url, json={"aggregate": {"name": "fast"}})).status_code == 409
    assert (await cloud.put(url, json={"aggregate": {"name": " other "}})).json()["aggregate"]["name"] == "other"
    assert (await cloud.put(url, json={"aggregate": {}})).status_code == 400
    assert (await cloud.put("/compute/v2.1/os-aggregates/x", json={"aggregate": {"name": "y"}})).status_code == 400


async def test_hosts_come_and_go_and_placement_follows(cloud: RunningCloud) -> None:
    aggregate = await made(cloud, availability_zone="north")
    provider_id = (await hypervisors.named(cloud.ctx(), ["h1"]))["h1"].id
    added = (await act(cloud, aggregate["id"], "add_host", host="h1")).json()["aggregate"]
    assert added["hosts"] == ["h1"]
    assert await provider_aggregates.of(cloud.ctx(), provider_id) == [aggregate["uuid"]]
    assert await service.zones_of(cloud.ctx(), ["h1", "h2"]) == {"h1": "north", "h2": "nova"}
    assert (await act(cloud, aggregate["id"], "add_host", host="h1")).status_code == 409
    assert (await act(cloud, aggregate["id"], "add_host", host="none")).status_code == 404
    assert (await act(cloud, 99, "add_host", host="h2")).status_code == 404
    assert (await act(cloud, aggregate["id"], "add_host", host="a b")).status_code == 400
    assert (await cloud.delete(f"/compute/v2.1/os-aggregates/{aggregate['id']}")).status_code == 400
    removed = (await act(cloud, aggregate["id"], "remove_host", host="h1")).json()["aggregate"]
    assert removed["hosts"] == []
    assert await provider_aggregates.of(cloud.ctx(), provider_id) == []
    assert (await act(cloud, aggregate["id"], "remove_host", host="h1")).status_code == 404
    assert (await act(cloud, 99, "remove_host", host="h1")).status_code == 404


async def test_a_host_is_in_one_zone(cloud: RunningCloud) -> None:
    north, south = await made(cloud, "n", availability_zone="north"), await made(cloud, "s", availability_zone="south")
    none = await made(cloud, "none")
    await act(cloud, north["id"], "add_host", host="h1")
    assert (await act(cloud, south["id"], "add_host", host="h1")).status_code == 409
    assert (await act(cloud, none["id"], "add_host", host="h1")).status_code == 200
    zone = {"metadata": {"availability_zone": "south"}}
    assert (await act(cloud, none["id"], "set_metadata", **zone)).status_code == 400
    body = {"aggregate": {"availability_zone": "south"}}
    assert (await cloud.put(f"/compute/v2.1/os-aggregates/{none['id']}", json=body)).status_code == 400
    body = {"aggregate": {"availability_zone": "north"}}
    assert (await cloud.put(f"/compute/v2.1/os-aggregates/{none['id']}", json=body)).status_code == 200


async def test_no_zone_changes_under_its_servers(cloud: RunningCloud) -> None:
    north, other = await made(cloud, "n", availability_zone="north"), await made(cloud, "o")
    await act(cloud, north["id"], "add_host", host="h1")
    cloud.world.memory[Guests] = Guests([Guest(id="s1", name="web", host="h1"), Guest(id="s2", name="web", host="h2")])
    url = f"/compute/v2.1/os-aggregates/{north['id']}"
    assert (await cloud.put(url, json={"aggregate": {"availability_zone": "south"}})).status_code == 400
    assert (await cloud.put(url, json={"aggregate": {"availability_zone": "north"}})).status_code == 200
    refused = await act(cloud, north["id"], "remove_host", host="h1")
    assert "1 instance(s)" in refused.json()["conflictingRequest"]["message"]
    assert (await act(cloud, north["id"], "add_host", host="h2")).status_code == 409
    assert (await act(cloud, other["id"], "add_host", host="h2")).status_code == 200
    assert (await act(cloud, other["id"], "remove_host", host="h2")).status_code == 200


async def test_metadata_is_added_changed_and_taken_away(cloud: RunningCloud) -> None:
    id_ = (await made(cloud, availability_zone="north"))["id"]
    set_ = await act(cloud, id_, "set_metadata", metadata={"ssd": "true", "gpu": "no"})
    assert set_.json()["aggregate"]["metadata"] == {"availability_zone": "north", "ssd": "true", "gpu": "no"}
    set_ = await act(cloud, id_, "set_metadata", metadata={"gpu": None, "ssd": "false"})
    assert set_.json()["aggregate"]["metadata"] == {"availability_zone": "north", "ssd": "false"}
    for wrong in ({"a/b": "x"}, {"": "x"}, {"x": "y" * 256}, {"x": 1}, {"availability_zone": None}):
        assert (await act(cloud, id_, "set_metadata", metadata=wrong)).status_code == 400
    assert (await act(cloud, 99, "set_metadata", metadata={"x": "y"})).status_code == 404
    assert (await act(cloud, id_, "set_metadata", metadata={"availability_zone": "a:b"})).status_code == 400


async def test_images_may_be_hinted_at_from_2_81_on(cloud: RunningCloud) -> None:
    url = f"/compute/v2.1/os-aggregates/{(await made(cloud))['id']}/images"
    image = {"id": "70a599e0-31e7-49b7-b260-868f441e862b"}
    assert (await cloud.post(url, json={"cache": [image]}, headers=at("2.81"))).status_code == 202
    assert (await cloud.post(url, json={"cache": [image]}, headers=at("2.80"))).status_code == 404
    for wrong in ([], [image, image], [{"id": "x"}]):
        assert (await cloud.post(url, json={"cache": wrong}, headers=at("2.81"))).status_code == 400
    missing = await cloud.post("/compute/v2.1/os-aggregates/99/images", json={"cache": [image]}, headers=at("2.81"))
    assert missing.status_code == 404


async def test_only_administrators_see_aggregates(cloud: RunningCloud) -> None:
    member, url = cloud.as_("manager"), f"/compute/v2.1/os-aggregates/{(await made(cloud))['id']}"
    assert (await member.get(AGGREGATES)).status_code == 403
    assert (await member.get(url)).status_code == 403
    assert (await member.post(AGGREGATES, json={"aggregate": {"name": "x"}})).status_code == 403
    assert (await member.put(url, json={"aggregate": {"name": "x"}})).status_code == 403
    assert (await member.delete(url)).status_code == 403


async def test_the_list_can_be_asked_for_with_nothing_more_from_2_102_on(cloud: RunningCloud) -> None:
    for path in (AGGREGATES, ZONES, f"{ZONES}/detail"):
        assert (await cloud.get(f"{path}?x=y", headers=at("2.101"))).status_code == 200
        assert (await cloud.get(f"{path}?x=y", headers=at("2.102"))).status_code == 400


# zones


async def test_everybody_sees_zones_and_administrators_their_hosts(cloud: RunningCloud) -> None:
    north = await made(cloud, availability_zone="north")
    await act(cloud, north["id"], "add_host", host="h2")
    listed = (await cloud.as_("reader").get(ZONES)).json()["availabilityZoneInfo"]
    available = {"zoneState": {"available": True}}
    assert listed == [
        {"zoneName": "north", **available, "hosts": None},
        {"zoneName": "nova", **available, "hosts": None},
    ]
    assert (await cloud.as_("reader").get(f"{ZONES}/detail")).status_code == 403
    whole = (await cloud.get(f"{ZONES}/detail")).json()["availabilityZoneInfo"]
    (service_,) = whole[0]["hosts"]["h2"].items()
    assert service_[0] == "nova-compute"
    assert (service_[1]["available"], service_[1]["active"]) == (True, True)


async def test_a_zone_without_an_enabled_host_is_not_available(cloud: RunningCloud) -> None:
    name = await a_compute_host(cloud)
    south = await made(cloud, availability_zone="south")
    await act(cloud, south["id"], "add_host", host=name)
    await hypervisors.change(cloud.ctx(), name, {"enabled": False, "disabled_reason": None})
    for path in (ZONES, f"{ZONES}/detail"):
        last = (await cloud.get(path)).json()["availabilityZoneInfo"][-1]
        assert last == {"zoneName": "south", "zoneState": {"available": False}, "hosts": None}


async def test_aggregates_keep_their_hosts_for_some(cloud: RunningCloud) -> None:
    first, second = await made(cloud, "first"), await made(cloud, "second")
    kept_for = ((first, "h1", {"instance_type": "m1.tiny"}), (second, "h2", {"os_distro": "debian, alpine"}))
    for aggregate, host, kept in kept_for:
        assert (await act(cloud, aggregate["id"], "add_host", host=host)).status_code == 200
        assert (await act(cloud, aggregate["id"], "set_metadata", metadata=kept)).status_code == 200
    alpine, fedora = [await uploaded(cloud, visibility="public", os_distro=name) for name in ("alpine", "fedora")]

    async def placed(flavor: str, image: Mapping[str, Any]) -> Any:
        server = await served.made(cloud, flavor_id=flavor, image_id=UUID(image["id"]), host=None)
        shown = (await cloud.get(f"{served.SERVERS}/{server.id}")).json()["server"]
        return shown["fault"]["message"] if "fault" in shown else shown["OS-EXT-SRV-ATTR:host"]

    assert await placed(TINY, fedora) == "h1"
    assert await placed(served.TINY, alpine) == "h2"
    why = await placed(served.TINY, fedora)
    assert "AggregateTypeAffinityFilter took 1 (is for other flavors)" in why
    assert "AggregateImagePropertiesIsolation took 1 (is not for images with os_distro fedora)" in why
    others = {"filter_tenant_id": cloud.as_("member").project_id}
    assert (await act(cloud, first["id"], "set_metadata", metadata=others)).status_code == 200
    specs = {"extra_specs": {"aggregate_instance_extra_specs:ssd": "true"}}
    assert (await cloud.post(f"/compute/v2.1/flavors/{TINY}/os-extra_specs", json=specs)).status_code == 200
    why = await placed(TINY, alpine)
    assert "AggregateMultiTenancyIsolation took 1 (is for other projects)" in why
    assert "AggregateInstanceExtraSpecsFilter took 1 (is in no aggregate with ssd true)" in why
