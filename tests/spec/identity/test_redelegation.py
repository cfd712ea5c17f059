"""POST /v3/OS-TRUST/trusts by who acts with what was lent: trusts of trusts, and of application credentials."""

from __future__ import annotations

from typing import Any

import pytest

from pileus.kernel.config import Config, Identity
from pileus.kernel.context import Caller, Ctx
from pileus.kernel.errors import Unauthorized
from pileus.services.identity.grounds import Basis
from pileus.services.identity.trusts import service
from support.identity import Session, World
from support.trusts import TRUSTS, Pair

OPEN = {"allow_redelegation": True, "impersonation": True}


@pytest.mark.parametrize("impersonation", [True, False])
async def test_a_trust_is_passed_on_as_often_as_it_says(pair: Pair, impersonation: bool) -> None:
    cleo_id, dan_id = await pair.world.user("cleo"), await pair.world.user("dan")
    open_ = {**OPEN, "impersonation": impersonation}
    one = await pair.make(**open_, redelegation_count=2)
    assert one["redelegation_count"] == 2
    as_bob = await pair.login(one["id"])
    trustor = {} if impersonation else {"trustor_user_id": pair.bob_id}
    two = await pair.make(as_bob, **open_, **trustor, trustee_user_id=cleo_id)
    assert (two["redelegated_trust_id"], two["redelegation_count"]) == (one["id"], 1)
    as_cleo = await pair.login(two["id"], "cleo")
    trustor = {} if impersonation else {"trustor_user_id": cleo_id}
    three = await pair.make(as_cleo, **open_, **trustor, trustee_user_id=dan_id, roles=[{"name": "member"}])
    assert three["redelegation_count"] == 0
    as_dan = await pair.login(three["id"], "dan")
    token = (await as_dan.get("/v3/auth/tokens", X_Subject_Token=as_dan.token)).json()["token"]
    assert token["user"]["name"] == ("ada" if impersonation else "dan")
    assert [role["name"] for role in token["roles"]] == ["member", "reader"]
    trustor = {} if impersonation else {"trustor_user_id": dan_id}
    refused = await pair.post(as_dan, **open_, **trustor, trustee_user_id=pair.bob_id)
    assert refused.status_code == 403
    assert "Remaining redelegation depth of 0" in refused.json()["error"]["message"]
    await pair.disables(f"/v3/users/{pair.bob_id}", "user")  # somebody in the middle
    assert (await as_dan.get("/v3/auth/projects")).status_code == 401
    assert (await pair.answer(three["id"], "dan")).status_code == 401


async def test_who_deletes_a_trust_deletes_what_was_made_from_it(pair: Pair) -> None:
    cleo_id = await pair.world.user("cleo")
    one = await pair.make(**OPEN)
    two = await pair.make(await pair.login(one["id"]), impersonation=True, trustee_user_id=cleo_id)
    as_cleo = await pair.login(two["id"], "cleo")
    await pair.ada.delete(f"{TRUSTS}/{one['id']}")
    assert (await as_cleo.get("/v3/auth/projects")).status_code == 401
    cleo = await pair.world.session("cleo")
    assert (await cleo.get(f"{TRUSTS}/{two['id']}")).status_code == 404
    assert (await cleo.get(f"{TRUSTS}?trustee_user_id={cleo_id}")).json()["trusts"] == []


async def test_what_is_passed_on_ends_no_later(pair: Pair) -> None:
    as_bob = await pair.login((await pair.make(**OPEN, expires_at="2026-01-01T00:30:00Z"))["id"])
    cleo_id = await pair.world.user("cleo")
    inherited = await pair.make(as_bob, impersonation=True, trustee_user_id=cleo_id)
    assert inherited["expires_at"] == "2026-01-01T00:30:00.000000Z"
    later = await pair.post(as_bob, trustee_user_id=cleo_id, impersonation=True, expires_at="2026-01-01T00:31:00Z")
    assert later.status_code == 403
    assert "more than redelegated trust can provide" in later.json()["error"]["message"]


@pytest.mark.parametrize(
    ("first", "facts", "message"),
    [
        ({}, {"roles": [{"name": "manager"}]}, "Some of requested roles are not in redelegated trust"),
        ({}, {"remaining_uses": 1}, 'Field "remaining_uses" is set to 1'),
        ({}, {**OPEN, "redelegation_count": 1}, 'Modifying "redelegation_count" upon redelegation'),
        ({"allow_redelegation": False}, {}, "Remaining redelegation depth of 0"),
        ({"redelegation_count": 0}, {}, "Remaining redelegation depth of 0"),
    ],
)
async def test_what_cannot_be_passed_on_is_told(
    pair: Pair, first: dict[str, Any], facts: dict[str, Any], message: str
) -> None:
    as_bob = await pair.login((await pair.make(**{**OPEN, **first}))["id"])
    answer = await pair.post(as_bob, **{"impersonation": True, **facts})
    assert answer.status_code == 403, answer.text
    assert message in answer.json()["error"]["message"]


async def test_who_does_not_impersonate_lets_nobody_impersonate(pair: Pair) -> None:
    as_bob = await pair.login((await pair.make(**{**OPEN, "impersonation": False}))["id"])
    answer = await pair.post(as_bob, trustor_user_id=pair.bob_id, impersonation=True)
    assert answer.status_code == 403
    assert "Impersonation is not allowed" in answer.json()["error"]["message"]


async def test_a_trust_is_passed_on_for_its_project_only(pair: Pair) -> None:
    """Though Ada has the same role in another one."""
    other = await pair.world.project("other")
    await pair.world.grant(pair.ada_id, "manager", f"projects/{other}")
    as_bob = await pair.login((await pair.make(**OPEN))["id"])
    answer = await pair.post(as_bob, impersonation=True, project_id=other)
    assert answer.status_code == 403
    assert "for its own project only" in answer.json()["error"]["message"]


async def test_a_deployment_may_allow_none_to_be_passed_on(identity: World) -> None:
    strict = Config(identity=Identity(bcrypt_rounds=4, max_redelegations=0))
    session = await identity.process(strict)
    project_id = await identity.project("own")
    ada_id, bob_id = await identity.user("ada", "manager", project_id), await identity.user("bob")
    pair = Pair(identity, project_id, ada_id, bob_id)
    ada = await identity.session("ada", scope="own")
    answer = await pair.post(Session(session.http, ada.token), **OPEN, redelegation_count=1)
    assert answer.status_code == 403


async def by_credential(pair: Pair, **facts: Any) -> Session:
    """Ada, with an application credential for the role `member` of her project."""
    body = {"application_credential": {"name": "robot", "roles": [{"name": "member"}], **facts}}
    made = (await pair.ada.post(f"/v3/users/{pair.ada_id}/application_credentials", body)).json()
    named = {each: made["application_credential"][each] for each in ("id", "secret")}
    login = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": named}}}
    answer = await pair.world.login(login)
    return Session(pair.world.clients[0], answer.headers["X-Subject-Token"])


async def test_a_restricted_application_credential_has_nothing_to_do_with_trusts(pair: Pair) -> None:
    made, robot = await pair.make(), await by_credential(pair)
    answers = [
        await pair.post(robot),
        await robot.get(f"{TRUSTS}?trustor_user_id={pair.ada_id}"),
        await robot.get(f"{TRUSTS}/{made['id']}"),
        await robot.delete(f"{TRUSTS}/{made['id']}"),
    ]
    for answer in answers:
        assert answer.status_code == 403
        assert "is not allowed for managing trusts." in answer.json()["error"]["message"]


async def test_an_unrestricted_one_entrusts_no_more_than_it_has(pair: Pair) -> None:
    other = await pair.world.project("other")
    await pair.world.grant(pair.ada_id, "member", f"projects/{other}")
    robot = await by_credential(pair, unrestricted=True)
    assert (await pair.post(robot, roles=[{"name": "manager"}])).status_code == 404
    assert (await pair.post(robot, project_id=other)).status_code == 404
    made = await pair.make(robot)
    assert (await robot.delete(f"{TRUSTS}/{made['id']}")).status_code == 204


async def test_what_else_was_lent_is_not_passed_on(pair: Pair) -> None:
    """A token of OAuth, say; and one of a trust that has gone meanwhile."""
    new = service.New(
        trustor_user_id=pair.ada_id,
        trustee_user_id=pair.bob_id,
        project_id=pair.project_id,
        impersonation=False,
        expires_at=None,
        remaining_uses=None,
        roles=[(None, "member")],
        redelegation=service.Wanted(allow_redelegation=False, redelegation_count=None),
        extra={},
    )
    for kind, error in (("access_token", Exception), ("trust", Unauthorized)):
        caller = Caller(pair.ada_id, facts={"basis": Basis(kind, "0" * 32)})
        with pytest.raises(error):
            await service.create(Ctx(pair.world.processes[0], caller), new)
