"""openstackclient about acting for somebody: application credentials, trusts, keys for EC2, OAuth1; and about limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clients.conftest import DEFAULTS, PASSWORD, Openstack, Person


def by_credential(person: Person, auth_url: str, made: dict[str, Any]) -> Openstack:
    """Who logs in with an application credential."""
    known = {"application_credential_id": made["ID"], "application_credential_secret": made["Secret"]}
    return person.says.who(auth_type="v3applicationcredential", auth_url=auth_url, identity_api_version="3", **known)


def test_an_application_credential_logs_in_until_it_is_deleted(person: Person, auth_url: str, name: str) -> None:
    made = person.says.shows(f"application credential create {name} --role reader --description 'For a script'")
    assert person.says.column("application credential list", "Name") == [name]
    script = by_credential(person, auth_url, made)
    issued = script.shows("token issue")
    assert (issued["project_id"], issued["user_id"]) == (person.project_id, person.user_id)
    assert "403" in script.is_refused(f"application credential create {name}x")
    shown = person.says.shows(f"application credential show {name}")
    assert shown["ID"] == made["ID"]
    assert made["Secret"] not in json.dumps(shown)
    person.says(f"application credential delete {name}")
    assert "401" in script.is_refused("token issue")


def test_an_application_credential_with_a_secret_of_ones_own(person: Person, auth_url: str, name: str) -> None:
    made = person.says.shows(f"application credential create {name} --secret 'not so long' --unrestricted")
    script = by_credential(person, auth_url, made | {"Secret": "not so long"})
    assert script.shows("application credential create below")["Name"] == "below"
    person.says(f"application credential delete {name} below")


def test_access_rules_bound_an_application_credential(person: Person, auth_url: str, name: str) -> None:
    rules = json.dumps([{"service": "identity", "method": "GET", "path": "/v3/users/*/projects"}])
    made = person.says.shows(f"application credential create {name} --access-rules '{rules}'")
    script = by_credential(person, auth_url, made)
    assert script.shows("token issue")["id"]
    assert "401" in script.is_refused("region list")
    [rule] = person.says.shows("access rule list")
    assert (rule["Method"], rule["Path"]) == ("GET", "/v3/users/*/projects")
    assert person.says.shows(f"access rule show {rule['ID']}")["Service"] == "identity"
    person.says(f"application credential delete {name}")
    person.says(f"access rule delete {rule['ID']}")
    assert person.says.shows("access rule list") == []


def test_a_trust_lets_another_act(admin: Openstack, person: Person, auth_url: str, name: str) -> None:
    friend = f"{name}-friend"
    friend_id = admin.shows(f"user create {friend} --password '{PASSWORD}'")["id"]
    member = admin.shows("role show member")["id"]
    terms = f"--project {person.project_id} --role {member} --impersonate --expiration 2099-01-01T00:00:00"
    made = person.says.shows(f"trust create {terms} {person.user_id} {friend_id}")
    assert (made["trustor_user_id"], made["trustee_user_id"]) == (person.user_id, friend_id)
    assert person.says.column(f"trust list --trustor {person.user_id}", "ID") == [made["id"]]
    assert person.says.shows(f"trust show {made['id']}")["project_id"] == person.project_id
    known = {"username": friend, "password": PASSWORD, "user_domain_id": "default", "trust_id": made["id"]}
    trusted = admin.who(auth_url=auth_url, identity_api_version="3", **known)
    issued = trusted.shows("token issue")
    assert (issued["project_id"], issued["user_id"]) == (person.project_id, person.user_id)
    person.says(f"trust delete {made['id']}")
    assert trusted.is_refused("token issue")
    admin(f"user delete {friend}")


def test_keys_for_ec2(admin: Openstack, person: Person) -> None:
    made = person.says.shows("ec2 credentials create")
    assert (made["project_id"], made["user_id"]) == (person.project_id, person.user_id)
    assert person.says.column("ec2 credentials list", "Access") == [made["access"]]
    assert person.says.shows(f"ec2 credentials show {made['access']}")["secret"] == made["secret"]
    of_them = f"--user {person.name}"
    assert admin.column(f"ec2 credentials list {of_them}", "Access") == [made["access"]]
    person.says(f"ec2 credentials delete {made['access']}")
    assert person.says.shows("ec2 credentials list") == []


def test_a_credential_of_any_kind_is_kept(admin: Openstack, person: Person) -> None:
    made = admin.shows(f"credential create {person.name} something --type secret --project {person.name}")
    assert made["id"] in admin.column(f"credential list --type secret --user {person.name}", "ID")
    admin(f"credential set {made['id']} --user {person.name} --type secret --data 'something else'")
    assert admin.shows(f"credential show {made['id']}")["blob"] == "something else"
    admin(f"credential delete {made['id']}")


def test_a_consumer_is_given_access_by_oauth1(admin: Openstack, auth_url: str) -> None:
    """The client looks the role up by a call that only administrators may make."""
    consumer = admin.shows("consumer create --description 'A site'")
    keys = f"--consumer-key {consumer['id']} --consumer-secret {consumer['secret']}"
    assert consumer["id"] in admin.column("consumer list", "ID")
    admin(f"consumer set {consumer['id']} --description changed")
    assert admin.shows(f"consumer show {consumer['id']}")["description"] == "changed"
    asked = admin.shows(f"request token create {keys} --project admin")
    granted = admin.shows(f"request token authorize --request-key {asked['id']} --role member")
    request = f"--request-key {asked['id']} --request-secret {asked['secret']} --verifier {granted['oauth_verifier']}"
    access = admin.shows(f"access token create {keys} {request}")
    known = {"consumer_key": consumer["id"], "consumer_secret": consumer["secret"]}
    known |= {"access_key": access["id"], "access_secret": access["secret"]}
    site = admin.who(auth_type="v3oauth1", auth_url=auth_url, identity_api_version="3", **known)
    assert site.shows("token issue")["project_id"] == admin.shows("project show admin")["id"]
    admin(f"consumer delete {consumer['id']}")
    assert "401" in site.is_refused("token issue")


def test_limits_and_what_they_are_by_default(admin: Openstack, person: Person, name: str) -> None:
    """Registered for a service, given to a project, seen by who is in it."""
    admin(f"service create {name}")
    default = admin.shows(
        f"registered limit create widgets --service {name} --default-limit 10 --description 'Of each'"
    )
    assert (default["resource_name"], default["default_limit"]) == ("widgets", 10)
    assert default["id"] in admin.column(f"registered limit list --service {name}", "ID")
    admin(f"registered limit set {default['id']} --default-limit 20")
    assert admin.shows(f"registered limit show {default['id']}")["default_limit"] == 20
    limit = admin.shows(f"limit create widgets --service {name} --project {person.name} --resource-limit 5")
    assert (limit["project_id"], limit["resource_limit"]) == (person.project_id, 5)
    assert admin.column(f"limit list --service {name} --project {person.name}", "Resource Limit") == [5]
    assert limit["id"] in person.says.column("limit list", "ID")
    admin(f"limit set {limit['id']} --resource-limit 6 --description 'A little more'")
    assert admin.shows(f"limit show {limit['id']}")["resource_limit"] == 6
    assert admin.is_refused(f"registered limit delete {default['id']}")
    admin(f"limit delete {limit['id']}")
    admin(f"registered limit delete {default['id']}")
    admin(f"service delete {name}")


@pytest.mark.parametrize("unknown", [{"username": "nobody"}, {"password": "wrong"}, {"project_name": "nowhere"}])
def test_a_login_that_fails_tells_nothing(person: Person, auth_url: str, unknown: dict[str, str]) -> None:
    known = {
        "auth_url": auth_url,
        **DEFAULTS,
        "username": person.name,
        "password": PASSWORD,
        "project_name": person.name,
    }
    said = person.says.who(**{**known, **unknown}).is_refused("token issue")
    assert "The request you have made requires authentication. (HTTP 401)" in said
