"""Lists of Networking: filters, fields, orders and pages."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import RunningCloud
from support.networks import ROOT, error, made, network

NETWORKS = f"{ROOT}/networks"


async def names(cloud: RunningCloud, query: str) -> list[str]:
    answer = await cloud.get(f"{NETWORKS}?{query}")
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["networks"]]


@pytest.fixture
async def four(cloud: RunningCloud) -> RunningCloud:
    for name, more in {"a": {"tags": ["x", "y"]}, "b": {"tags": ["x"]}, "c": {"shared": True}, "d": {}}.items():
        await made(cloud, NETWORKS, "network", {"name": name, **more})
    return cloud


async def test_a_filter_that_is_repeated_takes_any(four: RunningCloud) -> None:
    assert sorted(await names(four, "name=a&name=c&name=z")) == ["a", "c"]
    assert await names(four, "shared=True") == ["c"]
    assert sorted(await names(four, "shared=false&name=c&name=d")) == ["d"]
    assert sorted(await names(four, "status=ACTIVE")) == ["a", "b", "c", "d"]
    assert await names(four, "id=nonsense") == []


async def test_tags_filter(four: RunningCloud) -> None:
    assert sorted(await names(four, "tags=x")) == ["a", "b"]
    assert await names(four, "tags=x,y") == ["a"]
    assert sorted(await names(four, "tags-any=x,y")) == ["a", "b"]
    assert sorted(await names(four, "not-tags=x,y")) == ["b", "c", "d"]
    assert sorted(await names(four, "not-tags-any=x,y")) == ["c", "d"]


async def test_fields_choose_what_is_shown(four: RunningCloud) -> None:
    answer = await four.get(f"{NETWORKS}?fields=name&fields=shared&sort_key=name&sort_dir=desc")
    assert answer.json()["networks"][0] == {"name": "d", "shared": False}
    one = (await four.get(NETWORKS)).json()["networks"][0]
    assert (await four.get(f"{NETWORKS}/{one['id']}?fields=id")).json() == {"network": {"id": one["id"]}}


async def test_pages_lead_on_and_back(four: RunningCloud) -> None:
    page = (await four.get(f"{NETWORKS}?limit=3&sort_key=name&sort_dir=asc")).json()
    assert [each["name"] for each in page["networks"]] == ["a", "b", "c"]
    links = {each["rel"]: each["href"] for each in page["networks_links"]}
    page = (await four.get(links["next"])).json()
    assert [each["name"] for each in page["networks"]] == ["d"]
    links = {each["rel"]: each["href"] for each in page["networks_links"]}
    assert links.keys() == {"previous"}
    page = (await four.get(links["previous"])).json()
    assert [each["name"] for each in page["networks"]] == ["a", "b", "c"]


async def test_a_full_page_leads_on_to_an_empty_one(four: RunningCloud) -> None:
    """As Neutron has it: nobody looks whether more follows."""
    page = (await four.get(f"{NETWORKS}?limit=4")).json()
    assert {each["rel"] for each in page["networks_links"]} == {"next", "previous"}
    following = (await four.get(page["networks_links"][0]["href"])).json()
    assert following["networks"] == []
    assert "networks_links" not in (await four.get(NETWORKS)).json()


WRONG: dict[str, tuple[int, str]] = {
    "nonsense=1": (400, "HTTPBadRequest"),
    "subnets=1": (400, "HTTPBadRequest"),
    "sort_key=name": (400, "HTTPBadRequest"),
    "sort_key=subnets&sort_dir=asc": (400, "HTTPBadRequest"),
    "sort_key=name&sort_dir=up": (400, "HTTPBadRequest"),
    "limit=-1": (400, "BadRequest"),
    "limit=many": (400, "BadRequest"),
    "marker=00000000-0000-4000-8000-000000000000&limit=1": (404, "NetworkNotFound"),
    "shared=perhaps": (400, "HTTPBadRequest"),
}


@pytest.mark.parametrize("query", WRONG)
async def test_what_cannot_be_asked_is_refused(cloud: RunningCloud, query: str) -> None:
    assert error(await cloud.get(f"{NETWORKS}?{query}"))[:2] == WRONG[query]


async def test_ports_are_found_by_their_addresses(cloud: RunningCloud) -> None:
    network_id, subnet_id = await network(cloud)
    wanted: list[dict[str, Any]] = [
        {"network_id": network_id, "name": name, "fixed_ips": [{"ip_address": address}]}
        for name, address in {"one": "10.0.0.11", "two": "10.0.0.12", "other": "10.0.0.99"}.items()
    ]
    await cloud.post(f"{ROOT}/ports", json={"ports": wanted})

    async def found(query: str) -> list[str]:
        answer = await cloud.get(f"{ROOT}/ports?device_owner=&{query}")
        return sorted(each["name"] for each in answer.json()["ports"])

    assert await found("fixed_ips=ip_address=10.0.0.12") == ["two"]
    assert await found("fixed_ips=ip_address=10.0.0.12&fixed_ips=ip_address%3D10.0.0.11") == ["one", "two"]
    assert await found("fixed_ips=ip_address_substr=0.1") == ["one", "two"]
    assert await found(f"fixed_ips=subnet_id={subnet_id}&fixed_ips=ip_address=10.0.0.99") == ["other"]
    assert await found("fixed_ips=subnet_id=nonsense") == []
    assert await found(f"network_id={network_id}&status=DOWN&name=two") == ["two"]
