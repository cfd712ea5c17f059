"""openstackclient about federation: the documents that describe who else vouches for people; and policies kept for others."""

from __future__ import annotations

import json
from pathlib import Path

from clients.conftest import Openstack, Person

RULES = [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}]


def test_an_identity_provider_its_mapping_and_its_protocol(admin: Openstack, name: str, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text(json.dumps(RULES))
    made = admin.shows(f"identity provider create {name} --remote-id https://idp.example/{name} --description There")
    assert (made["id"], made["enabled"], made["remote_ids"]) == (name, True, [f"https://idp.example/{name}"])
    assert name in admin.column("identity provider list", "ID")
    admin(f"identity provider set {name} --disable --description changed")
    assert admin.shows(f"identity provider show {name}")["description"] == "changed"
    assert admin.shows(f"mapping create {name} --rules {tmp_path}/rules")["rules"] == RULES
    assert name in admin.column("mapping list", "ID")
    admin(f"mapping set {name} --rules {tmp_path}/rules")
    assert admin.shows(f"mapping show {name}")["id"] == name
    admin(f"federation protocol create saml2 --identity-provider {name} --mapping {name}")
    assert admin.column(f"federation protocol list --identity-provider {name}", "id") == ["saml2"]
    admin.run(f"federation protocol set saml2 --identity-provider {name} --mapping {name}")  # does it, and exits 1
    assert admin.shows(f"federation protocol show saml2 --identity-provider {name}")["mapping"] == name
    admin(f"federation protocol delete saml2 --identity-provider {name}")
    admin(f"mapping delete {name}")
    admin(f"identity provider delete {name}")
    assert name not in admin.column("identity provider list", "ID")


def test_a_service_provider(admin: Openstack, name: str) -> None:
    where = "--auth-url https://sp.example/v3/OS-FEDERATION --service-provider-url https://sp.example/saml2"
    made = admin.shows(f"service provider create {name} {where} --description There")
    assert (made["id"], made["enabled"]) == (name, True)
    assert name in admin.column("service provider list", "ID")
    admin(f"service provider set {name} --disable --description changed")
    assert admin.shows(f"service provider show {name}")["enabled"] is False
    admin(f"service provider delete {name}")


def test_where_one_may_go(person: Person) -> None:
    assert person.says.column("federation project list", "Name") == [person.name]
    assert person.says.column("federation domain list", "Name") == []


def test_a_policy_is_kept_for_others(admin: Openstack, tmp_path: Path) -> None:
    (tmp_path / "rules").write_text('{"a": "role:admin"}')
    made = admin.shows(f"policy create {tmp_path}/rules --type application/json")
    assert made["id"] in admin.column("policy list", "ID")
    (tmp_path / "rules").write_text('{"a": "role:reader"}')
    admin(f"policy set {made['id']} --rules {tmp_path}/rules")
    assert "role:reader" in admin.shows(f"policy show {made['id']}")["rules"]
    admin(f"policy delete {made['id']}")
