"""`pileus up`: a cloud by one command, and what its users and its operator find."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.conftest import Process, Up, environment, pileus

OPENSTACK = Path(sys.executable).with_name("openstack")


def openstack(config: Path, *arguments: str) -> object:
    done = subprocess.run(
        [OPENSTACK, *arguments, "-f", "json"],
        capture_output=True,
        text=True,
        env=environment(OS_CLIENT_CONFIG_FILE=str(config), OS_CLOUD="pileus"),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_stock_client_needs_the_written_clouds_yaml_alone(launch: Up) -> None:
    cloud = launch("up", "--simulate", "--ephemeral", "--listen", "127.0.0.1:0")
    config = cloud.state / "clouds.yaml"
    token = openstack(config, "token", "issue")
    assert isinstance(token, dict)
    assert token["id"].startswith("gAAAAA")
    catalog = openstack(config, "catalog", "list")
    offered = {(entry["Name"], entry["Type"]) for entry in catalog}
    assert {("keystone", "identity"), ("nova", "compute"), ("neutron", "network"), ("glance", "image")} <= offered
    urls = {endpoint["url"] for entry in catalog for endpoint in entry["Endpoints"]}
    assert {f"{cloud.url}/identity", f"{cloud.url}/placement", f"{cloud.url}/compute/v2.1"} <= urls
    assert cloud.stop() == 0
    assert not cloud.state.exists()


def test_the_three_lines_say_what_to_do_next(up: Up, tmp_path: Path) -> None:
    cloud = up()
    state = tmp_path / "cloud"
    pid = cloud.popen.pid
    assert cloud.said == [
        f"Pileus serves {cloud.url} (pid {pid}); stop it with Ctrl-C or `kill {pid}`; its log is {state}/pileus.log\n",
        f"  export OS_CLIENT_CONFIG_FILE={state}/clouds.yaml OS_CLOUD=pileus\n",
        "  openstack token issue\n",
    ]
    assert (state / "run" / "api.pid").read_text() == f"{pid}\n"
    assert httpx.get(f"{cloud.url}/identity/v3").status_code == 200


def test_the_state_is_private(up: Up, tmp_path: Path) -> None:
    cloud = up("--tls")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [cloud.state, *cloud.state.rglob("*")]}
    assert modes[tmp_path / "cloud"] == 0o700
    assert {path for path, mode in modes.items() if mode & 0o077 and path.suffix != ".pem"} == set()
    for name in ("site.key", "admin.password", "clouds.yaml", "openrc", "pileus.log", "ca/ca.key"):
        assert modes[tmp_path / "cloud" / name] == 0o600


def test_openrc_is_for_a_shell(up: Up) -> None:
    cloud = up()
    script = f". {cloud.state}/openrc; echo $OS_AUTH_URL $OS_USERNAME $OS_PASSWORD"
    said = subprocess.run(["sh", "-euc", script.replace("-u", "")], capture_output=True, text=True, check=True).stdout
    password = (cloud.state / "admin.password").read_text().strip()
    assert said == f"{cloud.url}/identity admin {password}\n"


def test_each_new_cloud_has_a_password_of_its_own(up: Up, tmp_path: Path) -> None:
    """Drawn at random, at least 128 bits of it; a restart keeps it."""
    drawn = []
    for name in ("one", "two", "two"):
        cloud = up(state=tmp_path / name)
        drawn.append((cloud.state / "admin.password").read_text().strip())
        assert cloud.token()
        assert cloud.stop() == 0
    one, two, again = drawn
    assert one != two == again
    assert min(len(one), len(two)) >= 22


def test_a_second_up_says_who_runs(up: Up) -> None:
    first = up()
    second = pileus("up", "--simulate", "--listen", "127.0.0.1:0", "--state", first.state)
    assert second.returncode == 1
    assert f"already runs on {first.state} (pid {first.popen.pid})" in second.stderr
    assert httpx.get(f"{first.url}/identity/v3").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(up: Up, number: int) -> None:
    cloud = up()
    assert cloud.stop(number) == 0
    assert list((cloud.state / "run").iterdir()) == []
    assert "Stopping." in (cloud.state / "pileus.log").read_text()
    assert "Traceback" not in (cloud.state / "pileus.log").read_text()


def test_after_kill_9_it_starts_where_it_was(up: Up) -> None:
    first = up()
    made = first.ask("POST", "/identity/v3/projects", json={"project": {"name": "kept"}})
    assert made.status_code == 201
    token = first.token()
    first.stop(signal.SIGKILL)
    second = up()
    found = httpx.get(f"{second.url}/identity/v3/projects?name=kept", headers={"x-auth-token": token})
    assert [project["id"] for project in found.json()["projects"]] == [made.json()["project"]["id"]]


def test_tls_with_the_clouds_own_certificate(up: Up) -> None:
    cloud = up("--tls")
    assert cloud.url.startswith("https://127.0.0.1:")
    trusted = ssl.create_default_context(cafile=cloud.state / "ca" / "ca.pem")
    assert httpx.get(f"{cloud.url}/identity/v3", verify=trusted).status_code == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{cloud.url}/identity/v3")
    assert cloud.token()  # by clouds.yaml, which names the CA
    first = (cloud.state / "ca" / "server.pem").read_bytes()
    assert cloud.stop() == 0
    assert (up("--tls").state / "ca" / "server.pem").read_bytes() == first


def test_a_certificate_of_the_operators(up: Up, tmp_path: Path) -> None:
    up("--tls").stop()
    ca = tmp_path / "cloud" / "ca"
    config = tmp_path / "pileus.toml"
    config.write_text(f'[api]\ntls_certificate = "{ca}/server.pem"\ntls_key = "{ca}/server.key"\n')
    cloud = up("--config", config, state=tmp_path / "other")
    trusted = ssl.create_default_context(cafile=ca / "ca.pem")
    assert httpx.get(f"{cloud.url}/identity/v3", verify=trusted).status_code == 200
    assert "cacert" not in (cloud.state / "clouds.yaml").read_text()


def test_certificate_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    config = tmp_path / "pileus.toml"
    config.write_text('[api]\ntls_certificate = "/nonexistent.pem"\ntls_key = "/nonexistent.key"\n')
    done = pileus("up", "--simulate", "--state", tmp_path / "cloud", "--config", config)
    assert (done.returncode, done.stdout) == (1, "")
    assert "TLS" in done.stderr


def made_with(cloud: Process, name: str) -> list[Any]:
    """What a client sees of a project and a user of this name: everything but the address."""
    project = cloud.ask("POST", "/identity/v3/projects", json={"project": {"name": name}}).json()["project"]
    user = cloud.ask("POST", "/identity/v3/users", json={"user": {"name": name}}).json()["user"]
    token = cloud.token()
    asked = {"x-auth-token": token, "x-subject-token": token}
    shown = httpx.get(f"{cloud.url}/identity/v3/auth/tokens", headers=asked)
    del project["links"], user["links"]
    return [project, user, shown.headers["x-openstack-request-id"], shown.json()["token"]["issued_at"]]


def test_the_same_seed_gives_the_same_ids_and_times(up: Up, tmp_path: Path) -> None:
    one, other = (up("--seed", "7", state=tmp_path / name) for name in ("one", "other"))
    made = made_with(one, "x")
    assert made == made_with(other, "x")
    third = up("--seed", "8", state=tmp_path / "third")
    assert made_with(third, "x")[0]["id"] != made[0]["id"]


def booted(cloud: Process, *, looks: int) -> list[Any]:
    """What a client sees of a server that a worker has built, of its port and of the work, if it looks so often meanwhile;
    times in seconds."""
    headers = {"x-auth-token": cloud.token(), "openstack-api-version": "compute 2.100"}
    with httpx.Client(base_url=cloud.url, headers=headers, timeout=30) as client:

        def made(path: str, kind: str, **facts: Any) -> dict[str, Any]:
            answer = client.post(path, json={kind: facts} if kind else facts)
            assert answer.is_success, answer.text
            thing: dict[str, Any] = answer.json()[kind] if kind else answer.json()
            return thing

        network = made("/network/v2.0/networks", "network", name="n")
        made("/network/v2.0/subnets", "subnet", network_id=network["id"], cidr="192.0.2.0/24", ip_version=4)
        image = made("/image/v2/images", "", name="i", disk_format="raw", container_format="bare")
        octets = {"content-type": "application/octet-stream"}
        client.put(f"/image/v2/images/{image['id']}/file", content=bytes(512), headers=octets).raise_for_status()
        wanted = {"name": "s", "flavorRef": "42", "imageRef": image["id"], "networks": [{"uuid": network["id"]}]}
        server_id = made("/compute/v2.1/servers", "server", **wanted)["id"]
        server = f"/compute/v2.1/servers/{server_id}"
        while client.get(server).json()["server"]["status"] == "BUILD" or looks > 0:
            looks -= 1
        seen = [client.get(server), client.get(f"/network/v2.0/ports?device_id={server_id}")]
        seen.append(client.get(f"/pileus/v1/operations?subject_id={server_id}"))
        later = made("/network/v2.0/networks", "network", name="later")
    text = json.dumps([*(each.json() for each in seen), later])
    return [re.sub(r"(?<=:\d\d)\.\d+", "", text.replace(cloud.url, ""))]


def test_the_same_seed_builds_the_same_server_however_often_somebody_looks(up: Up, tmp_path: Path) -> None:
    one, other = (up("--seed", "7", state=tmp_path / name) for name in ("one", "other"))
    assert booted(one, looks=0) == booted(other, looks=20)


def test_a_seeded_cloud_that_is_started_again_gives_no_id_twice(up: Up) -> None:
    first = up("--seed", "7")
    before = made_with(first, "x")
    first.stop(signal.SIGKILL)
    after = made_with(up("--seed", "7"), "y")
    assert before[0]["id"] != after[0]["id"]


def test_a_seed_is_for_simulated_clouds(tmp_path: Path) -> None:
    done = pileus("up", "--seed", "7", "--state", tmp_path / "cloud")
    assert (done.returncode, done.stderr) == (1, "pileus: --seed is for simulated clouds: add --simulate\n")


def test_ephemeral_clears_a_named_state_that_a_kill_left_and_no_other(launch: Up, tmp_path: Path) -> None:
    state = tmp_path / "gone"
    arguments = ("up", "--simulate", "--ephemeral", "--listen", "127.0.0.1:0", "--state", state)
    launch(*arguments).stop(signal.SIGKILL)
    assert (state / "pileus.sqlite").exists()
    (state / "mine").mkdir()
    assert launch(*arguments).stop() == 0
    assert not state.exists()
    state.mkdir()
    (state / "precious").touch()
    refused = pileus(*arguments)
    assert refused.returncode == 1
    assert "holds something already" in refused.stderr
    assert (state / "precious").exists()


def test_a_state_that_others_may_look_into_is_refused(tmp_path: Path) -> None:
    tmp_path.joinpath("cloud").mkdir(mode=0o755)
    tmp_path.joinpath("cloud", "something").touch()
    done = pileus("up", "--simulate", "--state", tmp_path / "cloud")
    assert done.returncode == 1
    assert f"chmod 700 {tmp_path}/cloud" in done.stderr


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = pileus("up", "--simulate", "--state", tmp_path / "cloud", "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stderr == (
        f"pileus: cannot listen on 127.0.0.1:{port}: another program listens there; name another address by --listen\n"
    )


def test_a_wrong_option_is_said_before_anything_is_made(tmp_path: Path) -> None:
    config = tmp_path / "pileus.toml"
    config.write_text("[api]\nlisen = 1\n")
    done = pileus("up", "--state", tmp_path / "cloud", "--config", config)
    assert (done.returncode, done.stderr) == (
        1,
        f"pileus: {config}: unknown option api.lisen; did you mean api.listen?\n",
    )
    assert not (tmp_path / "cloud").exists()


def test_a_database_of_something_else_is_refused(up: Up, tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "cloud").mkdir(mode=0o700)
    with sqlite3.connect(tmp_path / "cloud" / "pileus.sqlite") as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    done = pileus("up", "--simulate", "--state", tmp_path / "cloud", "--listen", "127.0.0.1:0")
    assert done.returncode == 1
    assert "no schema of Pileus" in done.stderr


def test_it_listens_on_a_classic_port(up: Up) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 5000))
        except OSError:
            pytest.fail("this test needs port 5000 of 127.0.0.1")
    cloud = up("--classic-ports")
    found = httpx.get("http://127.0.0.1:5000/v3").json()["version"]
    assert found["links"] == [{"rel": "self", "href": "http://127.0.0.1:5000/v3/"}]
    assert httpx.get(f"{cloud.url}/identity/v3").json()["version"]["id"] == found["id"]
    assert httpx.get("http://127.0.0.1:35357/v3").json()["version"]["id"] == found["id"]
    assert httpx.get("http://127.0.0.1:8778/").json()["versions"][0]["max_version"] == "1.39"
    assert httpx.get("http://127.0.0.1:8774/").json()["versions"][-1]["id"] == "v2.1"
    for port in (8776, 9292, 9696):
        assert httpx.get(f"http://127.0.0.1:{port}/").json()["versions"]
    for port in (8080, 8775):  # of services that are not there yet
        assert "identity" in httpx.get(f"http://127.0.0.1:{port}/").text


def test_hosts_are_simulated(up: Up) -> None:
    cloud = up("--simulate-hosts", "3")
    listed = json.loads(pileus("host", "list", "--json", "--state", cloud.state).stdout)
    assert [host["name"] for host in listed] == ["h1", "h2", "h3"]


def test_metrics_are_for_this_machine_and_for_administrators(up: Up) -> None:
    cloud = up()
    here = httpx.get(f"{cloud.url}/metrics")
    assert here.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "pileus_requests_total" in here.text
    proxied = {"x-forwarded-for": "192.0.2.1"}
    assert httpx.get(f"{cloud.url}/metrics", headers=proxied).status_code == 401
    asked = {**proxied, "x-auth-token": cloud.token()}
    assert httpx.get(f"{cloud.url}/metrics", headers=asked).status_code == 200


def test_metrics_are_for_all_if_the_operator_says_so(up: Up, tmp_path: Path) -> None:
    (tmp_path / "pileus.toml").write_text("[metrics]\npublic = true\n")
    cloud = up("--config", tmp_path / "pileus.toml")
    assert httpx.get(f"{cloud.url}/metrics", headers={"via": "1.1 proxy"}).status_code == 200


def test_no_secret_is_in_the_log(up: Up, tmp_path: Path) -> None:
    (tmp_path / "pileus.toml").write_text('[log]\nlevel = "debug"\nformat = "json"\n')
    cloud = up("--config", tmp_path / "pileus.toml")
    token = cloud.token()
    cloud.ask("GET", f"/identity/v3/users?password=hunter2&token={token}")
    cloud.stop()
    lines = (cloud.state / "pileus.log").read_text().splitlines()
    assert any(json.loads(line).get("request_id", "").startswith("req-") for line in lines)
    whole = "\n".join(lines)
    for secret in (token, "hunter2", (cloud.state / "admin.password").read_text().strip()):
        assert secret not in whole


def test_help_is_quick() -> None:
    """No database driver, no HTTP library: only then is it fast."""
    program = (
        "import sys; from pileus.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sorted(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = set(re.split(r"\s+", said))
    assert not loaded & {"sqlalchemy", "asyncio", "uvloop", "httpx", "cryptography", "prometheus_client", "yaml"}


def test_the_process_is_small(up: Up) -> None:
    cloud = up()
    text = Path(f"/proc/{cloud.popen.pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.M)
    assert found
    assert int(found[1]) < 120 * 1024


def test_a_folded_pipe_is_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [Path(sys.executable).with_name("pileus"), "config", "show"], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
