"""openstacksdk: connected by the environment, by clouds.yaml, by a credential; the proxies and the cloud layer."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import openstack
import pytest
from openstack.connection import Connection
from openstack.exceptions import ConflictException, ForbiddenException, NotFoundException, SDKException

from cli.conftest import Process, environment
from clients.conftest import PASSWORD, Person
from support.sdk import ITS_OWN_WARNINGS, connected

pytestmark = ITS_OWN_WARNINGS

FROM_ENVVARS = """
import json, openstack
cloud = openstack.connect()
print(json.dumps([cloud.current_project.name, sorted(role.name for role in cloud.identity.roles())]))
"""


def test_the_environment_is_enough(cloud: Process) -> None:
    """What `. openrc` sets."""
    lines = (cloud.state / "openrc").read_text().splitlines()
    sourced = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    command = [sys.executable, "-W", "ignore", "-c", FROM_ENVVARS]
    done = subprocess.run(command, env=environment(**sourced), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    project, roles = json.loads(done.stdout)
    assert (project, {"admin", "reader"} <= set(roles)) == ("admin", True)


def test_the_file_is_enough(cloud: Process) -> None:
    config = openstack.config.OpenStackConfig(config_files=[str(cloud.state / "clouds.yaml")], load_envvars=False)
    with Connection(config=config.get_one("pileus")) as found:
        assert found.current_project.name == "admin"
        assert found.identity.get_endpoint_data().api_version == (3, 14)


def test_things_are_made_changed_found_and_deleted(sdk: Connection, name: str) -> None:
    identity = sdk.identity
    project = identity.create_project(name=name, description="Of the web")
    user = identity.create_user(name=name, password=PASSWORD, default_project_id=project.id)
    group = identity.create_group(name=name)
    assert identity.update_project(project, description="changed").description == "changed"
    assert identity.find_user(name).id == user.id
    assert [each.id for each in identity.projects(name=name)] == [project.id]
    role = identity.find_role("member")
    identity.assign_project_role_to_user(project, user, role)
    assert identity.validate_user_has_project_role(project, user, role)
    assert [each.role["id"] for each in identity.role_assignments(user_id=user.id)] == [role.id]
    assert [each.id for each in identity.user_projects(user)] == [project.id]
    identity.unassign_project_role_from_user(project, user, role)
    identity.add_user_to_group(user, group)
    assert identity.check_user_in_group(user, group)
    for delete, each in (
        (identity.delete_group, group),
        (identity.delete_user, user),
        (identity.delete_project, project),
    ):
        delete(each, ignore_missing=False)
    with pytest.raises(NotFoundException):
        identity.get_project(project.id)


def test_the_cloud_layer(sdk: Connection, name: str) -> None:
    project = sdk.create_project(name=name, domain_id="default")
    user = sdk.create_user(name=name, password=PASSWORD, domain_id="default", default_project=project.id)
    assert sdk.grant_role("member", user=name, project=name)
    assert sdk.list_role_assignments(filters={"user": user.id, "project": project.id})
    assert sdk.revoke_role("member", user=name, project=name)
    assert [each.id for each in sdk.search_users(name)] == [user.id]
    assert sdk.delete_user(name)
    assert sdk.delete_project(name)


def test_a_list_goes_on_over_its_pages(sdk: Connection, name: str) -> None:
    domain = sdk.identity.create_domain(name=name)
    made = sorted(sdk.identity.create_user(name=f"{name}-{n}", domain_id=domain.id).id for n in range(5))
    assert [each.id for each in sdk.identity.users(limit=2, domain_id=domain.id)] == made


def test_errors_are_the_ones_that_programs_look_for(
    sdk: Connection, mine: Connection, person: Person, auth_url: str
) -> None:
    with pytest.raises(ConflictException) as conflict:
        sdk.identity.create_project(name=person.name)
    assert conflict.value.request_id.startswith("req-")
    with pytest.raises(ForbiddenException, match="identity:create_user"):
        mine.identity.create_user(name="x")
    with pytest.raises(SDKException, match="HTTP 401"):
        connected(auth_url, username=person.name, password="wrong", project_name=person.name).authorize()


def test_an_application_credential_connects(mine: Connection, person: Person, auth_url: str, name: str) -> None:
    made: Any = mine.identity.create_application_credential(user=person.user_id, name=name)
    known = {"application_credential_id": made.id, "application_credential_secret": made.secret}
    script = connected(auth_url, **known)
    assert (script.current_user_id, script.current_project_id) == (person.user_id, person.project_id)
    mine.identity.delete_application_credential(person.user_id, made.id)


def test_a_token_that_was_refused_is_renewed(mine: Connection, person: Person, sdk: Connection, auth_url: str) -> None:
    """The client logs in again by itself after a 401."""
    first = mine.auth_token
    sdk.session.delete(f"{auth_url}/auth/tokens", headers={"X-Subject-Token": first})
    assert [each.name for each in mine.identity.user_projects(person.user_id)] == [person.name]
    assert mine.auth_token != first
