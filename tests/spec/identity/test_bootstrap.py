"""The first identity of a cloud, made once and not made anew."""

from __future__ import annotations

import asyncio

from pileus.kernel.context import Ctx
from pileus.services.identity.bootstrap import bootstrap, register_service
from support.identity import PASSWORD, World, by_password


async def test_the_beginning_is_what_openstack_expects(identity: World) -> None:
    admin = await identity.admin()
    roles = (await admin.get("/v3/roles")).json()["roles"]
    assert {role["name"] for role in roles} == {"admin", "manager", "member", "reader", "service", "auditor"}
    assert all(role["options"] == {"immutable": True} for role in roles)
    names = {role["id"]: role["name"] for role in roles}
    implied = (await admin.get("/v3/role_inferences")).json()["role_inferences"]
    assert {(names[each["prior_role"]["id"]], *(role["name"] for role in each["implies"])) for each in implied} == {
        ("admin", "manager"),
        ("manager", "member"),
        ("member", "reader"),
        ("auditor", "reader"),
    }
    assert (await admin.get("/v3/domains")).json()["domains"][0]["id"] == "default"
    assert {each["name"] for each in (await admin.get("/v3/projects")).json()["projects"]} == {"admin", "service"}
    assert (await admin.get("/v3/auth/system")).json()["system"] == [{"all": True}]
    assert [each["name"] for each in (await admin.get("/v3/auth/projects")).json()["projects"]] == ["admin"]
    assert (await admin.get("/v3/auth/domains")).json()["domains"] == []


async def test_a_second_time_changes_nothing(identity: World) -> None:
    admin = await identity.admin()
    paths = ("/v3/users", "/v3/projects", "/v3/roles", "/v3/services", "/v3/endpoints", "/v3/role_assignments")
    before = [(await admin.get(path)).json() for path in paths]
    await bootstrap(identity.ctx, "another password")
    await register_service(identity.ctx, "volumev3", "cinder", "/elsewhere")
    assert [(await admin.get(path)).json() for path in paths] == before
    assert (await identity.login(by_password("admin", "another password"))).status_code == 401


async def test_processes_that_start_at_once_make_one_identity(empty: World) -> None:
    for _ in range(3):
        await empty.process()
    await asyncio.gather(*(bootstrap(Ctx(process), PASSWORD) for process in empty.processes))
    admin = await empty.admin()
    assert len((await admin.get("/v3/users")).json()["users"]) == 1
    assert len((await admin.get("/v3/roles")).json()["roles"]) == 6


async def test_a_service_brings_the_roles_that_it_knows(identity: World) -> None:
    for _ in range(2):
        await register_service(identity.ctx, "orchestration", "heat", "/orchestration/v1/$(project_id)s")
    found = (await (await identity.admin()).get("/v3/roles?name__startswith=heat_")).json()["roles"]
    assert sorted(role["name"] for role in found) == ["heat_stack_owner", "heat_stack_user"]


async def test_the_default_roles_cannot_be_lost_by_a_slip(identity: World) -> None:
    admin = await identity.admin()
    path = f"/v3/roles/{await identity.role_id('member')}"
    assert (await admin.delete(path)).status_code == 403
    answer = await admin.patch(path, {"role": {"name": "other"}})
    assert answer.status_code == 403
    assert "immutable" in answer.json()["error"]["message"]


async def test_the_version_documents(identity: World) -> None:
    listed = await identity.nobody.get("")
    assert listed.status_code == 300
    entry = listed.json()["versions"]["values"][0]
    assert (entry["id"], entry["status"]) == ("v3.14", "stable")
    assert entry["links"] == [{"rel": "self", "href": "http://cloud.example:8775/identity/v3/"}]
    for path in ("/v3", "/v3/"):
        shown = await identity.nobody.get(path)
        assert shown.status_code == 200
        assert shown.json() == {"version": entry}
