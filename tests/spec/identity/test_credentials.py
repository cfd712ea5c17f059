"""/v3/credentials: secrets of users, sealed, seen by their owner and by who may see anybody's."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from pileus.kernel.context import Caller, Ctx
from pileus.kernel.db import metadata
from pileus.kernel.errors import BadRequest, Forbidden, NotFound, Unavailable
from pileus.kernel.seal import Seal
from pileus.services.identity.credentials import service as credentials
from pileus.services.identity.grounds import Basis
from support.identity import Session, World, same_answer

MISSING = "0" * 32
URL = "http://cloud.example:8775/identity/v3/credentials"
KEYS = json.dumps({"access": "AKIA", "secret": "s3cr3t"})


async def owner(identity: World, name: str = "ada") -> tuple[str, str, Session]:
    """A member of a project of their own: ids of user and project, and the session."""
    project_id = await identity.project(f"of {name}")
    user_id = await identity.user(name, "member", project_id)
    return user_id, project_id, await identity.session(name, scope=f"of {name}")


async def made(session: Session, user_id: str, **facts: Any) -> dict[str, Any]:
    sent = {"blob": "sesame", "type": "cert", "user_id": user_id, **facts}
    answer = await session.post("/v3/credentials", {"credential": sent})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()["credential"]
    return found


async def test_a_credential_is_made_shown_changed_and_deleted(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    credential = await made(ada, user_id, note="mine", links={}, id="x")
    assert credential == {
        "id": credential["id"],
        "user_id": user_id,
        "project_id": None,
        "type": "cert",
        "blob": "sesame",
        "note": "mine",
        "links": {"self": f"{URL}/{credential['id']}"},
    }
    path = f"/v3/credentials/{credential['id']}"
    assert (await ada.get(path)).json() == {"credential": credential}
    wanted = {"blob": "open", "project_id": project_id, "note": "still", "type": "key"}
    changed = await ada.patch(path, {"credential": wanted})
    assert changed.json() == {"credential": {**credential, **wanted}}
    assert (await ada.get("/v3/credentials")).json()["credentials"] == [changed.json()["credential"]]
    assert (await ada.delete(path)).status_code == 204
    gone = await (await identity.admin()).get(path)
    assert (gone.status_code, gone.json()["error"]["message"]) == (
        404,
        f"Could not find credential: {credential['id']}.",
    )


async def test_an_ec2_credential_is_named_by_its_access_key(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    credential = await made(ada, user_id, type="ec2", blob=KEYS, project_id=project_id)
    assert credential["id"] == hashlib.sha256(b"AKIA").hexdigest()
    assert credential["blob"] == KEYS
    again = {"type": "ec2", "blob": KEYS, "project_id": project_id, "user_id": user_id}
    assert (await ada.post("/v3/credentials", {"credential": again})).status_code == 409
    other = json.dumps({"access": "AKIB", "secret": "another"})
    path = f"/v3/credentials/{credential['id']}"
    changed = (await ada.patch(path, {"credential": {"blob": other, "type": "ec2"}})).json()["credential"]
    assert changed == {**credential, "blob": other}
    assert (await ada.get(path)).json()["credential"] == changed


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"type": None}, "type"),
        ({"type": ""}, "type"),
        ({"blob": {"access": "a"}}, "blob"),
        ({"blob": "x" * 65_536}, "blob"),
        ({"user_id": MISSING}, f"Could not find user: {MISSING}."),
        ({"type": "ec2"}, "Invalid blob in credential"),
        ({"type": "ec2", "blob": "[1]"}, "Expecting to find blob in credential."),
        ({"type": "ec2", "blob": "[" * 5000}, "Invalid blob in credential"),
        ({"type": "ec2", "blob": '{"secret": "s"}'}, "Expecting to find access in credential."),
        ({"type": "EC2", "blob": '{"access": "a", "secret": 1}'}, "Expecting to find secret in credential."),
        ({"type": "ec2", "blob": KEYS}, "Expecting to find project_id in credential."),
        ({"type": "ec2", "blob": KEYS[:-1] + ', "trust_id": "t"}'}, "trust_id can not be updated for credential"),
    ],
)
async def test_what_is_no_credential(identity: World, facts: dict[str, Any], message: str) -> None:
    admin = await identity.admin()
    user_id = await identity.user("ada")
    sent = {"blob": "b", "type": "cert", "user_id": user_id, **facts}
    answer = await admin.post("/v3/credentials", {"credential": {k: v for k, v in sent.items() if v is not None}})
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]


async def test_what_no_change_may_say(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    plain = f"/v3/credentials/{(await made(ada, user_id))['id']}"
    keys = f"/v3/credentials/{(await made(ada, user_id, type='ec2', blob=KEYS, project_id=project_id))['id']}"
    for path, wanted, message in (
        (plain, {}, "nothing to change"),
        (plain, {"id": MISSING}, "Cannot change ID"),
        (plain, {"type": "ec2"}, "Invalid blob in credential"),
        (plain, {"type": "ec2", "blob": KEYS}, "Expecting to find project_id in credential."),
        (keys, {"project_id": None}, "Expecting to find project_id in credential."),
        (keys, {"blob": "text"}, "Invalid blob in credential"),
        *(
            (keys, {"blob": json.dumps({"access": "a", "secret": "s", name: "x"})}, f"{name} can not be updated")
            for name in ("trust_id", "app_cred_id", "access_token_id", "access_id")
        ),
    ):
        answer = await ada.patch(path, {"credential": wanted})
        assert answer.status_code == 400
        assert message in answer.json()["error"]["message"]
    assert (await ada.get(keys)).json()["credential"]["blob"] == KEYS


async def test_a_list_holds_what_the_caller_may_see_and_is_narrowed(identity: World) -> None:
    user_id, _, ada = await owner(identity)
    other_id, _, eve = await owner(identity, "eve")
    own = [await made(ada, user_id, type=kind) for kind in ("cert", "totp")]
    other = await made(eve, other_id)
    assert ids(await ada.get("/v3/credentials")) == {each["id"] for each in own}
    assert ids(await ada.get("/v3/credentials?type=totp")) == {own[1]["id"]}
    assert ids(await ada.get(f"/v3/credentials?user_id={other_id}")) == set()
    admin = await identity.admin()
    assert ids(await admin.get("/v3/credentials")) == {each["id"] for each in (*own, other)}
    assert ids(await admin.get(f"/v3/credentials?user_id={other_id}")) == {other["id"]}
    await identity.grant(other_id, "reader", "system")
    auditor = await identity.session("eve", scope={"system": {"all": True}})
    assert len(ids(await auditor.get("/v3/credentials"))) == 3
    assert (await auditor.delete(f"/v3/credentials/{own[0]['id']}")).status_code == 403


def ids(answer: Any) -> set[str]:
    return {each["id"] for each in answer.json()["credentials"]}


async def test_strangers_learn_nothing_of_a_credential(identity: World) -> None:
    user_id, _, ada = await owner(identity)
    _, _, eve = await owner(identity, "eve")
    there = (await made(ada, user_id))["id"]
    for method, body in (("GET", None), ("PATCH", {"credential": {"blob": "x"}}), ("DELETE", None)):
        answers = [await eve.request(method, f"/v3/credentials/{each}", body) for each in (there, MISSING)]
        assert answers[0].status_code == 403
        assert same_answer(*answers)


async def test_a_credential_is_made_for_oneself_and_not_moved_to_others(identity: World) -> None:
    user_id, _, ada = await owner(identity)
    other_id, _, _ = await owner(identity, "eve")
    sent = {"blob": "b", "type": "cert", "user_id": other_id}
    assert (await ada.post("/v3/credentials", {"credential": sent})).status_code == 403
    path = f"/v3/credentials/{(await made(ada, user_id))['id']}"
    assert (await ada.patch(path, {"credential": {"user_id": other_id}})).status_code == 403
    moved = await (await identity.admin()).patch(path, {"credential": {"user_id": other_id}})
    assert moved.json()["credential"]["user_id"] == other_id
    assert (await ada.get(path)).status_code == 403


async def test_credentials_go_with_their_user_and_with_their_project(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    of_project = await made(ada, user_id, project_id=project_id)
    of_user = await made(ada, user_id)
    admin = await identity.admin()
    await admin.delete(f"/v3/projects/{project_id}")
    assert ids(await admin.get("/v3/credentials")) == {of_user["id"]}
    assert of_project["id"] != of_user["id"]
    await admin.delete(f"/v3/users/{user_id}")
    assert ids(await admin.get("/v3/credentials")) == set()


async def test_a_blob_is_sealed_for_its_row(identity: World) -> None:
    user_id, _, ada = await owner(identity)
    credential = await made(ada, user_id, blob="a most secret thing")
    tables = [metadata.tables[name] for name in ("identity_credential", "event", "audit")]
    said = [str(row) for table in tables for row in await identity.ctx.execute(sa.select(table))]
    assert said
    assert not [each for each in said if "secret thing" in each]
    identity.processes[0].seal = Seal(bytes(range(32)))
    with pytest.raises(Unavailable, match="site key"):
        await credentials.get(identity.ctx, credential["id"])


def delegated(ctx: Ctx, project_id: str, basis: Basis, **facts: Any) -> Ctx:
    """As somebody would be seen whose token rests on `basis`."""
    return replace(ctx, caller=Caller("u", project_id=project_id, facts={"basis": basis, "token_of": "u", **facts}))


async def test_a_delegated_token_has_to_do_with_what_proves_no_more_than_itself(identity: World) -> None:
    user_id, project_id, _ = await owner(identity)
    trusted = delegated(identity.ctx, project_id, Basis("trust", "t1"))
    others = delegated(identity.ctx, project_id, Basis("trust", "t2"))

    async def create(ctx: Ctx, project_id: str | None, kind: str, blob: str = KEYS) -> str:
        return (await credentials.create(ctx, user_id, project_id, kind, blob, {})).id

    for project, kind in ((None, "cert"), (MISSING, "cert"), (project_id, "totp"), (project_id, "TOTP")):
        with pytest.raises(Forbidden, match="scope of the delegated token"):
            await create(trusted, project, kind)
    entire = {
        kind: await create(identity.ctx, project_id, kind, KEYS.replace("AKIA", kind)) for kind in ("ec2", "totp")
    }
    own, plain = await create(trusted, project_id, "ec2"), await create(identity.ctx, project_id, "cert")
    assert set(await seen(trusted)) == {own, plain}
    assert set(await seen(others)) == {plain}
    assert set(await seen(identity.ctx)) == {own, plain, *entire.values()}
    for credential_id in entire.values():
        with pytest.raises(NotFound):
            await credentials.change(trusted, credential_id, {"blob": KEYS})
        with pytest.raises(NotFound):
            await credentials.delete(trusted, credential_id)
    for wanted in ({"project_id": MISSING}, {"type": "totp"}, {"type": "ec2"}):
        with pytest.raises(Forbidden):
            await credentials.change(trusted, plain, {"blob": KEYS, **wanted})
    assert (await credentials.get(trusted, plain)).type == "cert"


async def seen(ctx: Ctx) -> list[str]:
    return [each.id for each in (await credentials.page(ctx, {}, user_id=None)).items]


async def test_an_ec2_credential_says_what_its_tokens_rest_on_for_good(identity: World) -> None:
    user_id, project_id, ada = await owner(identity)
    for number, (kind, name) in enumerate(
        (("trust", "trust_id"), ("application_credential", "app_cred_id"), ("access_token", "access_token_id"))
    ):
        ctx = delegated(identity.ctx, project_id, Basis(kind, "b"))
        keys = {"access": f"AK{number}", "secret": "s"}
        for wrong in ({name: "c"}, {"access_id": "b"}):
            with pytest.raises(BadRequest):
                await credentials.create(ctx, user_id, project_id, "ec2", json.dumps({**keys, **wrong}), {})
        made = await credentials.create(ctx, user_id, project_id, "ec2", json.dumps(keys), {})
        assert json.loads(made.blob) == {**keys, name: "b"}
        path = f"/v3/credentials/{made.id}"
        assert (await ada.patch(path, {"credential": {"blob": json.dumps(keys)}})).status_code == 400
        assert (await ada.patch(path, {"credential": {"project_id": MISSING}})).status_code == 400
        kept = {"blob": json.dumps({**keys, "secret": "t", name: "b"})}
        assert (await ada.patch(path, {"credential": kept})).status_code == 200
        found = await credentials.find(identity.ctx, made.id)
        assert found is not None
        assert (found.basis, found.basis_user_id) == (Basis(kind, "b"), "u")


async def test_a_restricted_application_credential_makes_no_keys(identity: World) -> None:
    user_id, project_id, _ = await owner(identity)
    basis = Basis("application_credential", "a")
    for restricted in (True, False):
        ctx = delegated(identity.ctx, project_id, basis, application_credential={"restricted": restricted})
        if restricted:
            with pytest.raises(Forbidden, match="additional credentials"):
                await credentials.create(ctx, user_id, project_id, "ec2", KEYS, {})
        else:
            assert await credentials.create(ctx, user_id, project_id, "ec2", KEYS, {})
