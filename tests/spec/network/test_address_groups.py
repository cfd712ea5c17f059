"""/v2.0/address-groups and /v2.0/address-scopes."""

from __future__ import annotations

from typing import Any

from support.cloud import Client, RunningCloud
from support.networks import error, made

GROUPS = "/network/v2.0/address-groups"
SCOPES = "/network/v2.0/address-scopes"


async def group(client: Client, **fields: Any) -> dict[str, Any]:
    return await made(client, GROUPS, "address_group", {"name": "offices", **fields})


async def test_an_address_group_from_its_making_to_its_end(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    shown = await group(member, addresses=["10.0.0.0/8", "2001:DB8::/32"], description="ours")
    assert (shown["addresses"], shown["shared"]) == (["10.0.0.0/8", "2001:db8::/32"], False)
    url = f"{GROUPS}/{shown['id']}"
    assert (await member.get(url)).json()["address_group"] == shown
    assert [g["id"] for g in (await member.get(f"{GROUPS}?name=offices")).json()["address_groups"]] == [shown["id"]]
    changed = await member.put(url, json={"address_group": {"name": "homes"}})
    assert (changed.status_code, changed.json()["address_group"]["name"]) == (200, "homes")
    added = await member.put(f"{GROUPS}/{shown['id']}/add_addresses", json={"addresses": ["192.0.2.0/24"]})
    assert added.json()["address_group"]["addresses"] == ["10.0.0.0/8", "2001:db8::/32", "192.0.2.0/24"]
    again = await member.put(
        f"{GROUPS}/{shown['id']}/add_addresses", json={"address_group": {"addresses": ["192.0.2.0/24"]}}
    )
    assert error(again)[:2] == (400, "AddressesAlreadyExist")
    gone = await member.put(f"{GROUPS}/{shown['id']}/remove_addresses", json={"addresses": ["10.0.0.0/8"]})
    assert gone.json()["address_group"]["addresses"] == ["2001:db8::/32", "192.0.2.0/24"]
    unknown = await member.put(f"{GROUPS}/{shown['id']}/remove_addresses", json={"addresses": ["10.0.0.0/8"]})
    assert error(unknown)[:2] == (404, "AddressesNotFound")
    assert (await member.delete(url)).status_code == 204
    for answer in (await member.get(url), await member.delete(url)):
        assert error(answer) == (404, "AddressGroupNotFound", f"Address group {shown['id']} could not be found.")


async def test_what_is_no_address(cloud: RunningCloud) -> None:
    """POST /v2.0/address-groups"""
    for wrong in (["10.0.0.1"], ["x/8"], ["10.0.0.0/33"], [5], "10.0.0.0/8", ["fe80::1%x/64"]):
        assert error(await cloud.post(GROUPS, json={"address_group": {"addresses": wrong}}))[0] == 400, wrong


async def test_a_group_that_is_shared_is_seen_and_not_changed(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    theirs = await group(cloud)
    url = f"{GROUPS}/{theirs['id']}"
    assert (await member.get(url)).status_code == 404
    policy = {
        "object_type": "address_group",
        "object_id": theirs["id"],
        "action": "access_as_shared",
        "target_tenant": member.project_id,
    }
    await made(cloud, "/network/v2.0/rbac-policies", "rbac_policy", policy)
    assert (await member.get(url)).json()["address_group"]["shared"] is True
    assert (await member.put(url, json={"address_group": {"name": "x"}})).status_code == 404


async def test_an_address_scope_from_its_making_to_its_end(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    shown = await made(member, SCOPES, "address_scope", {"name": "s", "ip_version": 4})
    assert {**shown, "id": ""} == {
        "id": "",
        "name": "s",
        "ip_version": 4,
        "shared": False,
        "project_id": member.project_id,
        "tenant_id": member.project_id,
    }
    url = f"{SCOPES}/{shown['id']}"
    assert (await member.get(url)).json()["address_scope"] == shown
    assert (await member.get(f"{SCOPES}?ip_version=4")).json()["address_scopes"] == [shown]
    assert (await member.put(url, json={"address_scope": {"name": "t"}})).json()["address_scope"]["name"] == "t"
    for value in (True, False):
        assert error(await member.put(url, json={"address_scope": {"shared": value}}))[0] == 403
    assert (await member.delete(url)).status_code == 204
    for answer in (await member.get(url), await member.delete(url)):
        assert error(answer)[:2] == (404, "AddressScopeNotFound")


async def test_a_scope_that_is_shared_stays_so(cloud: RunningCloud) -> None:
    """POST /v2.0/address-scopes"""
    member = cloud.as_("member")
    shown = await made(cloud, SCOPES, "address_scope", {"name": "s", "ip_version": 6, "shared": True})
    url = f"{SCOPES}/{shown['id']}"
    assert (await member.get(url)).json()["address_scope"]["shared"] is True
    answer = await cloud.put(url, json={"address_scope": {"shared": False}})
    assert error(answer)[:2] == (400, "AddressScopeUpdateError")
    assert (
        error(await member.post(SCOPES, json={"address_scope": {"name": "s", "ip_version": 4, "shared": True}}))[0]
        == 403
    )
    for wrong in ({"name": "s"}, {"name": "s", "ip_version": 5}):
        assert error(await cloud.post(SCOPES, json={"address_scope": wrong}))[0] == 400
