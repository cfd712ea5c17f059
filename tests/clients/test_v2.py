"""Scripts from the time of Identity v2.0, and that nobody else gets there."""

from __future__ import annotations

from keystoneauth1 import access
from keystoneauth1 import session as sessions
from keystoneauth1.identity import generic, v2

from clients.conftest import PASSWORD, Person


def test_an_old_script_logs_in_and_sees_its_tenants(person: Person, auth_url: str) -> None:
    old = auth_url.replace("/v3", "/v2.0")
    auth = v2.Password(old, username=person.name, password=PASSWORD, tenant_name=person.name)
    session = sessions.Session(auth)
    assert session.get_project_id() == person.project_id
    tenants = session.get(f"{old}/tenants").json()["tenants"]
    assert [each["id"] for each in tenants] == [person.project_id]


def test_who_names_a_domain_is_led_to_v3_and_who_cannot_to_v2(person: Person, auth_url: str) -> None:
    root, known = auth_url.removesuffix("/v3"), {"username": person.name, "password": PASSWORD}
    domains = {"user_domain_id": "default", "project_domain_id": "default"}
    new = generic.Password(root, **known, **domains, project_name=person.name)
    assert isinstance(new.get_access(sessions.Session()), access.AccessInfoV3)
    old = generic.Password(root, **known, tenant_name=person.name)
    assert isinstance(old.get_access(sessions.Session()), access.AccessInfoV2)
