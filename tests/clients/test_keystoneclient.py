"""python-keystoneclient, which older programs and Keystone's own middleware are written with."""

from __future__ import annotations

import pytest
from keystoneauth1 import session as sessions
from keystoneauth1.exceptions import NotFound
from keystoneauth1.identity import v3
from keystoneclient.v3 import client

from clients.conftest import PASSWORD, Person


@pytest.fixture
def keystone(auth_url: str, password: str) -> client.Client:
    """The administrator's."""
    known = {"username": "admin", "password": password, "project_name": "admin"}
    auth = v3.Password(auth_url, user_domain_id="default", project_domain_id="default", **known)
    return client.Client(session=sessions.Session(auth))


def test_things_are_made_changed_listed_and_deleted(keystone: client.Client, name: str) -> None:
    project = keystone.projects.create(name, domain="default", description="Of the web")
    user = keystone.users.create(name, domain="default", password=PASSWORD, default_project=project)
    member = keystone.roles.list(name="member")[0]
    keystone.roles.grant(member, user=user, project=project)
    assert [role.name for role in keystone.roles.list(user=user, project=project)] == ["member"]
    assert [each.id for each in keystone.projects.list(user=user)] == [project.id]
    assert keystone.users.update(user, email="a@example.org").email == "a@example.org"
    assert [each.id for each in keystone.users.list(domain="default", name=name)] == [user.id]
    keystone.roles.revoke(member, user=user, project=project)
    keystone.users.delete(user)
    keystone.projects.delete(project)
    with pytest.raises(NotFound):
        keystone.projects.get(project.id)


def test_tokens_are_validated_and_revoked(keystone: client.Client, person: Person) -> None:
    token = str(person.says.shows("token issue")["id"])
    assert keystone.tokens.validate(token).user_id == person.user_id
    assert keystone.tokens.get_token_data(token)["token"]["project"]["id"] == person.project_id
    keystone.tokens.revoke_token(token)
    with pytest.raises(NotFound):
        keystone.tokens.validate(token)


def test_services_and_endpoints(keystone: client.Client, name: str) -> None:
    service = keystone.services.create(name, type=name)
    endpoint = keystone.endpoints.create(service, "http://127.0.0.1:1", interface="public")
    assert [each.id for each in keystone.endpoints.list(service=service)] == [endpoint.id]
    keystone.endpoints.delete(endpoint)
    keystone.services.delete(service)


def test_keys_for_ec2(keystone: client.Client, person: Person) -> None:
    made = keystone.ec2.create(person.user_id, person.project_id)
    assert [each.access for each in keystone.ec2.list(person.user_id)] == [made.access]
    keystone.ec2.delete(person.user_id, made.access)
