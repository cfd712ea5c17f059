"""openstackclient about who and where: projects, users, groups, roles, domains, regions, the catalogue."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients.conftest import DEFAULTS, PASSWORD, Openstack, Person


def test_a_project_from_its_birth_to_its_end(admin: Openstack, name: str) -> None:
    made = admin.shows(f"project create {name} --description 'Of the web' --property cost=7 --tag blue")
    assert (made["name"], made["description"], made["enabled"], made["tags"]) == (name, "Of the web", True, ["blue"])
    assert name in admin.column("project list", "Name")
    assert admin.column("project list --domain default --tags blue --long --sort name:asc", "Enabled")
    admin(f"project set {name} --description changed --disable --tag green --property cost=8")
    shown = admin.shows(f"project show {name}")
    assert (shown["description"], shown["enabled"], sorted(shown["tags"])) == ("changed", False, ["blue", "green"])
    assert (shown["id"], shown["cost"]) == (made["id"], "8")
    admin(f"project set {name} --enable")
    child = admin.shows(f"project create {name}-below --parent {made['id']}")
    assert child["parent_id"] == made["id"]
    assert list(admin.shows(f"project show {name} --children")["subtree"]) == [child["id"]]
    admin(f"project set {name} --name {name}-renamed --remove-tag blue")
    admin(f"project delete {name}-below {name}-renamed")
    assert f"No Project found for {name}" in admin.is_refused(f"project show {name}")


def test_a_user_from_its_birth_to_its_end(admin: Openstack, name: str) -> None:
    admin(f"project create {name}")
    made = admin.shows(
        f"user create {name} --domain default --project {name} --password '{PASSWORD}' --email a@example.org "
        f"--description 'A person' --ignore-lockout-failure-attempts"
    )
    assert (made["name"], made["enabled"], made["email"]) == (name, True, "a@example.org")
    assert made["options"] == {"ignore_lockout_failure_attempts": True}
    assert name in admin.column("user list", "Name")
    assert admin.shows("user list --domain default --long")
    admin(f"user set {name} --email b@example.org --description changed --disable --no-ignore-lockout-failure-attempts")
    shown = admin.shows(f"user show {name}")
    assert (shown["email"], shown["enabled"], shown["description"]) == ("b@example.org", False, "changed")
    admin(f"user set {name} --name {name}x --enable --password 'another secret of theirs'")
    admin(f"role add --user {name}x --project {name} member")
    assert admin.column(f"user list --project {name}", "Name") == [f"{name}x"]
    admin(f"user delete {name}x")
    assert f"No User found for {name}x" in admin.is_refused(f"user show {name}x")


def test_ones_own_password(admin: Openstack, person: Person, auth_url: str) -> None:
    """The old one is known to the server alone: a wrong one changes nothing."""
    new = "an even better secret"
    assert "401" in person.says.is_refused(f"user password set --original-password wrong --password '{new}'")
    person.says(f"user password set --original-password '{PASSWORD}' --password '{new}'")
    assert "401" in person.says.is_refused("token issue")
    again = admin.who(auth_url=auth_url, **DEFAULTS, username=person.name, password=new, project_name=person.name)
    assert again.shows("token issue")["project_id"] == person.project_id


def test_a_group_and_who_is_in_it(admin: Openstack, person: Person, name: str) -> None:
    made = admin.shows(f"group create {name} --description 'Some people'")
    assert admin.shows(f"group create {name} --or-show")["id"] == made["id"]
    admin(f"group add user {name} {person.name}")
    assert f"{person.name} in group {name}" in admin(f"group contains user {name} {person.name}")
    assert admin.column(f"user list --group {name}", "Name") == [person.name]
    assert admin.column(f"group list --user {person.name}", "Name") == [name]
    assert name in admin.column("group list --domain default --long", "Name")
    admin(f"group remove user {name} {person.name}")
    assert "not in group" in admin.run(f"group contains user {name} {person.name}")["complained"]
    admin(f"group set {name} --name {name}x --description changed")
    assert admin.shows(f"group show {name}x")["description"] == "changed"
    admin(f"group delete {name}x")


def test_a_role_is_given_and_taken_away(admin: Openstack, person: Person, name: str) -> None:
    made = admin.shows(f"role create {name} --description 'May do this'")
    assert name in admin.column("role list", "Name")
    admin(f"role add --user {person.name} --project {person.name} {name}")
    given = f"role assignment list --user {person.name} --project {person.name}"
    assert made["id"] in admin.column(given, "Role")
    admin(f"role remove --user {person.name} --project {person.name} {name}")
    assert made["id"] not in admin.column(given, "Role")
    admin(f"role set {name} --name {name}x --description changed")
    assert admin.shows(f"role show {name}x")["description"] == "changed"
    admin(f"role delete {name}x")
    assert made["id"] not in admin.column("role list", "ID")


def test_assignments_are_listed_as_they_work_with_names(admin: Openstack, person: Person, name: str) -> None:
    """A role of a group, inherited, that implies another: all of it is seen with --effective."""
    admin(f"group create {name}")
    admin(f"group add user {name} {person.name}")
    admin(f"project create {name}-below --parent {person.project_id}")
    admin(f"role add --group {name} --project {person.name} --inherited manager")
    rows = admin.shows(f"role assignment list --effective --names --user {person.name}")
    found = {(row["Role"], row["Project"]) for row in rows}
    below = {(role, f"{name}-below@Default") for role in ("manager", "member", "reader")}
    assert found == below | {(role, f"{person.name}@Default") for role in ("member", "reader")}
    assert {row["User"] for row in rows} == {f"{person.name}@Default"}
    listed = admin.shows(f"role assignment list --names --group {name}")
    assert [(row["Role"], row["Inherited"]) for row in listed] == [("manager", True)]
    assert "admin" in admin.column("role assignment list --auth-user --auth-project --names --effective", "Role")
    admin(f"role remove --group {name} --project {person.name} --inherited manager")


def test_a_role_implies_another(admin: Openstack, name: str) -> None:
    admin(f"role create {name}")
    admin(f"implied role create {name} --implied-role reader")
    names = {(row["Prior Role Name"], row["Implied Role Name"]) for row in admin.shows("implied role list")}
    assert {(name, "reader"), ("admin", "manager"), ("member", "reader")} <= names
    admin(f"implied role delete {name} --implied-role reader")
    assert name not in admin.column("implied role list", "Prior Role Name")


def test_the_system_is_a_place_for_roles_too(admin: Openstack, person: Person, auth_url: str) -> None:
    admin(f"role add --user {person.name} --system all reader")
    [row] = admin.shows(f"role assignment list --names --system all --user {person.name}")
    assert (row["Role"], row["System"]) == ("reader", "all")
    whole = {"auth_url": auth_url, "identity_api_version": "3", "user_domain_id": "default"}
    auditor = admin.who(**whole, username=person.name, password=PASSWORD, system_scope="all")
    assert person.name in auditor.column("user list", "Name")
    assert "403" in auditor.is_refused(f"user set {person.name} --email x@example.org")
    admin(f"role remove --user {person.name} --system all reader")


def test_a_domain_from_its_birth_to_its_end(admin: Openstack, auth_url: str, name: str) -> None:
    made = admin.shows(f"domain create {name} --description 'Somebody else'")
    assert name in admin.column("domain list", "Name")
    admin(f"user create {name} --domain {name} --password '{PASSWORD}'")
    admin(f"role add --user {name} --user-domain {name} --domain {name} manager")
    here = {"auth_url": auth_url, "identity_api_version": "3", "user_domain_name": name, "domain_name": name}
    manager = admin.who(**here, username=name, password=PASSWORD)
    assert manager.shows("token issue")["domain_id"] == made["id"]
    assert manager.column("user list", "Name") == [name]
    manager(f"project create of-{name} --domain {name}")
    assert "403" in admin.is_refused(f"domain delete {name}")
    admin(f"domain set {name} --description changed --disable")
    shown = admin.shows(f"domain show {name}")
    assert (shown["enabled"], shown["description"]) == (False, "changed")
    assert "401" in manager.is_refused("token issue")
    admin(f"domain delete {name}")
    assert name not in admin.column("domain list", "Name")


def test_a_region_holds_regions(admin: Openstack, name: str) -> None:
    admin(f"region create {name} --description 'Far away'")
    admin(f"region create {name}-1 --parent-region {name}")
    assert admin.column(f"region list --parent-region {name}", "Region") == [f"{name}-1"]
    admin(f"region set {name} --description changed")
    assert admin.shows(f"region show {name}")["description"] == "changed"
    admin(f"region delete {name}-1 {name}")
    assert name not in admin.column("region list", "Region")


def test_a_service_and_its_endpoints_are_in_the_catalogue(admin: Openstack, person: Person, name: str) -> None:
    made = admin.shows(f"service create {name} --name The-{name} --description 'Does things'")
    assert (made["type"], made["name"]) == (name, f"The-{name}")
    assert made["id"] in admin.column("service list --long", "ID")
    admin(f"region create {name}")
    url = "http://127.0.0.1:1/v1/$(project_id)s"
    endpoint = admin.shows(f"endpoint create {name} public '{url}' --region {name}")
    assert admin.column(f"endpoint list --service {name} --interface public", "ID") == [endpoint["id"]]
    assert f"http://127.0.0.1:1/v1/{person.project_id}" in json.dumps(person.says.shows(f"catalog show {name}"))
    admin(f"endpoint set {endpoint['id']} --url http://127.0.0.1:2 --disable")
    shown = admin.shows(f"endpoint show {endpoint['id']}")
    assert (shown["url"], shown["enabled"]) == ("http://127.0.0.1:2", False)
    admin(f"service set {name} --name Other-{name} --description changed --disable")
    assert admin.shows(f"service show {name}")["enabled"] is False
    assert name not in person.says.column("catalog list", "Type")
    admin(f"endpoint delete {endpoint['id']}")
    admin(f"service delete {name}")
    admin(f"region delete {name}")


def test_endpoints_are_shown_to_projects_of_choice(admin: Openstack, person: Person, name: str, tmp_path: Path) -> None:
    """By the endpoint, and by a group of endpoints that a filter makes."""
    service_id = admin.shows(f"service create {name}")["id"]
    endpoint = admin.shows(f"endpoint create {name} internal http://127.0.0.1:1")["id"]
    admin(f"endpoint add project {endpoint} {person.name}")
    assert admin.column(f"endpoint list --project {person.name}", "ID") == [endpoint]
    assert admin.column(f"endpoint list --endpoint {endpoint}", "Name") == [person.name]
    admin(f"endpoint remove project {endpoint} {person.name}")
    (tmp_path / "filters").write_text(json.dumps({"service_id": service_id}))
    made = admin.shows(f"endpoint group create {name} {tmp_path}/filters --description 'Of one service'")
    assert made["id"] in admin.column("endpoint group list", "ID")
    admin(f"endpoint group add project {name} {person.name}")
    assert admin.column(f"endpoint group list --project {person.name}", "ID") == [made["id"]]
    assert admin.column(f"endpoint group list --endpointgroup {name}", "ID") == [person.project_id]
    admin(f"endpoint group remove project {name} {person.name}")
    admin(f"endpoint group set {name} --name {name}x --description changed")
    assert admin.shows(f"endpoint group show {name}x")["description"] == "changed"
    admin(f"endpoint group delete {name}x")
    admin(f"endpoint delete {endpoint}")
    admin(f"service delete {name}")


def test_the_catalogue_holds_identity(person: Person, auth_url: str) -> None:
    assert "identity" in person.says.column("catalog list", "Type")
    assert auth_url.removesuffix("/v3") in json.dumps(person.says.shows("catalog show identity"))
    versions = person.says.shows("versions show --service identity")
    assert [(each["Version"], each["Status"]) for each in versions] == [("2.0", "DEPRECATED"), ("3.14", "CURRENT")]


def test_a_token_is_issued_used_and_revoked(admin: Openstack, person: Person, auth_url: str) -> None:
    issued = person.says.shows("token issue")
    assert (issued["project_id"], issued["user_id"]) == (person.project_id, person.user_id)
    where = {"auth_type": "v3token", "auth_url": auth_url, "identity_api_version": "3", "project_id": person.project_id}
    bearer = admin.who(**where, token=issued["id"])
    assert bearer.column("catalog list", "Type")
    admin(f"token revoke {issued['id']}")
    assert "Could not find token" in bearer.is_refused("catalog list")


@pytest.mark.parametrize("command", ["user list", "project create web", "domain list", "service list"])
def test_who_may_not_is_told_which_rule_says_so(person: Person, command: str) -> None:
    assert "403" in (said := person.says.is_refused(command))
    assert "identity:" in said
