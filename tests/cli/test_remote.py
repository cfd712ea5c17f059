"""Commands that ask a running cloud: operations, checkpoints, reset."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from uuid import uuid4

import httpx

from cli.conftest import Process, Up, pileus


def project_names(cloud: Process) -> set[str]:
    return {project["name"] for project in cloud.ask("GET", "/identity/v3/projects").json()["projects"]}


def add_project(cloud: Process, name: str) -> None:
    assert cloud.ask("POST", "/identity/v3/projects", json={"project": {"name": name}}).status_code == 201


def test_a_cloud_without_operations_has_an_empty_list(up: Up) -> None:
    cloud = up()
    done = pileus("op", "list", "--in", "parked", "--state", cloud.state)
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["id", "saga"])
    assert pileus("op", "list", "--in", "parked", "--json", "--state", cloud.state).stdout == "[]\n"


def test_an_unknown_operation_is_said_in_the_clouds_words(up: Up) -> None:
    cloud, unknown = up(), str(uuid4())
    for command in ("show", "retry", "cancel"):
        done = pileus("op", command, unknown, "--state", cloud.state)
        assert (done.returncode, done.stderr) == (1, f"pileus: 404 Operation {unknown} could not be found.\n"), command


def test_the_account_comes_from_the_environment_as_clients_read_it(up: Up) -> None:
    cloud = up("--tls")
    by_file = {"OS_CLIENT_CONFIG_FILE": str(cloud.state / "clouds.yaml"), "OS_CLOUD": "pileus"}
    lines = (cloud.state / "openrc").read_text().splitlines()
    by_openrc = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    assert pileus("op", "list", **by_file).returncode == 0
    done = pileus("op", "list", **by_openrc)
    assert done.returncode == 0, done.stderr


def test_what_keeps_one_from_asking_is_said(up: Up, tmp_path: Path) -> None:
    done = pileus("op", "list", "--state", tmp_path / "none")
    assert done.returncode == 1
    assert f"no cloud to ask: {tmp_path}/none/clouds.yaml" in done.stderr
    cloud = up()
    wrong = re.sub("password: .*", "password: wrong", (cloud.state / "clouds.yaml").read_text())
    (tmp_path / "clouds.yaml").write_text(wrong)
    done = pileus("op", "list", OS_CLIENT_CONFIG_FILE=str(tmp_path / "clouds.yaml"))
    assert (done.returncode, done.stderr[:12]) == (1, "pileus: 401 ")
    done = pileus("op", "list", OS_CLIENT_CONFIG_FILE=str(tmp_path / "clouds.yaml"), OS_CLOUD="other")
    assert "does not describe a cloud 'other'" in done.stderr
    cloud.stop()
    done = pileus("op", "list", "--state", cloud.state)
    assert f"the cloud at {cloud.url}/identity/v3/auth/tokens does not answer" in done.stderr


def test_a_cloud_goes_back_to_a_checkpoint_and_to_its_beginning(up: Up) -> None:
    cloud = up()
    at_first = project_names(cloud)
    add_project(cloud, "early")
    saved = pileus("checkpoint", "save", "one", "--state", cloud.state)
    assert saved.returncode == 0, saved.stderr
    add_project(cloud, "late")
    assert project_names(cloud) == at_first | {"early", "late"}
    assert pileus("reset", "one", "--state", cloud.state).returncode == 0
    assert project_names(cloud) == at_first | {"early"}
    listed = json.loads(pileus("checkpoint", "list", "--json", "--state", cloud.state).stdout)
    assert [checkpoint["name"] for checkpoint in listed] == ["first", "one"]
    assert pileus("reset", "--state", cloud.state).returncode == 0
    assert project_names(cloud) == at_first
    assert pileus("reset", "one", "--state", cloud.state).returncode == 0
    assert project_names(cloud) == at_first | {"early"}


def test_a_checkpoint_holds_what_the_simulated_hosts_hold(up: Up) -> None:
    cloud = up()
    domains = cloud.state / "hosts" / "h1" / "domains"
    domains.mkdir(parents=True)
    (domains / "kept.json").write_text("{}")
    assert cloud.ask("POST", "/pileus/v1/checkpoints", json={"checkpoint": {"name": "one"}}).status_code == 201
    (domains / "kept.json").unlink()
    (domains / "late.json").write_text("{}")
    assert cloud.ask("POST", "/pileus/v1/checkpoints/one/action", json={"restore": None}).status_code == 204
    assert [path.name for path in domains.iterdir()] == ["kept.json"]


def test_a_name_that_is_taken_or_none_is_refused(up: Up) -> None:
    cloud = up()
    for name, status in {"first": 409, "one two": 400, "../x": 400, "": 400, "a" * 64: 400, ".a": 400}.items():
        refused = cloud.ask("POST", "/pileus/v1/checkpoints", json={"checkpoint": {"name": name}})
        assert (name, refused.status_code) == (name, status)
        assert [path.name for path in (cloud.state / "checkpoints").iterdir()] == ["first"]


def test_an_unknown_checkpoint_and_one_of_another_release_are_refused(up: Up) -> None:
    cloud = up()
    for name in ("none", "..", "a/b"):
        assert cloud.ask("POST", "/pileus/v1/reset", json={"reset": {"name": name}}).status_code == 404
    about = cloud.state / "checkpoints" / "first" / "about.json"
    about.write_text(about.read_text().replace('"tables":{', '"tables":{"older":["id"],'))
    refused = cloud.ask("POST", "/pileus/v1/reset", json={"reset": {}})
    assert (refused.status_code, "another release" in refused.text) == (409, True)


def test_only_administrators_reset(up: Up) -> None:
    cloud = up()
    assert httpx.post(f"{cloud.url}/pileus/v1/reset", json={"reset": {}}).status_code == 401


def test_a_start_finishes_what_a_kill_interrupted(up: Up) -> None:
    cloud = up()
    at_first = project_names(cloud)
    add_project(cloud, "late")
    (cloud.state / "restoring").write_text("first")  # as far as a reset had come
    cloud.stop(signal.SIGKILL)
    again = up()
    assert project_names(again) == at_first
    assert not (again.state / "restoring").exists()


def test_a_cloud_with_real_hosts_has_no_checkpoints(launch: Up, tmp_path: Path) -> None:
    cloud = launch("up", "--no-agent", "--listen", "127.0.0.1:0", "--state", tmp_path / "cloud")
    done = pileus("checkpoint", "save", "one", "--state", cloud.state)
    assert done.returncode == 1
    assert "409 This cloud is not simulated" in done.stderr


def test_a_fault_that_is_no_pair_is_said_before_anybody_is_asked(tmp_path: Path) -> None:
    done = pileus("fault", "add", "service=compute", "broken", "--state", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("pileus: broken: a fault is said in words like status=503")
