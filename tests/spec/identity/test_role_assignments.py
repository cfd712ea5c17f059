"""/v3/role_assignments: who has which role on what."""

from __future__ import annotations

from support.identity import World


async def test_role_assignments_are_narrowed_and_what_is_not_there_yet_says_so(identity: World) -> None:
    admin = await identity.admin()
    system = (await admin.get("/v3/role_assignments?scope.system=all")).json()["role_assignments"]
    assert [each["scope"] for each in system] == [{"system": {"all": True}}]
    assert (await admin.get("/v3/role_assignments?effective")).status_code == 501
    await identity.grant(await identity.user("dora"), "reader", "domains/default")
    dora = await identity.session("dora", scope={"domain": {"id": "default"}})
    assert (await dora.get("/v3/role_assignments")).status_code == 501
    await identity.user("ada", "member", await identity.project("own"))
    assert (await (await identity.session("ada", scope="own")).get("/v3/role_assignments")).status_code == 403
