"""`pileus explain policy`."""

from __future__ import annotations

import json

import pytest

from cli.conftest import Process, Up, pileus


@pytest.fixture
def cloud(up: Up) -> Process:
    """One with a user ada who is a reader of the project web, and of the system."""
    cloud = up()
    project = cloud.ask("POST", "/identity/v3/projects", json={"project": {"name": "web"}}).json()["project"]["id"]
    user = cloud.ask("POST", "/identity/v3/users", json={"user": {"name": "ada"}}).json()["user"]["id"]
    role = cloud.ask("GET", "/identity/v3/roles?name=reader").json()["roles"][0]["id"]
    for place in (f"projects/{project}", "system"):
        assert cloud.ask("PUT", f"/identity/v3/{place}/users/{user}/roles/{role}").status_code == 204
    return cloud


def explained(cloud: Process, *words: str) -> str:
    done = pileus("explain", "policy", *words, "--state", cloud.state)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_a_question_is_answered_part_by_part(cloud: Process) -> None:
    said = explained(cloud, "identity:create_region", "--user", "ada", "--project", "web").splitlines()
    assert said[0] == "no: identity/identity:create_region"
    assert said[1].startswith("  who       ada, in project ")
    assert said[1].endswith(", with reader")
    assert said[2].startswith("  for       POST /v3/regions, ")
    assert said[3] == "  would do  the role admin there"
    assert said[5].startswith("no   rule:admin_required: is identity/admin_required")


def test_scopes_and_targets(cloud: Process) -> None:
    of_system = explained(cloud, "identity:list_users", "--user", "ada", "--system")
    assert of_system.startswith("yes: identity/identity:list_users\n  who       ada, in the system, with reader\n")
    open_ = explained(cloud, "identity:get_user", "--user", "ada", "--project", "web").splitlines()
    assert open_[0] == "it depends on the target: identity/identity:get_user"
    assert any("--target target.user.id=..." in line for line in open_)
    user_id = json.loads(explained(cloud, "identity:get_user", "--user", "ada", "--json"))["caller"]["user_id"]
    target = ("--target", f"target.user.id={user_id}")
    assert explained(cloud, "identity:get_user", "--user", "ada", "--project", "web", *target).startswith("yes: ")
    unscoped = explained(cloud, "identity:create_region", "--user", "ada").splitlines()
    assert unscoped[1] == "  who       ada, in no scope, with no role"
    nowhere = explained(cloud, "identity:create_region", "--user", "ada", "--domain", "Default")
    assert nowhere.startswith("no: identity/identity:create_region\n  for ")
    mine = explained(cloud, "identity:create_region")
    assert mine.startswith("yes: ")


def test_what_cannot_be_explained(up: Up) -> None:
    state = up().state
    for words, cause in (
        (["identity:create_regoin"], "404 There is no policy rule 'identity:create_regoin'; did you mean"),
        (["identity:get_user", "--user", "nobody"], "404 Could not find user: nobody."),
        (["identity:get_user", "--project", "web"], "add --user NAME"),
        (["identity:get_user", "--target", "x"], "say NAME=VALUE"),
    ):
        done = pileus("explain", "policy", *words, "--state", state)
        assert (done.returncode, cause in done.stderr) == (1, True), done.stderr
