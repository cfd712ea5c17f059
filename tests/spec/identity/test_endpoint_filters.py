"""/v3/OS-EP-FILTER: which endpoints the catalogue of a project shows."""

from __future__ import annotations

from typing import Any

import pytest

from pileus.kernel.config import Config, Identity
from support.identity import Session, World, by_password, same_answer

GROUPS = "/v3/OS-EP-FILTER/endpoint_groups"
AT = f"http://cloud.example:8775/identity{GROUPS}"


async def a_group(admin: Session, **filters: Any) -> str:
    answer = await admin.post(GROUPS, {"endpoint_group": {"name": "some", "filters": filters}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["endpoint_group"]["id"])


async def endpoint_ids(admin: Session, query: str = "") -> list[str]:
    return [each["id"] for each in (await admin.get(f"/v3/endpoints?{query}")).json()["endpoints"]]


async def shown(session: Session) -> list[str]:
    """The ids in the catalogue."""
    catalog = (await session.get("/v3/auth/catalog")).json()["catalog"]
    return sorted(endpoint["id"] for service in catalog for endpoint in service["endpoints"])


async def test_an_endpoint_group_from_its_making_to_its_end(identity: World) -> None:
    admin = await identity.admin()
    sent = {"name": "inside", "description": "Not for all", "filters": {"interface": "internal"}}
    answer = await admin.post("/v3/OS-EP-FILTER/endpoint_groups", {"endpoint_group": sent})
    assert answer.status_code == 201
    group = answer.json()["endpoint_group"]
    path = f"/v3/OS-EP-FILTER/endpoint_groups/{group['id']}"
    assert group == {**sent, "id": group["id"], "links": {"self": f"{AT}/{group['id']}"}}
    assert (await admin.get(path)).json() == {"endpoint_group": group}
    assert (await admin.head(path)).status_code == 200
    wanted = {"name": "outside", "description": None, "filters": {"interface": "public", "region_id": None}}
    changed = await admin.patch(path, {"endpoint_group": wanted})
    assert changed.json()["endpoint_group"] == {**group, **wanted}
    found = (await admin.get("/v3/OS-EP-FILTER/endpoint_groups?name=outside")).json()
    assert found["endpoint_groups"] == [changed.json()["endpoint_group"]]
    assert (await admin.get(f"{GROUPS}?name=inside")).json()["endpoint_groups"] == []
    assert (await admin.delete(path)).status_code == 204
    for answer in (
        await admin.get(path),
        await admin.patch(path, {"endpoint_group": {"name": "a"}}),
        await admin.delete(path),
        await admin.get(f"{path}/endpoints"),
        await admin.get(f"{path}/projects"),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == f"Could not find Endpoint Group: {group['id']}."


@pytest.mark.parametrize(
    "filters", [{}, {"url": "x"}, {"interface": "private"}, {"service_id": 1}, {"enabled": "yes"}, None]
)
async def test_what_is_no_endpoint_group(identity: World, filters: Any) -> None:
    admin = await identity.admin()
    body = {"endpoint_group": {"name": "some", "filters": filters}}
    assert (await admin.post(GROUPS, body)).status_code == 400
    group = await a_group(admin, interface="public")
    for wrong in ({"name": ""}, {"name": "x" * 256}, {"id": group}, {}, {"filters": {"url": "x"}}):
        assert (await admin.patch(f"{GROUPS}/{group}", {"endpoint_group": wrong})).status_code == 400
    assert (await admin.post(GROUPS, {"endpoint_group": {"filters": {"interface": "public"}}})).status_code == 400


async def test_null_changes_neither_name_nor_filters(identity: World) -> None:
    """So openstackclient says that they shall stay."""
    admin = await identity.admin()
    made = {"name": "one", "filters": {"interface": "public"}}
    group = (await admin.post(GROUPS, {"endpoint_group": made})).json()["endpoint_group"]
    wanted = {"name": None, "filters": None, "description": "changed"}
    changed = await admin.patch(f"{GROUPS}/{group['id']}", {"endpoint_group": wanted})
    assert changed.status_code == 200, changed.text
    assert changed.json()["endpoint_group"] == {**group, "description": "changed"}
    assert (await admin.patch(f"{GROUPS}/{group['id']}", {"endpoint_group": {"name": None}})).status_code == 400


async def test_a_group_has_the_endpoints_that_are_as_it_says(identity: World) -> None:
    admin = await identity.admin()
    service = (await admin.get("/v3/services?type=volumev3")).json()["services"][0]["id"]
    hidden = (await endpoint_ids(admin, f"service_id={service}&interface=admin"))[0]
    await admin.patch(f"/v3/endpoints/{hidden}", {"endpoint": {"enabled": False, "region": "two"}})
    for filters, query in (
        ({"interface": "public"}, "interface=public"),
        ({"service_id": service, "region_id": "RegionOne"}, f"service_id={service}&region_id=RegionOne"),
        ({"enabled": False}, "enabled=false"),
        ({"region_id": None}, "region_id=none"),
    ):
        group = await a_group(admin, **filters)
        found = (await admin.get(f"/v3/OS-EP-FILTER/endpoint_groups/{group}/endpoints")).json()["endpoints"]
        assert [each["id"] for each in found] == await endpoint_ids(admin, query)
        assert all(each["links"]["self"].endswith(f"/v3/endpoints/{each['id']}") for each in found)


async def test_a_project_is_given_an_endpoint_and_loses_it(identity: World) -> None:
    admin = await identity.admin()
    project, endpoint = await identity.project("own"), (await endpoint_ids(admin))[0]
    path = f"/v3/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}"
    assert (await admin.get(path)).status_code == 404
    assert (await admin.delete(path)).status_code == 404
    assert (await admin.put(path)).status_code == 204
    again = await admin.put(path)
    assert again.status_code == 409
    assert again.json()["error"]["message"] == (
        "Conflict occurred attempting to store project_endpoint - Duplicate entry."
    )
    assert (await admin.get(path)).status_code == (await admin.head(path)).status_code == 204
    given = (await admin.get(f"/v3/OS-EP-FILTER/projects/{project}/endpoints")).json()["endpoints"]
    assert [each["id"] for each in given] == [endpoint]
    owners = (await admin.get(f"/v3/OS-EP-FILTER/endpoints/{endpoint}/projects")).json()["projects"]
    assert [each["id"] for each in owners] == [project]
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(f"/v3/OS-EP-FILTER/projects/{project}/endpoints")).json()["endpoints"] == []


async def test_a_project_is_given_a_group_and_loses_it(identity: World) -> None:
    admin = await identity.admin()
    project, group = await identity.project("own"), await a_group(admin, interface="public")
    path = f"/v3/OS-EP-FILTER/endpoint_groups/{group}/projects/{project}"
    assert (await admin.get(path)).status_code == 404
    assert (await admin.delete(path)).status_code == 404
    assert (await admin.put(path)).status_code == 204
    assert (await admin.put(path)).status_code == 409
    assert (await admin.get(path)).json()["project_endpoint_group"] == {
        "endpoint_group_id": group,
        "project_id": project,
        "links": {"self": f"{AT}/{group}/projects/{project}"},
    }
    assert (await admin.head(path)).status_code == 200
    own = (await admin.get(f"/v3/OS-EP-FILTER/projects/{project}/endpoint_groups")).json()["endpoint_groups"]
    assert [each["id"] for each in own] == [group]
    owners = (await admin.get(f"/v3/OS-EP-FILTER/endpoint_groups/{group}/projects")).json()["projects"]
    assert [each["id"] for each in owners] == [project]
    given = (await admin.get(f"/v3/OS-EP-FILTER/projects/{project}/endpoints")).json()["endpoints"]
    assert [each["id"] for each in given] == await endpoint_ids(admin, "interface=public")
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(f"/v3/OS-EP-FILTER/projects/{project}/endpoint_groups")).json()["endpoint_groups"] == []


async def test_what_is_not_there_is_given_to_nobody(identity: World) -> None:
    admin = await identity.admin()
    project, nothing = await identity.project("own"), "0" * 32
    endpoint, group = (await endpoint_ids(admin))[0], await a_group(admin, interface="public")
    for path in (
        f"/v3/OS-EP-FILTER/projects/{nothing}/endpoints/{endpoint}",
        f"/v3/OS-EP-FILTER/projects/{project}/endpoints/{nothing}",
        f"{GROUPS}/{group}/projects/{nothing}",
        f"{GROUPS}/{nothing}/projects/{project}",
    ):
        for call in (admin.put, admin.get, admin.delete):
            assert (await call(path)).status_code == 404
    for path in ("projects/{}/endpoints", "projects/{}/endpoint_groups", "endpoints/{}/projects"):
        assert (await admin.get(f"/v3/OS-EP-FILTER/{path.format(nothing)}")).status_code == 404


async def test_shares_go_with_what_they_are_of(identity: World) -> None:
    admin = await identity.admin()
    one, two = await identity.project("one"), await identity.project("two")
    endpoint, group = (await endpoint_ids(admin))[0], await a_group(admin, interface="public")
    for project in (one, two):
        await admin.put(f"/v3/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}")
        await admin.put(f"{GROUPS}/{group}/projects/{project}")
    assert (await admin.delete(f"/v3/projects/{one}")).status_code == 204
    owners = (await admin.get(f"/v3/OS-EP-FILTER/endpoints/{endpoint}/projects")).json()["projects"]
    assert [each["id"] for each in owners] == [two]
    assert (await admin.delete(f"/v3/endpoints/{endpoint}")).status_code == 204
    assert (await admin.delete(f"{GROUPS}/{group}")).status_code == 204
    assert (await admin.get(f"/v3/OS-EP-FILTER/projects/{two}/endpoints")).json()["endpoints"] == []


async def test_a_project_sees_what_it_is_given_in_the_next_catalogue_of_every_process(identity: World) -> None:
    other = await identity.process()
    admin = await identity.admin()
    project, everything = await identity.project("own"), await endpoint_ids(admin)
    own = (await endpoint_ids(admin, "interface=public"))[0]
    await identity.user("ada", "reader", project)
    ada = other
    ada.token = (await identity.session("ada", scope="own")).token
    assert await shown(ada) == everything
    await admin.put(f"/v3/OS-EP-FILTER/projects/{project}/endpoints/{own}")
    assert await shown(ada) == [own]
    assert len((await ada.get("/v3/auth/catalog")).json()["catalog"]) == 1  # no service without an endpoint
    group = await a_group(admin, interface="internal")
    await admin.put(f"{GROUPS}/{group}/projects/{project}")
    inside = await endpoint_ids(admin, "interface=internal")
    assert await shown(ada) == sorted({own, *inside})
    assert await shown(admin) == everything
    await admin.patch(f"/v3/endpoints/{inside[0]}", {"endpoint": {"enabled": False}})
    assert inside[0] not in await shown(ada)
    await admin.patch(f"{GROUPS}/{group}", {"endpoint_group": {"filters": {"interface": "admin"}}})
    assert await shown(ada) == sorted({own, *await endpoint_ids(admin, "interface=admin")})
    await admin.delete(f"{GROUPS}/{group}")
    await admin.delete(f"/v3/OS-EP-FILTER/projects/{project}/endpoints/{own}")
    assert await shown(ada) == sorted(set(everything) - {inside[0]})


async def test_who_is_given_nothing_sees_nothing_if_the_operator_says_so(identity: World) -> None:
    strict = await identity.process(Config(identity=Identity(bcrypt_rounds=4, return_all_endpoints_if_no_filter=False)))
    admin = await identity.admin()
    strict.token = admin.token
    assert await shown(strict) == []
    system = await strict.post("/v3/auth/tokens", by_password("admin", scope={"system": {"all": True}}))
    assert system.json()["token"]["catalog"] == []
    projects = (await admin.get("/v3/auth/projects")).json()["projects"]
    own = next(each["id"] for each in projects if each["name"] == "admin")
    endpoint = (await endpoint_ids(admin))[0]
    await admin.put(f"/v3/OS-EP-FILTER/projects/{own}/endpoints/{endpoint}")
    assert await shown(strict) == [endpoint]


async def test_a_catalogue_is_made_once_however_many_ask(identity: World) -> None:
    admin = await identity.admin()
    endpoint, sessions = (await endpoint_ids(admin))[0], []
    ada = await identity.user("ada")
    for name in ("one", "two", "three"):
        project = await identity.project(name)
        await identity.grant(ada, "reader", f"projects/{project}")
        await admin.put(f"/v3/OS-EP-FILTER/projects/{project}/endpoints/{endpoint}")
    for name in ("one", "two", "three"):
        sessions.append(await identity.session("ada", scope=name))
    for session in sessions:
        assert await shown(session) == [endpoint]
    for session in sessions:
        _, run = await identity.count_statements(session.get("/v3/auth/catalog"))
        assert not [statement for statement in run if "endpoint" in statement or "identity_service" in statement]


async def test_only_administrators_filter_and_strangers_learn_nothing(identity: World) -> None:
    await identity.user("ada", "manager", await identity.project("own"))
    ada, admin = await identity.session("ada", scope="own"), await identity.admin()
    project, endpoint = await identity.project("theirs"), (await endpoint_ids(admin))[0]
    group, nothing = await a_group(admin, interface="public"), "0" * 32
    assert (await ada.get(GROUPS)).status_code == 403
    assert (await ada.post(GROUPS, {"endpoint_group": {"name": "a", "filters": {"enabled": True}}})).status_code == 403
    for call, path in (
        (ada.get, "endpoint_groups/{group}"),
        (ada.delete, "endpoint_groups/{group}"),
        (ada.get, "endpoint_groups/{group}/endpoints"),
        (ada.get, "endpoint_groups/{group}/projects"),
        (ada.put, "endpoint_groups/{group}/projects/{project}"),
        (ada.get, "projects/{project}/endpoints"),
        (ada.get, "projects/{project}/endpoint_groups"),
        (ada.put, "projects/{project}/endpoints/{endpoint}"),
        (ada.get, "endpoints/{endpoint}/projects"),
    ):
        there = await call("/v3/OS-EP-FILTER/" + path.format(group=group, project=project, endpoint=endpoint))
        none = await call("/v3/OS-EP-FILTER/" + path.format(group=nothing, project=nothing, endpoint=nothing))
        assert there.status_code == 403
        assert same_answer(there, none)
