"""/v3/services: what the catalogue offers."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import World, same_answer

AT = "http://cloud.example:8775/identity/v3/services"


async def test_a_service_from_its_making_to_its_end(identity: World) -> None:
    admin = await identity.admin()
    sent = {"type": "dns", "name": "designate", "description": "Names", "colour": "blue"}
    answer = await admin.post("/v3/services", {"service": sent})
    assert answer.status_code == 201
    service = answer.json()["service"]
    path = f"/v3/services/{service['id']}"
    links = {"self": f"{AT}/{service['id']}"}
    assert service == {**sent, "id": service["id"], "enabled": True, "links": links}
    assert (await admin.get(path)).json() == {"service": service}
    changed = await admin.patch(
        path, {"service": {"name": "names", "type": "dns2", "enabled": False, "description": ""}}
    )
    assert changed.status_code == 200
    assert changed.json()["service"] == {
        **service,
        "name": "names",
        "type": "dns2",
        "enabled": False,
        "description": "",
    }
    assert (await admin.get(path)).json() == changed.json()
    assert (await admin.delete(path)).status_code == 204
    for answer in (await admin.get(path), await admin.patch(path, {"service": {"a": 1}}), await admin.delete(path)):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find service: {service['id']}."


async def test_a_service_needs_a_type_alone(identity: World) -> None:
    made = (await (await identity.admin()).post("/v3/services", {"service": {"type": "dns"}})).json()["service"]
    assert (made["name"], made["enabled"]) == ("", True)
    assert "description" not in made


async def test_a_name_of_null_is_none(identity: World) -> None:
    """So openstackclient says that none was given."""
    made = await (await identity.admin()).post("/v3/services", {"service": {"type": "dns", "name": None}})
    assert (made.status_code, made.json()["service"]["name"]) == (201, "")


async def test_services_are_listed_by_type_and_name(identity: World) -> None:
    admin = await identity.admin()
    for name in ("one", "two"):
        await admin.post("/v3/services", {"service": {"type": "dns", "name": name, "enabled": name == "one"}})
    for query, names in (
        ("type=dns&sort_key=name", ["one", "two"]),
        ("type=dns&name=two", ["two"]),
        ("type=dns&enabled=true", ["one"]),
        ("name__startswith=key", ["keystone"]),
        ("type=none", []),
    ):
        found = (await admin.get(f"/v3/services?{query}")).json()
        assert [each["name"] for each in found["services"]] == names
        assert found["links"] == {"next": None, "previous": None, "self": f"{AT}?{query}"}


async def test_a_service_goes_with_its_endpoints(identity: World) -> None:
    admin = await identity.admin()
    service = (await admin.get("/v3/services?type=volumev3")).json()["services"][0]["id"]
    assert len((await admin.get(f"/v3/endpoints?service_id={service}")).json()["endpoints"]) == 3
    assert (await admin.delete(f"/v3/services/{service}")).status_code == 204
    assert (await admin.get(f"/v3/endpoints?service_id={service}")).json()["endpoints"] == []


async def test_every_process_shows_a_change_in_its_next_catalogue(identity: World) -> None:
    other = await identity.process()
    admin = await identity.admin()
    other.token = admin.token

    async def offered() -> dict[str, str]:
        return {each["type"]: each["name"] for each in (await other.get("/v3/auth/catalog")).json()["catalog"]}

    assert (await offered())["volumev3"] == "cinder"
    service = (await admin.get("/v3/services?type=volumev3")).json()["services"][0]["id"]
    await admin.patch(f"/v3/services/{service}", {"service": {"name": "blocks"}})
    assert (await offered())["volumev3"] == "blocks"
    await admin.patch(f"/v3/services/{service}", {"service": {"enabled": False}})
    assert "volumev3" not in await offered()
    await admin.patch(f"/v3/services/{service}", {"service": {"enabled": True}})
    assert "volumev3" in await offered()
    await admin.delete(f"/v3/services/{service}")
    assert "volumev3" not in await offered()


@pytest.mark.parametrize(
    "service", [{"type": ""}, {"type": None}, {"type": "x" * 256}, {"name": ""}, {"name": 1}, {"enabled": "yes"}]
)
async def test_what_is_no_service(identity: World, service: dict[str, Any]) -> None:
    admin = await identity.admin()
    there = (await admin.get("/v3/services")).json()["services"][0]["id"]
    assert (await admin.post("/v3/services", {"service": {"type": "dns", **service}})).status_code == 400
    assert (await admin.patch(f"/v3/services/{there}", {"service": service})).status_code == 400
    assert (await admin.post("/v3/services", {"service": {"name": "no type"}})).status_code == 400
    assert (await admin.patch(f"/v3/services/{there}", {"service": {}})).status_code == 400
    assert (await admin.patch(f"/v3/services/{there}", {"service": {"id": "another"}})).status_code == 400


async def test_only_administrators_change_services(identity: World) -> None:
    await identity.user("ada", "manager", await identity.project("own"))
    ada, admin = await identity.session("ada", scope="own"), await identity.admin()
    there = (await admin.get("/v3/services")).json()["services"][0]["id"]
    assert (await ada.post("/v3/services", {"service": {"type": "dns"}})).status_code == 403
    for call in (ada.get, lambda path: ada.patch(path, {"service": {"a": 1}}), ada.delete):
        assert same_answer(await call(f"/v3/services/{there}"), await call(f"/v3/services/{'0' * 32}"))
        assert (await call(f"/v3/services/{there}")).status_code == 403
