"""/v3/endpoints: where the services are."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import Session, World, same_answer

AT = "http://cloud.example:8775/identity/v3/endpoints"
URL = "http://here.example/"


async def a_service(admin: Session, **facts: Any) -> str:
    answer = await admin.post("/v3/services", {"service": {"type": "dns", **facts}})
    return str(answer.json()["service"]["id"])


async def test_an_endpoint_from_its_making_to_its_end(identity: World) -> None:
    admin = await identity.admin()
    service = await a_service(admin)
    sent = {"service_id": service, "interface": "public", "url": URL, "region_id": "RegionOne", "name": "mine"}
    answer = await admin.post("/v3/endpoints", {"endpoint": sent})
    assert answer.status_code == 201
    endpoint = answer.json()["endpoint"]
    assert endpoint == {
        **sent,
        "id": endpoint["id"],
        "region": "RegionOne",
        "enabled": True,
        "links": {"self": f"{AT}/{endpoint['id']}"},
    }
    path = f"/v3/endpoints/{endpoint['id']}"
    assert (await admin.get(path)).json() == {"endpoint": endpoint}
    wanted = {"url": "http://there.example/", "interface": "internal", "enabled": False, "region_id": None}
    changed = await admin.patch(path, {"endpoint": {**wanted, "service_id": await a_service(admin), "name": None}})
    assert changed.status_code == 200
    after = changed.json()["endpoint"]
    assert after == {**endpoint, **wanted, "region": None, "service_id": after["service_id"], "name": None}
    assert after["service_id"] != service
    assert (await admin.get(path)).json() == changed.json()
    assert (await admin.delete(path)).status_code == 204
    for answer in (await admin.get(path), await admin.patch(path, {"endpoint": {"a": 1}}), await admin.delete(path)):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find endpoint: {endpoint['id']}."


async def test_the_older_name_of_a_region_makes_it(identity: World) -> None:
    admin = await identity.admin()
    service = await a_service(admin)
    sent = {"service_id": service, "interface": "public", "url": URL}
    made = (await admin.post("/v3/endpoints", {"endpoint": {**sent, "region": "here"}})).json()["endpoint"]
    assert made["region"] == made["region_id"] == "here"
    assert (await admin.get("/v3/regions/here")).status_code == 200
    again = await admin.post("/v3/endpoints", {"endpoint": {**sent, "region": "here"}})
    assert again.status_code == 201
    path = f"/v3/endpoints/{made['id']}"
    moved = await admin.patch(path, {"endpoint": {"region": "there"}})
    assert moved.json()["endpoint"]["region_id"] == "there"
    assert (await admin.get("/v3/regions/there")).status_code == 200
    both = await admin.patch(path, {"endpoint": {"region": "nowhere", "region_id": "here"}})
    assert both.json()["endpoint"]["region"] == both.json()["endpoint"]["region_id"] == "here"
    assert (await admin.get("/v3/regions/nowhere")).status_code == 404
    neither = await admin.patch(path, {"endpoint": {"region": None}})
    assert neither.json()["endpoint"]["region_id"] == "here"


async def test_endpoints_are_listed_by_what_they_are(identity: World) -> None:
    admin = await identity.admin()
    service = await a_service(admin)
    for interface, region in (("public", "one"), ("admin", "one"), ("public", "two")):
        sent = {"service_id": service, "interface": interface, "url": URL, "region": region, "enabled": region == "one"}
        await admin.post("/v3/endpoints", {"endpoint": sent})
    for query, count in (
        ("", 3),
        ("&interface=public", 2),
        ("&region_id=one", 2),
        ("&region_id=two&interface=public", 1),
        ("&enabled=false", 1),
        ("&interface=none", 0),
    ):
        found = (await admin.get(f"/v3/endpoints?service_id={service}{query}")).json()["endpoints"]
        assert len(found) == count, query


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8774/v1.1/$(project_id)s",
        "http://127.0.0.1:8774/v1.1/%(tenant_id)s/$(user_id)s",
        "$(public_endpoint)s/dns",
        "http://here.example/100%%",
        "unix:/run/socket",
    ],
)
async def test_a_url_may_have_places(identity: World, url: str) -> None:
    admin = await identity.admin()
    sent = {"service_id": await a_service(admin), "interface": "public", "url": url}
    answer = await admin.post("/v3/endpoints", {"endpoint": sent})
    assert answer.status_code == 201
    assert answer.json()["endpoint"]["url"] == url.replace("$(public_endpoint)s", "http://cloud.example:8775")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nowhere",
        "http://127.0.0.1:8774/v1.1/$(nonexistent)s",
        "http://127.0.0.1:8774/v1.1/$(project_id)",
        "http://127.0.0.1:8774/v1.1/$(project_id)t",
        "http://127.0.0.1:8774/v1.1/$(project_id",
        "http://127.0.0.1:8774/v1.1/$(admin_url)d",
        "http://127.0.0.1:8774/%(project_id)99999999s",
        "http://127.0.0.1:8774/100%",
        f"http://{'x' * 220}",
    ],
)
async def test_what_is_no_url(identity: World, url: str) -> None:
    admin = await identity.admin()
    there = (await admin.get("/v3/endpoints")).json()["endpoints"][0]
    sent = {"service_id": there["service_id"], "interface": "public", "url": url}
    assert (await admin.post("/v3/endpoints", {"endpoint": sent})).status_code == 400
    assert (await admin.patch(f"/v3/endpoints/{there['id']}", {"endpoint": {"url": url}})).status_code == 400


@pytest.mark.parametrize(
    "endpoint",
    [
        {"interface": "private"},
        {"interface": None},
        {"service_id": "0" * 32},
        {"service_id": None},
        {"region_id": "nowhere"},
        {"region_id": 1},
        {"region": ""},
        {"enabled": "yes"},
        {"url": 7},
    ],
)
async def test_what_is_no_endpoint(identity: World, endpoint: dict[str, Any]) -> None:
    admin = await identity.admin()
    there = (await admin.get("/v3/endpoints")).json()["endpoints"][0]
    sent = {"service_id": there["service_id"], "interface": "public", "url": URL}
    assert (await admin.post("/v3/endpoints", {"endpoint": {**sent, **endpoint}})).status_code == 400
    assert (await admin.patch(f"/v3/endpoints/{there['id']}", {"endpoint": endpoint})).status_code == 400
    assert (await admin.patch(f"/v3/endpoints/{there['id']}", {"endpoint": {}})).status_code == 400
    assert (await admin.get(f"/v3/endpoints/{there['id']}")).json()["endpoint"] == there
    for name in sent:
        few = {key: value for key, value in sent.items() if key != name}
        assert (await admin.post("/v3/endpoints", {"endpoint": few})).status_code == 400


async def test_what_is_not_there_is_named(identity: World) -> None:
    admin = await identity.admin()
    sent = {"service_id": await a_service(admin), "interface": "public", "url": URL}
    for name, table in (("service_id", "service table"), ("region_id", "region table")):
        answer = await admin.post("/v3/endpoints", {"endpoint": {**sent, name: "0" * 32}})
        assert answer.json()["error"]["message"].startswith(f"Expecting to find endpoint {name} in {table}. ")


async def test_every_process_shows_a_change_in_its_next_catalogue(identity: World) -> None:
    other = await identity.process()
    admin = await identity.admin()
    other.token = admin.token
    service = await a_service(admin, name="names")

    async def shown() -> list[tuple[str, str, str]]:
        catalog = (await other.get("/v3/auth/catalog")).json()["catalog"]
        [dns] = [each for each in catalog if each["type"] == "dns"]
        return [(each["region"], each["interface"], each["url"]) for each in dns["endpoints"]]

    assert await shown() == []
    sent = {"service_id": service, "interface": "public", "url": f"{URL}%%/$(tenant_id)s", "region": "one"}
    path = f"/v3/endpoints/{(await admin.post('/v3/endpoints', {'endpoint': sent})).json()['endpoint']['id']}"
    projects = (await admin.get("/v3/auth/projects")).json()["projects"]
    project = next(each["id"] for each in projects if each["name"] == "admin")
    assert await shown() == [("one", "public", f"{URL}%/{project}")]
    await admin.patch(path, {"endpoint": {"url": f"{URL}$(compute_host)s"}})
    assert await shown() == []
    await admin.patch(path, {"endpoint": {"url": URL, "interface": "admin", "region": "two"}})
    assert await shown() == [("two", "admin", URL)]
    await admin.patch(path, {"endpoint": {"enabled": False}})
    assert await shown() == []
    await admin.patch(path, {"endpoint": {"enabled": True}})
    assert len(await shown()) == 1
    await admin.delete(path)
    assert await shown() == []


async def test_only_administrators_change_endpoints(identity: World) -> None:
    await identity.user("ada", "manager", await identity.project("own"))
    ada, admin = await identity.session("ada", scope="own"), await identity.admin()
    there = (await admin.get("/v3/endpoints")).json()["endpoints"][0]
    sent = {"service_id": there["service_id"], "interface": "public", "url": URL}
    assert (await ada.post("/v3/endpoints", {"endpoint": sent})).status_code == 403
    for call in (ada.get, lambda path: ada.patch(path, {"endpoint": {"a": 1}}), ada.delete):
        assert same_answer(await call(f"/v3/endpoints/{there['id']}"), await call(f"/v3/endpoints/{'0' * 32}"))
        assert (await call(f"/v3/endpoints/{there['id']}")).status_code == 403
