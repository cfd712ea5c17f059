"""/v3/OS-TRUST/trusts, and logging in by them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pileus.kernel.errors import Unauthorized
from pileus.services.identity.trusts import service
from support.identity import PASSWORD, Session, by_password, by_token
from support.trusts import TRUSTS, Pair


async def test_a_trust_is_made_shown_listed_and_deleted(pair: Pair) -> None:
    body = pair.body(expires_at="2026-02-01T00:00:00Z", remaining_uses=2, colour="red")
    answer = await pair.ada.post("/v3/OS-TRUST/trusts", body)
    assert answer.status_code == 201
    made = answer.json()["trust"]
    [role] = made.pop("roles")
    assert role["name"] == "member"
    assert role["links"]["self"].endswith(f"/v3/roles/{role['id']}")
    url = f"http://cloud.example:8775/identity{TRUSTS}/{made['id']}"
    assert made == {
        "id": made["id"],
        "trustor_user_id": pair.ada_id,
        "trustee_user_id": pair.bob_id,
        "project_id": pair.project_id,
        "impersonation": False,
        "expires_at": "2026-02-01T00:00:00.000000Z",
        "remaining_uses": 2,
        "deleted_at": None,
        "redelegated_trust_id": None,
        "redelegation_count": 0,
        "colour": "red",
        "roles_links": {"self": f"{url}/roles", "next": None, "previous": None},
        "links": {"self": url},
    }
    shown = (await pair.bob.get(f"/v3/OS-TRUST/trusts/{made['id']}")).json()["trust"]
    assert shown == {**made, "roles": [role]}
    listed = (await pair.ada.get(f"/v3/OS-TRUST/trusts?trustor_user_id={pair.ada_id}")).json()
    assert listed["trusts"] == [{k: v for k, v in made.items() if k != "roles_links"}]
    assert (await pair.ada.delete(f"/v3/OS-TRUST/trusts/{made['id']}")).status_code == 204
    for answer in (await pair.ada.get(f"{TRUSTS}/{made['id']}"), await pair.ada.delete(f"{TRUSTS}/{made['id']}")):
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, f"Could not find trust: {made['id']}.")
    assert (await pair.ada.get(f"{TRUSTS}?trustor_user_id={pair.ada_id}")).json()["trusts"] == []


async def test_the_roles_of_a_trust(pair: Pair) -> None:
    made = await pair.make()
    [role] = made["roles"]
    listed = await pair.bob.get(f"/v3/OS-TRUST/trusts/{made['id']}/roles")
    assert listed.json()["roles"] == [role]
    assert (await pair.bob.get(f"/v3/OS-TRUST/trusts/{made['id']}/roles/{role['id']}")).json() == {"role": role}
    other = await pair.world.role_id("reader")
    for method, role_id, status in (("HEAD", role["id"], 200), ("HEAD", other, 404), ("GET", other, 404)):
        assert (await pair.bob.request(method, f"{TRUSTS}/{made['id']}/roles/{role_id}")).status_code == status


async def test_who_sees_which_trusts(pair: Pair) -> None:
    """As tempest's RBAC tests have it; who has to do with none, is told the same of one that is not there."""
    made = await pair.make()
    await pair.world.user("eve", "admin", pair.project_id)
    await pair.world.user("mia", "member", pair.project_id)
    eve, mia = await pair.world.session("eve", scope="own"), await pair.world.session("mia", scope="own")
    system = await pair.world.session("admin", scope={"system": {"all": True}})
    of_ada, of_bob = f"{TRUSTS}?trustor_user_id={pair.ada_id}", f"{TRUSTS}?trustee_user_id={pair.bob_id}"
    for session, path, status in (
        (pair.ada, TRUSTS, 403),
        (pair.ada, of_ada, 200),
        (pair.ada, of_bob, 403),
        (pair.bob, of_bob, 200),
        (pair.bob, of_ada, 403),
        (mia, of_ada, 403),
        (mia, f"{of_ada}&trustor_user_id={pair.ada_id}", 403),
        (eve, TRUSTS, 200),
        (eve, of_ada, 200),
        (system, TRUSTS, 200),
        (mia, f"{TRUSTS}/{made['id']}", 403),
        (mia, f"{TRUSTS}/{'0' * 32}", 403),
        (mia, f"{TRUSTS}/{made['id']}/roles", 403),
        (eve, f"{TRUSTS}/{made['id']}", 200),
        (eve, f"{TRUSTS}/{'0' * 32}", 404),
    ):
        answer = await session.get(path)
        assert answer.status_code == status, (path, answer.text)
        if status == 200 and "trusts?" in path:
            assert [each["id"] for each in answer.json()["trusts"]] == [made["id"]]
    for session, status in ((mia, 403), (pair.bob, 403), (system, 204)):
        assert (await session.delete(f"{TRUSTS}/{made['id']}")).status_code == status


async def test_what_is_named_twice_shows_no_more_than_what_was_allowed(pair: Pair) -> None:
    await pair.make()
    twice = f"{TRUSTS}?trustor_user_id={pair.ada_id}&trustor_user_id={pair.bob_id}"
    assert (await pair.bob.get(twice)).json()["trusts"] == []
    empty = await pair.ada.get(f"{TRUSTS}?trustor_user_id=")
    assert empty.status_code == 403


@pytest.mark.parametrize("impersonation", [False, True])
async def test_a_login_by_a_trust_brings_its_roles_and_no_more(pair: Pair, impersonation: bool) -> None:
    made = await pair.make(impersonation=impersonation)
    session = await pair.login(made["id"])
    token = (await session.get("/v3/auth/tokens", X_Subject_Token=session.token)).json()["token"]
    assert token["user"]["name"] == ("ada" if impersonation else "bob")
    assert token["project"]["id"] == pair.project_id
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]  # implied ones too
    assert token["OS-TRUST:trust"] == {
        "id": made["id"],
        "impersonation": impersonation,
        "trustee_user": {"id": pair.bob_id},
        "trustor_user": {"id": pair.ada_id},
    }
    assert len(session.token) < 255


async def test_only_the_trustee_logs_in(pair: Pair) -> None:
    made = await pair.make()
    await pair.world.user("eve")
    missing = await pair.answer("0" * 32)
    for name in ("eve", "ada"):
        answer = await pair.answer(made["id"], name)
        assert (answer.status_code, answer.json()) == (401, missing.json())
    answer = await pair.world.login(by_password("bob", scope={"OS-TRUST:trust": {}}))
    assert answer.status_code == 400
    assert "Expecting to find trust_id in trust." in answer.json()["error"]["message"]


async def test_a_trust_ends(pair: Pair) -> None:
    made = await pair.make(expires_at="2026-01-01T00:30:00Z")
    session = await pair.login(made["id"])
    pair.world.clock.advance(1801)
    assert (await session.get("/v3/auth/projects")).status_code == 401
    assert (await pair.answer(made["id"])).status_code == 401
    ada = await pair.world.session("ada", scope="own")
    assert (await ada.get(f"{TRUSTS}/{made['id']}")).status_code == 404
    assert len((await ada.get(f"{TRUSTS}?trustor_user_id={pair.ada_id}")).json()["trusts"]) == 1


async def test_uses_are_counted_and_what_was_got_by_the_last_one_stays(pair: Pair) -> None:
    made = await pair.make(remaining_uses=2)
    await pair.login(made["id"])
    assert (await pair.ada.get(f"{TRUSTS}/{made['id']}")).json()["trust"]["remaining_uses"] == 1
    last = await pair.login(made["id"])
    assert (await pair.answer(made["id"])).status_code == 401
    assert (await pair.ada.get(f"{TRUSTS}/{made['id']}")).status_code == 404
    assert (await last.get("/v3/auth/projects")).status_code == 200


async def test_of_many_who_use_it_at_once_no_more_get_in_than_may(pair: Pair) -> None:
    made = await pair.make(remaining_uses=3)
    answers = await asyncio.gather(*(pair.answer(made["id"]) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [401] * 5
    with pytest.raises(Unauthorized):
        await service.use(pair.world.ctx, made["id"])
    with pytest.raises(Unauthorized):
        await service.use(pair.world.ctx, "0" * 32)


async def test_it_is_worth_nothing_once_the_trustor_has_lost_one_of_its_roles(pair: Pair) -> None:
    await pair.world.grant(pair.ada_id, "admin", f"projects/{pair.project_id}")
    made = await pair.make(roles=[{"name": "admin"}, {"name": "member"}])
    session = await pair.login(made["id"])
    role_id = await pair.world.role_id("admin")
    await pair.takes_away(f"/v3/projects/{pair.project_id}/users/{pair.ada_id}/roles/{role_id}")
    assert (await session.get("/v3/auth/projects")).status_code == 401
    assert (await pair.answer(made["id"])).status_code == 401


async def test_it_is_worth_nothing_once_one_of_its_roles_is_deleted(pair: Pair) -> None:
    admin = await pair.world.admin()
    role_id = (await admin.post("/v3/roles", {"role": {"name": "painter"}})).json()["role"]["id"]
    await pair.world.grant(pair.ada_id, "painter", f"projects/{pair.project_id}")
    made = await pair.make(roles=[{"id": role_id}, {"name": "member"}])
    session = await pair.login(made["id"])
    await pair.takes_away(f"/v3/roles/{role_id}")
    assert (await session.get("/v3/auth/projects")).status_code == 401
    shown = (await pair.ada.get(f"{TRUSTS}/{made['id']}")).json()["trust"]
    assert [role["name"] for role in shown["roles"]] == ["member"]


@pytest.mark.parametrize("who", ["ada", "bob"])
@pytest.mark.parametrize("how", ["disabled", "deleted"])
async def test_it_is_worth_nothing_without_trustor_or_trustee(pair: Pair, who: str, how: str) -> None:
    made = await pair.make()
    session = await pair.login(made["id"])
    path = f"/v3/users/{pair.ada_id if who == 'ada' else pair.bob_id}"
    await (pair.disables(path, "user") if how == "disabled" else pair.takes_away(path))
    assert (await session.get("/v3/auth/projects")).status_code == 401
    assert (await pair.answer(made["id"])).status_code == 401


async def test_it_is_worth_nothing_while_the_domain_of_either_is_disabled(pair: Pair) -> None:
    admin = await pair.world.admin()
    domain_id = (await admin.post("/v3/domains", {"domain": {"name": "elsewhere"}})).json()["domain"]["id"]
    cleo_id = await pair.world.user("cleo", domain_id=domain_id)
    made = await pair.make(trustee_user_id=cleo_id, impersonation=True)
    scope = {"OS-TRUST:trust": {"id": made["id"]}}
    answer = await pair.world.login(by_password("cleo", domain=domain_id, scope=scope))
    session = Session(pair.world.clients[0], answer.headers["X-Subject-Token"])
    assert (await session.get("/v3/auth/projects")).status_code == 200
    await pair.disables(f"/v3/domains/{domain_id}", "domain")
    assert (await session.get("/v3/auth/projects")).status_code == 401


async def test_it_goes_with_its_project_and_its_deletion(pair: Pair) -> None:
    for path in (f"{TRUSTS}/{{}}", f"/v3/projects/{pair.project_id}"):
        made = await pair.make()
        session = await pair.login(made["id"])
        await pair.takes_away(path.format(made["id"]))
        assert (await session.get("/v3/auth/projects")).status_code == 401
        assert (await pair.answer(made["id"])).status_code == 401


async def test_a_new_password_of_the_trustor_refuses_its_tokens_but_not_the_trust(pair: Pair) -> None:
    made = await pair.make()
    session = await pair.login(made["id"])
    body = {"user": {"original_password": PASSWORD, "password": "another one"}}
    await pair.ada.post(f"/v3/users/{pair.ada_id}/password", body)
    assert (await session.get("/v3/auth/projects")).status_code == 401
    await pair.login(made["id"])


async def test_its_token_is_not_exchanged_and_makes_no_application_credentials(pair: Pair) -> None:
    session = await pair.login((await pair.make(impersonation=True))["id"])
    for scope in (None, {"project": {"id": pair.project_id}}):
        answer = await pair.world.login(by_token(session.token, scope))
        assert answer.status_code == 403
        assert "Create a new trust-scoped token instead" in answer.json()["error"]["message"]
    path = f"/v3/users/{pair.ada_id}/application_credentials"
    for answer in (await session.get(path), await session.post(path, {"application_credential": {"name": "x"}})):
        assert answer.status_code == 403
        assert "issued via delegation" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("facts", "status", "message"),
    [
        ({"roles": []}, 403, "At least one role should be specified"),
        ({"roles": [{"id": "0" * 32}]}, 404, "Could not find role"),
        ({"roles": [{"name": "nothing"}]}, 404, "Could not find role: nothing."),
        ({"roles": [{"name": "admin"}]}, 404, "Could not find role"),  # which she does not have
        ({"roles": [{}]}, 400, "each is an id or a name"),
        ({"roles": [{"id": "x", "name": "x"}]}, 400, "each is an id or a name"),
        ({"project_id": "0" * 32}, 404, "Could not find project"),
        ({"project_id": None}, 404, "Could not find role"),
        ({"trustee_user_id": "0" * 32}, 404, "Could not find user"),
        ({"trustor_user_id": "0" * 32}, 403, ""),
        ({"expires_at": "bad.123Z"}, 400, "Timestamp not in expected format."),
        ({"expires_at": "2025-12-31T00:00:00Z"}, 400, "must not be before now"),
        ({"remaining_uses": 0}, 400, "trust.remaining_uses"),
        ({"remaining_uses": "1"}, 400, "trust.remaining_uses"),
        ({"impersonation": None}, 400, "trust.impersonation"),
        ({"redelegation_count": -1}, 400, "trust.redelegation_count"),
        ({"allow_redelegation": True, "redelegation_count": 4}, 403, "is greater than allowed 3"),
        ({"allow_redelegation": True, "remaining_uses": 1}, 400, "must not be set if redelegation is allowed"),
    ],
)
async def test_what_cannot_be_made_is_told(pair: Pair, facts: dict[str, Any], status: int, message: str) -> None:
    answer = await pair.post(**facts)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]["message"]


async def test_what_a_caller_says_of_its_pedigree_counts_for_nothing(pair: Pair) -> None:
    made = await pair.make(redelegated_trust_id="0" * 32, deleted_at="2020-01-01T00:00:00Z", id="mine")
    assert (made["redelegated_trust_id"], made["deleted_at"]) == (None, None)
    assert made["id"] != "mine"


async def test_without_a_project_a_trust_gives_no_token(pair: Pair) -> None:
    made = await pair.make(project_id=None, roles=[])
    assert (await pair.answer(made["id"])).status_code == 401


async def test_a_role_of_a_domain_is_entrusted_for_what_it_implies(pair: Pair) -> None:
    admin = await pair.world.admin()
    body = {"role": {"name": "staff", "domain_id": "default"}}
    role_id = (await admin.post("/v3/roles", body)).json()["role"]["id"]
    implied = await admin.put(f"/v3/roles/{role_id}/implies/{await pair.world.role_id('member')}")
    assert implied.status_code == 201
    assert (await pair.post(roles=[{"id": role_id}])).status_code == 404
    grants = f"/v3/projects/{pair.project_id}/users/{pair.ada_id}/roles/{role_id}"
    assert (await admin.put(grants)).status_code == 204
    made = await pair.make(roles=[{"id": role_id}])
    session = await pair.login(made["id"])
    token = (await session.get("/v3/auth/tokens", X_Subject_Token=session.token)).json()["token"]
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    await pair.takes_away(grants)
    assert (await session.get("/v3/auth/projects")).status_code == 401


async def test_what_has_ended_is_forgotten_in_time(pair: Pair) -> None:
    kept = await pair.make()
    for facts in ({"expires_at": "2026-01-01T00:30:00Z"}, {}):
        made = await pair.make(**facts)
    await pair.ada.delete(f"{TRUSTS}/{made['id']}")
    ctx, now = pair.world.ctx, pair.world.clock.now()
    assert await service.purge(ctx, now - 1) == 0
    assert await service.purge(ctx, now + 3600) == 2
    assert await service.find(ctx, made["id"]) is None
    assert await service.find(ctx, kept["id"]) is not None
