"""/v3/policies: texts that Identity keeps for others, and which of them is for which endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import Session, World, same_answer

AT = "http://cloud.example:8775/identity/v3/policies"
POLICIES = "/v3/policies"


async def a_policy(admin: Session) -> str:
    answer = await admin.post(POLICIES, {"policy": {"type": "application/json", "blob": "{}"}})
    return str(answer.json()["policy"]["id"])


class Site:
    """A service with one endpoint, in a region below another."""

    def __init__(self, admin: Session) -> None:
        self.admin = admin

    async def make(self) -> Site:
        self.top = (await self.admin.post("/v3/regions", {"region": {}})).json()["region"]["id"]
        region = {"region": {"parent_region_id": self.top}}
        self.region = (await self.admin.post("/v3/regions", region)).json()["region"]["id"]
        self.service = (await self.admin.post("/v3/services", {"service": {"type": "dns"}})).json()["service"]["id"]
        self.endpoint = await self.add(self.region)
        return self

    async def add(self, region_id: str | None) -> str:
        sent = {"service_id": self.service, "interface": "public", "url": "http://a.example/", "region_id": region_id}
        return str((await self.admin.post("/v3/endpoints", {"endpoint": sent})).json()["endpoint"]["id"])

    def places(self) -> list[str]:
        """The farthest first."""
        return [
            f"services/{self.service}",
            f"services/{self.service}/regions/{self.top}",
            f"services/{self.service}/regions/{self.region}",
            f"endpoints/{self.endpoint}",
        ]


async def test_a_policy_from_its_making_to_its_end(identity: World) -> None:
    admin = await identity.admin()
    sent = {"type": "application/json", "blob": "{'foobar_user': 'role:compute-user'}", "owner": "nova"}
    answer = await admin.post("/v3/policies", {"policy": sent})
    assert answer.status_code == 201
    policy = answer.json()["policy"]
    path = f"/v3/policies/{policy['id']}"
    assert policy == {**sent, "id": policy["id"], "links": {"self": f"{AT}/{policy['id']}"}}
    assert (await admin.get(path)).json() == {"policy": policy}
    changed = await admin.patch(path, {"policy": {"type": "text/plain", "owner": None}})
    assert changed.json()["policy"] == {**policy, "type": "text/plain", "owner": None}
    assert (await admin.get("/v3/policies?type=text/plain")).json()["policies"] == [changed.json()["policy"]]
    assert (await admin.get("/v3/policies?type=none")).json()["policies"] == []
    assert (await admin.delete(path)).status_code == 204
    for answer in (await admin.get(path), await admin.patch(path, {"policy": {"a": 1}}), await admin.delete(path)):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find policy: {policy['id']}."


@pytest.mark.parametrize("policy", [{"type": None}, {"type": "x" * 256}, {"blob": {}}, {"blob": None}])
async def test_what_is_no_policy(identity: World, policy: dict[str, Any]) -> None:
    admin = await identity.admin()
    sent = {"type": "text/plain", "blob": ""}
    path = f"{POLICIES}/{await a_policy(admin)}"
    assert (await admin.post(POLICIES, {"policy": {**sent, **policy}})).status_code == 400
    assert (await admin.patch(path, {"policy": policy})).status_code == 400
    assert (await admin.patch(path, {"policy": {}})).status_code == 400
    assert (await admin.patch(path, {"policy": {"id": "another"}})).status_code == 400
    assert (await admin.post(POLICIES, {"policy": {"type": "text/plain"}})).status_code == 400


async def test_a_policy_is_for_an_endpoint(identity: World) -> None:
    admin = await identity.admin()
    site, policy = await Site(admin).make(), await a_policy(admin)
    path = f"/v3/policies/{policy}/OS-ENDPOINT-POLICY/endpoints/{site.endpoint}"
    await check_association(admin, path)
    assert (await admin.put(path)).status_code == 204
    assert (await admin.get(path)).status_code == (await admin.head(path)).status_code == 204
    assert (await admin.delete(path)).status_code == 204


async def test_a_policy_is_for_a_service(identity: World) -> None:
    admin = await identity.admin()
    site, policy = await Site(admin).make(), await a_policy(admin)
    path = f"/v3/policies/{policy}/OS-ENDPOINT-POLICY/services/{site.service}"
    await check_association(admin, path)
    assert (await admin.put(path)).status_code == (await admin.get(path)).status_code == 204
    assert (await admin.delete(path)).status_code == 204


async def test_a_policy_is_for_a_service_in_a_region(identity: World) -> None:
    admin = await identity.admin()
    site, policy = await Site(admin).make(), await a_policy(admin)
    path = f"/v3/policies/{policy}/OS-ENDPOINT-POLICY/services/{site.service}/regions/{site.region}"
    await check_association(admin, path)
    assert (await admin.put(path)).status_code == (await admin.get(path)).status_code == 204
    assert (await admin.delete(path)).status_code == 204


async def check_association(admin: Session, path: str) -> None:
    """What holds for each kind."""
    missing = await admin.get(path)
    assert missing.status_code == 404
    assert missing.json()["error"]["message"] == "Could not find policy association."
    assert (await admin.put(path)).status_code == (await admin.put(path)).status_code == 204
    assert (await admin.get(path)).status_code == 204
    another = path.replace(path.split("/")[3], await a_policy(admin), 1)
    assert (await admin.get(another)).status_code == 404
    assert (await admin.delete(another)).status_code == 204
    assert (await admin.put(another)).status_code == 204  # instead of the first
    assert (await admin.get(path)).status_code == 404
    assert (await admin.delete(another)).status_code == (await admin.delete(another)).status_code == 204
    assert (await admin.get(another)).status_code == 404
    parts = path.split("/")
    for at in (3, *range(6, len(parts), 2)):
        nowhere = "/".join([*parts[:at], "0" * 32, *parts[at + 1 :]])
        for call in (admin.put, admin.get, admin.delete):
            assert (await call(nowhere)).status_code == 404


async def test_the_nearest_policy_is_the_one_of_an_endpoint(identity: World) -> None:
    admin = await identity.admin()
    site = await Site(admin).make()
    path = f"/v3/endpoints/{site.endpoint}/OS-ENDPOINT-POLICY/policy"
    none = await admin.get(path)
    assert none.status_code == 404
    assert none.json()["error"]["message"] == f"No policy is associated with endpoint {site.endpoint}."
    for place in site.places():
        policy = await a_policy(admin)
        await admin.put(f"{POLICIES}/{policy}/OS-ENDPOINT-POLICY/{place}")
        shown = (await admin.get(path)).json()["policy"]
        assert shown == (await admin.get(f"{POLICIES}/{policy}")).json()["policy"]
    elsewhere = await site.add(None)
    of_service = await admin.get(f"/v3/endpoints/{elsewhere}/OS-ENDPOINT-POLICY/policy")
    assert of_service.status_code == 200
    assert (await admin.get("/v3/endpoints/nowhere/OS-ENDPOINT-POLICY/policy")).status_code == 404


async def test_the_endpoints_of_a_policy(identity: World) -> None:
    admin = await identity.admin()
    site = await Site(admin).make()
    elsewhere, above = await site.add("RegionOne"), await site.add(site.top)
    for place, ids in zip(
        site.places(),
        ({site.endpoint, above, elsewhere}, {site.endpoint, above}, {site.endpoint}, {site.endpoint}),
        strict=True,
    ):
        policy = await a_policy(admin)
        listed = f"/v3/policies/{policy}/OS-ENDPOINT-POLICY/endpoints"
        assert (await admin.get(listed)).json()["endpoints"] == []
        await admin.put(f"{POLICIES}/{policy}/OS-ENDPOINT-POLICY/{place}")
        found = (await admin.get(listed)).json()["endpoints"]
        assert {each["id"] for each in found} == ids
        assert len(found) == len(ids)
    assert (await admin.get("/v3/policies/none/OS-ENDPOINT-POLICY/endpoints")).status_code == 404


async def test_associations_go_with_what_they_are_of(identity: World) -> None:
    admin = await identity.admin()
    site, policy = await Site(admin).make(), await a_policy(admin)
    for place in site.places():
        await admin.put(f"{POLICIES}/{policy}/OS-ENDPOINT-POLICY/{place}")
    assert (await admin.delete(f"/v3/services/{site.service}")).status_code == 204
    assert (await admin.delete(f"/v3/regions/{site.top}")).status_code == 204
    assert (await admin.get(f"{POLICIES}/{policy}/OS-ENDPOINT-POLICY/endpoints")).json()["endpoints"] == []
    again = await Site(admin).make()
    for place in again.places():
        await admin.put(f"{POLICIES}/{policy}/OS-ENDPOINT-POLICY/{place}")
    assert (await admin.delete(f"{POLICIES}/{policy}")).status_code == 204
    assert (await admin.get(f"/v3/endpoints/{again.endpoint}/OS-ENDPOINT-POLICY/policy")).status_code == 404


async def test_a_policy_makes_nobody_forget_a_token(identity: World) -> None:
    """It says nothing about tokens."""
    admin = await identity.admin()
    await a_policy(admin)
    _, run = await identity.count_statements(admin.get("/v3/policies/none"))
    assert len([statement for statement in run if "identity_user" in statement]) == 0


async def test_only_administrators_keep_policies_and_strangers_learn_nothing(identity: World) -> None:
    await identity.user("ada", "manager", await identity.project("own"))
    ada, admin = await identity.session("ada", scope="own"), await identity.admin()
    site, policy = await Site(admin).make(), await a_policy(admin)
    assert (await ada.get(POLICIES)).status_code == 403
    assert (await ada.post(POLICIES, {"policy": {"type": "a", "blob": ""}})).status_code == 403
    for call, path in (
        (ada.get, f"policies/{policy}"),
        (ada.delete, f"policies/{policy}"),
        (ada.get, f"policies/{policy}/OS-ENDPOINT-POLICY/endpoints"),
        (ada.put, f"policies/{policy}/OS-ENDPOINT-POLICY/services/{site.service}"),
        (ada.get, f"endpoints/{site.endpoint}/OS-ENDPOINT-POLICY/policy"),
    ):
        there = await call(f"/v3/{path}")
        none = await call(f"/v3/{path}".replace(policy, "0" * 32).replace(site.endpoint, "0" * 32))
        assert there.status_code == 403
        assert same_answer(there, none)
