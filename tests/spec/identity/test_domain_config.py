"""/v3/domains/{id}/config."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from pileus.kernel.config import Config, Identity
from pileus.kernel.db import metadata
from pileus.services.identity.domain_configs.rules import GROUPS
from support.identity import Session, World, same_answer

MISSING = "0" * 32
LDAP = {"url": "ldap://one.example", "user_tree_dn": "ou=Users,dc=one"}
KEPT = metadata.tables["identity_domain_config"]
WHOLE = {"identity": {"driver": "ldap"}, "ldap": LDAP}


@pytest.fixture
async def admin(identity: World) -> Session:
    return await identity.admin()


@pytest.fixture
async def garden(admin: Session) -> str:
    """A domain without a configuration."""
    return str((await admin.post("/v3/domains", {"domain": {"name": "garden"}})).json()["domain"]["id"])


def told(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


async def test_a_configuration_is_written_shown_changed_and_forgotten(admin: Session, garden: str) -> None:
    path = f"/v3/domains/{garden}/config"
    nothing = f"Could not find any options in domain configuration for domain {garden}."
    assert told(await admin.get(path)) == (404, nothing)
    made = await admin.put(path, {"config": WHOLE})
    assert (made.status_code, made.json()) == (201, {"config": WHOLE})
    assert (await admin.get(path)).json() == {"config": WHOLE}
    changed = await admin.patch(path, {"config": {"identity": {"list_limit": 5}}})
    both = {"driver": "ldap", "list_limit": 5}
    assert (changed.status_code, changed.json()) == (200, {"config": {"identity": both, "ldap": LDAP}})
    again = await admin.put(path, {"config": {"identity": {"driver": "sql"}}})
    assert (again.status_code, again.json()) == (200, {"config": {"identity": {"driver": "sql"}}})
    assert (await admin.delete(path)).status_code == 204
    assert told(await admin.get(path)) == (404, nothing)
    assert (await admin.delete(path)).status_code == 204
    begun = await admin.patch(path, {"config": {"ldap": LDAP}})
    assert begun.json() == {"config": {"ldap": LDAP}}


async def test_a_group_is_shown_changed_and_forgotten(admin: Session, garden: str) -> None:
    await admin.put(f"/v3/domains/{garden}/config", {"config": WHOLE})
    path = f"/v3/domains/{garden}/config/ldap"
    assert (await admin.get(path)).json() == {"config": {"ldap": LDAP}}
    changed = await admin.patch(path, {"config": {"ldap": {"url": "ldap://two.example"}}})
    assert changed.json()["config"] == {**WHOLE, "ldap": {**LDAP, "url": "ldap://two.example"}}
    assert (await admin.delete(path)).status_code == 204
    none = (404, f"Could not find group ldap in domain configuration for domain {garden}.")
    assert told(await admin.get(path)) == none
    assert told(await admin.delete(path)) == none
    assert told(await admin.patch(path, {"config": {"ldap": LDAP}})) == none
    assert (await admin.get(f"/v3/domains/{garden}/config")).json() == {"config": {"identity": {"driver": "ldap"}}}


async def test_an_option_is_shown_changed_and_forgotten(admin: Session, garden: str) -> None:
    await admin.put(f"/v3/domains/{garden}/config", {"config": WHOLE})
    path = f"/v3/domains/{garden}/config/ldap/url"
    assert (await admin.get(path)).json() == {"config": {"url": LDAP["url"]}}
    changed = await admin.patch(path, {"config": {"url": None}})
    assert changed.json()["config"] == {**WHOLE, "ldap": {**LDAP, "url": None}}
    assert (await admin.get(path)).json() == {"config": {"url": None}}
    assert (await admin.delete(path)).status_code == 204
    none = (404, f"Could not find option url in group ldap in domain configuration for domain {garden}.")
    assert told(await admin.get(path)) == none
    assert told(await admin.delete(path)) == none
    assert told(await admin.patch(path, {"config": {"url": "x"}})) == none


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({}, "No options specified"),
        ({"ldap": {}}, "The value of group ldap specified in the config should be a dictionary of options"),
        ({"ldap": "x"}, "The value of group ldap specified in the config should be a dictionary of options"),
        ({"cache": {"a": 1}}, "Group cache is not supported"),
        ({"ldap": {"colour": 1}}, "Option colour in group ldap is not supported"),
        ({"security_compliance": {"password_regex": "x"}}, "Group security_compliance is not supported"),
    ],
)
async def test_what_is_no_configuration(admin: Session, garden: str, config: dict[str, Any], why: str) -> None:
    await admin.put(f"/v3/domains/{garden}/config", {"config": WHOLE})
    for method in ("PUT", "PATCH"):
        status, message = told(await admin.request(method, f"/v3/domains/{garden}/config", {"config": config}))
        assert status == 403
        assert message.startswith(f"Invalid domain specific configuration: {why}")


@pytest.mark.parametrize(
    ("rest", "config"),
    [
        ("/ldap", WHOLE),
        ("/ldap", {"identity": {"driver": "sql"}}),
        ("/cache", {"ldap": LDAP}),
        ("/ldap/url", LDAP),
        ("/ldap/url", {"user": "x"}),
        ("/ldap/url", {}),
        ("/ldap/colour", {"url": "x"}),
    ],
)
async def test_a_part_is_changed_by_that_part_alone(
    admin: Session, garden: str, rest: str, config: dict[str, Any]
) -> None:
    await admin.put(f"/v3/domains/{garden}/config", {"config": WHOLE})
    assert (await admin.patch(f"/v3/domains/{garden}/config{rest}", {"config": config})).status_code == 403
    assert (await admin.get(f"/v3/domains/{garden}/config")).json() == {"config": WHOLE}


@pytest.mark.parametrize("rest", ["/cache", "/cache/a", "/ldap/colour"])
async def test_other_groups_and_options_there_are_none(admin: Session, garden: str, rest: str) -> None:
    for method in ("GET", "DELETE"):
        assert (await admin.request(method, f"/v3/domains/{garden}/config{rest}")).status_code == 403
    assert (await admin.get(f"/v3/domains/config{rest}/default")).status_code == 403


async def test_a_password_is_sealed_and_never_shown(identity: World, admin: Session, garden: str) -> None:
    secret = "the one of the directory"
    config = {"ldap": {**LDAP, "password": secret}}
    path = f"/v3/domains/{garden}/config"
    answers = [
        await admin.put(path, {"config": config}),
        await admin.get(path),
        await admin.get(f"{path}/ldap"),
        await admin.patch(path, {"config": config}),
        await admin.patch(f"{path}/ldap/password", {"config": {"password": secret}}),
    ]
    assert [each.json()["config"]["ldap"] for each in answers] == [LDAP] * 5
    assert (await admin.get(f"{path}/ldap/password")).status_code == 404
    assert (await admin.get("/v3/domains/config/ldap/password/default")).status_code == 403
    rows = (await identity.ctx.execute(sa.select(KEPT))).all()
    assert len(rows) == 3
    assert secret not in repr(rows)
    assert (await admin.delete(f"{path}/ldap/password")).status_code == 204
    assert (await admin.delete(f"{path}/ldap/password")).status_code == 404


async def test_what_counts_where_nothing_is_said(identity: World, admin: Session) -> None:
    everything = (await admin.get("/v3/domains/config/default")).json()["config"]
    assert everything["identity"] == {"driver": "sql", "list_limit": 1000}
    assert everything["ldap"]["url"] == "ldap://localhost"
    assert everything["ldap"]["user"] is None
    assert len(everything["ldap"]) == 49
    assert "password" not in everything["ldap"]
    for group, options in everything.items():
        assert (await admin.get(f"/v3/domains/config/{group}/default")).json() == {"config": {group: options}}
        for option, value in options.items():
            answer = await admin.get(f"/v3/domains/config/{group}/{option}/default")
            assert answer.json() == {"config": {option: value}}
    assert GROUPS.keys() == everything.keys()


async def test_what_a_password_must_be_like_is_for_everybody_to_read(identity: World, garden: str) -> None:
    strict = Identity(bcrypt_rounds=4, password_regex="^.{7,}$", password_regex_description="7 characters")
    await identity.process(Config(identity=strict))
    await identity.user("ada")
    said = {"password_regex": "^.{7,}$", "password_regex_description": "7 characters"}
    ada = await identity.session("ada", process=1)
    path = "/v3/domains/default/config/security_compliance"
    assert (await ada.get("/v3/domains/default/config/security_compliance")).json() == {
        "config": {"security_compliance": said}
    }
    assert (await ada.head(path)).status_code == 200
    for option, value in said.items():
        answer = await ada.get(f"/v3/domains/default/config/security_compliance/{option}")
        assert answer.json() == {"config": {option: value}}
    assert (await ada.get(f"{path}/lockout_duration")).status_code == 403
    for other in (garden, MISSING):
        assert (await ada.get(f"/v3/domains/{other}/config/security_compliance")).status_code == 403
    lax = await identity.session("ada")
    assert (await lax.get(f"{path}/password_regex")).json() == {"config": {"password_regex": None}}


async def test_it_is_for_administrators_and_to_read_for_the_systems_readers(
    identity: World, admin: Session, garden: str
) -> None:
    await admin.put(f"/v3/domains/{garden}/config", {"config": WHOLE})
    reader = await identity.user("ada")
    await identity.grant(reader, "reader", "system")
    await identity.grant(reader, "admin", f"domains/{garden}")
    system = await identity.session("ada", scope={"system": {"all": True}})
    for path in (f"/v3/domains/{garden}/config", "/v3/domains/config/default"):
        assert (await system.get(path)).status_code == 200
    assert (await system.get(f"/v3/domains/{MISSING}/config")).status_code == 404
    assert (await system.put(f"/v3/domains/{garden}/config", {"config": WHOLE})).status_code == 403
    own = await identity.session("ada", scope={"domain": {"id": garden}})
    there, missing = [await own.get(f"/v3/domains/{each}/config") for each in (garden, MISSING)]
    assert there.status_code == 403
    assert same_answer(there, missing)


async def test_it_goes_with_its_domain(identity: World, admin: Session, garden: str) -> None:
    path = f"/v3/domains/{garden}/config"
    await admin.put(path, {"config": WHOLE})
    await admin.patch(f"/v3/domains/{garden}", {"domain": {"enabled": False}})
    assert (await admin.delete(f"/v3/domains/{garden}")).status_code == 204
    assert (await identity.ctx.execute(sa.select(KEPT))).all() == []
    for answer in (await admin.get(path), await admin.put(path, {"config": WHOLE}), await admin.delete(path)):
        assert told(answer) == (404, f"Could not find domain: {garden}.")
