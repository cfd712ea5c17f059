"""Whatever changes who may do what is honoured by the next request, in every process."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from pileus.kernel.errors import Unauthorized
from pileus.services.identity.methods import Proof
from pileus.services.identity.revision import service as revision
from pileus.services.identity.tokens import service as tokens
from pileus.services.identity.tokens.service import Scope
from pileus.services.identity.users import service as users
from support.identity import PASSWORD, Session, World, by_password


async def works(session: Session) -> bool:
    """Whether the token is still taken: anybody with one may list where to log in."""
    answer = await session.get("/v3/auth/projects")
    assert answer.status_code in {200, 401}
    return answer.status_code == 200


@pytest.fixture
async def ada(identity: World) -> Session:
    """A member of the project `own`, who speaks to a second process that knows the token already."""
    await identity.user("ada", "member", await identity.project("own"))
    await identity.process()
    session = await identity.session("ada", process=1, scope="own")
    assert await works(session)
    return session


async def user_id_of(identity: World, name: str) -> str:
    found = (await (await identity.admin()).get(f"/v3/users?name={name}")).json()["users"]
    return str(found[0]["id"])


async def project_id_of(identity: World, name: str) -> str:
    found = (await (await identity.admin()).get(f"/v3/projects?name={name}")).json()["projects"]
    return str(found[0]["id"])


async def test_a_known_token_is_validated_by_one_select(identity: World, ada: Session) -> None:
    _, statements = await identity.count_statements(tokens.authenticate(identity.ctx, ada.token))
    assert len(statements) > 1  # the first process has not seen it yet
    caller, statements = await identity.count_statements(tokens.authenticate(identity.ctx, ada.token))
    assert len(statements) == 1
    assert caller.roles == {"member", "reader"}
    assert caller.user_name == "ada"


async def test_a_role_taken_away_in_one_process_is_gone_in_another(identity: World, ada: Session) -> None:
    admin = await identity.admin()
    user_id, project_id = await user_id_of(identity, "ada"), await project_id_of(identity, "own")
    path = f"/v3/projects/{project_id}/users/{user_id}/roles/{await identity.role_id('member')}"
    await identity.grant(user_id, "reader", f"projects/{project_id}")
    assert (await admin.delete(path)).status_code == 204
    shown = await ada.get("/v3/auth/tokens", X_Subject_Token=ada.token)
    assert [role["name"] for role in shown.json()["token"]["roles"]] == ["reader"]
    reader = f"/v3/projects/{project_id}/users/{user_id}/roles/{await identity.role_id('reader')}"
    assert (await admin.delete(reader)).status_code == 204
    assert not await works(ada)


async def test_a_deleted_role_is_gone_from_tokens(identity: World, ada: Session) -> None:
    admin = await identity.admin()
    role = (await admin.post("/v3/roles", {"role": {"name": "cook"}})).json()["role"]
    place = f"projects/{await project_id_of(identity, 'own')}"
    await identity.grant(await user_id_of(identity, "ada"), "cook", place)
    shown = (await ada.get("/v3/auth/tokens", X_Subject_Token=ada.token)).json()["token"]
    assert [each["name"] for each in shown["roles"]] == ["cook", "member", "reader"]
    assert (await admin.delete(f"/v3/roles/{role['id']}")).status_code == 204
    shown = (await ada.get("/v3/auth/tokens", X_Subject_Token=ada.token)).json()["token"]
    assert [each["name"] for each in shown["roles"]] == ["member", "reader"]


@pytest.mark.parametrize("thing", ["user", "project", "domain"])
async def test_what_was_disabled_and_enabled_again_brings_no_old_token_back(identity: World, thing: str) -> None:
    admin = await identity.admin()
    domain = (await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"]
    project = await identity.project("own", domain_id=domain)
    user = await identity.user("ada", "member", project, domain_id=domain)
    ada = await identity.session("ada", domain=domain, scope="own")
    path = {"user": f"/v3/users/{user}", "project": f"/v3/projects/{project}", "domain": f"/v3/domains/{domain}"}[thing]
    assert (await admin.patch(path, {thing: {"enabled": False}})).json()[thing]["enabled"] is False
    assert not await works(ada)
    assert (await identity.login(by_password("ada", domain=domain, scope="own"))).status_code == 401
    await admin.patch(path, {thing: {"enabled": True}})
    assert not await works(ada)
    assert await works(await identity.session("ada", domain=domain, scope="own"))


@pytest.mark.parametrize("thing", ["user", "project"])
async def test_what_is_deleted_takes_its_tokens_along(identity: World, ada: Session, thing: str) -> None:
    admin = await identity.admin()
    path = f"/v3/users/{await user_id_of(identity, 'ada')}"
    if thing == "project":
        path = f"/v3/projects/{await project_id_of(identity, 'own')}"
    assert (await admin.delete(path)).status_code == 204
    assert not await works(ada)
    assert (await admin.get("/v3/role_assignments")).json()["role_assignments"].__len__() == 2  # the administrator's


async def test_a_new_password_refuses_the_old_tokens_and_the_old_password(identity: World, ada: Session) -> None:
    admin = await identity.admin()
    user_id = await user_id_of(identity, "ada")
    changed = await admin.patch(f"/v3/users/{user_id}", {"user": {"password": "another one"}})
    assert "password" not in changed.json()["user"]
    assert not await works(ada)
    assert (await identity.login(by_password("ada", scope="own"))).status_code == 401
    assert (await identity.login(by_password("ada", "another one", scope="own"))).status_code == 201


async def test_who_knows_the_own_password_changes_it_without_a_token(identity: World, ada: Session) -> None:
    path = f"/v3/users/{await user_id_of(identity, 'ada')}/password"
    wrong = await identity.nobody.post(path, {"user": {"original_password": "wrong", "password": "x"}})
    assert wrong.status_code == 401
    right = await identity.nobody.post(path, {"user": {"original_password": PASSWORD, "password": "x"}})
    assert right.status_code == 204
    assert not await works(ada)
    assert (await identity.login(by_password("ada", "x", scope="own"))).status_code == 201


async def test_a_password_changed_while_a_login_is_under_way_refuses_its_token(identity: World, ada: Session) -> None:
    user_id, project_id = await user_id_of(identity, "ada"), await project_id_of(identity, "own")
    begun = await revision.current(identity.ctx)
    await users.change(identity.ctx, user_id, {"password": "another one"})
    with pytest.raises(Unauthorized):
        await tokens.issue(
            identity.ctx, Proof(user_id=user_id, methods=("password",)), Scope(project_id=project_id), at=begun
        )


async def test_a_restored_database_with_the_same_number_is_not_taken_for_the_same(identity: World) -> None:
    before = await revision.current(identity.ctx)
    user_id = await identity.user("ada", "member", await identity.project("own"))
    ada = await identity.session("ada", scope="own")
    later = await revision.current(identity.ctx)
    async with identity.database.transaction() as connection:
        await connection.execute(sa.text(f"UPDATE identity_revision SET number = {later.number - 1}"))
    async with revision.change(identity.ctx):
        pass
    assert (await revision.current(identity.ctx)).number == later.number > before.number
    assert (await revision.current(identity.ctx)).mark != later.mark
    assert await works(ada)
    await identity.grant(user_id, "reader", "domains/default")


async def test_a_process_remembers_a_bounded_number_of_tokens(identity: World) -> None:
    user_id = await identity.user("ada")
    at = await revision.current(identity.ctx)
    for _ in range(120):
        text, _ = await tokens.issue(identity.ctx, Proof(user_id=user_id, methods=("password",)), Scope(), at=at)
        await tokens.authenticate(identity.ctx, text)
    assert len(tokens.kept(identity.ctx).valid) == 100  # identity.tokens_kept
