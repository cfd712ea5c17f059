"""The log of a running cloud at its most talkative: everything one needs to follow a request, and no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cli.conftest import Process, Up

GLOBAL = f"req-{uuid4()}"
SECRETS = {
    "of a login that fails": "wrong-Passw0rd",
    "of a new user": "first-Passw0rd",
    "of a change": "second-Passw0rd",
    "of a refused change": "third-Passw0rd",
    "in a query": "fourth-Passw0rd",
    "in a broken body": "fifth-Passw0rd",
    "for another field": "sixth-Passw0rd",
    "as a token": "gAAAAABseventh-Passw0rd-seventh-Passw0rd",
    "as a key": "eighth-Passw0rd",
}


def login(name: str, password: str) -> dict[str, Any]:
    user = {"name": name, "password": password, "domain": {"id": "default"}}
    return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}


def tell_secrets(cloud: Process) -> list[str]:
    """Say each secret to the cloud where a client might; returns tokens that it gave."""
    url, secret = f"{cloud.url}/identity/v3", SECRETS
    failed = httpx.post(f"{url}/auth/tokens", json=login("admin", secret["of a login that fails"]))
    assert failed.status_code == 401
    new = {"user": {"name": "new", "password": secret["of a new user"]}}
    user = cloud.ask("POST", "/identity/v3/users", json=new).json()["user"]
    change = {"original_password": secret["of a new user"], "password": secret["of a change"]}
    assert httpx.post(f"{url}/users/{user['id']}/password", json={"user": change}).status_code == 204
    change = {"original_password": secret["of a refused change"], "password": secret["of a change"]}
    assert httpx.post(f"{url}/users/{user['id']}/password", json={"user": change}).status_code == 401
    given = httpx.post(f"{url}/auth/tokens", json=login("new", secret["of a change"]))
    assert given.status_code == 201
    cloud.ask("GET", f"/identity/v3/users?password={secret['in a query']}")
    broken = f'{{"auth": {{"password": "{secret["in a broken body"]}'
    assert httpx.post(f"{url}/auth/tokens", content=broken).status_code == 400
    twisted = {"user": {"name": {"password": secret["for another field"]}}}
    assert cloud.ask("POST", "/identity/v3/users", json=twisted).status_code == 400
    headers = {"x-auth-token": secret["as a token"], "idempotency-key": secret["as a key"]}
    assert httpx.get(f"{url}/users", headers=headers).status_code == 401
    return [str(given.headers["x-subject-token"]), cloud.token()]


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_password_and_no_token_is_in_the_log(up: Up, tmp_path: Path, form: str) -> None:
    (tmp_path / "pileus.toml").write_text(f'[log]\nlevel = "debug"\nformat = "{form}"\n')
    cloud = up("--config", tmp_path / "pileus.toml")
    tokens = tell_secrets(cloud)
    cloud.stop()
    whole = (cloud.state / "pileus.log").read_text()
    kept = (cloud.state / "admin.password").read_text().strip()
    assert "/identity/v3/auth/tokens" in whole
    assert [secret for secret in (*SECRETS.values(), *tokens, kept) if secret in whole] == []
    assert cloud.popen.stderr is not None
    assert cloud.popen.stderr.read() == ""


def test_nor_in_any_other_file_of_the_state(up: Up) -> None:
    """But for those that are there to tell the admin's password to its owner."""
    cloud = up()
    tokens = tell_secrets(cloud)
    headers = {"x-auth-token": tokens[1], "idempotency-key": "k"}
    secret = {"user": {"name": "other", "password": SECRETS["as a key"]}}
    assert httpx.post(f"{cloud.url}/identity/v3/users", json=secret, headers=headers).status_code == 201
    kept = (cloud.state / "admin.password").read_text().strip()
    meant = {cloud.state / name for name in ("admin.password", "clouds.yaml", "openrc")}
    found = {
        (path.name, secret)
        for path in cloud.state.rglob("*")
        if path.is_file() and path not in meant
        for secret in (*SECRETS.values(), *tokens, kept)
        if secret.encode() in path.read_bytes()
    }
    assert not found
    assert b"other" in b"".join(path.read_bytes() for path in cloud.state.glob("pileus.sqlite*"))


def test_a_request_is_found_by_its_id_and_by_the_callers(up: Up, tmp_path: Path) -> None:
    (tmp_path / "pileus.toml").write_text('[log]\nformat = "json"\n')
    cloud = up("--config", tmp_path / "pileus.toml")
    answer = httpx.get(f"{cloud.url}/identity/v3", headers={"x-openstack-request-id": GLOBAL})
    own = answer.headers["x-openstack-request-id"]
    cloud.stop()
    events = [json.loads(line) for line in (cloud.state / "pileus.log").read_text().splitlines()]
    [event] = [event for event in events if event.get("request_id") == own]
    assert event["global_request_id"] == GLOBAL
    assert event["facts"]["path"] == "/identity/v3"
    assert event["facts"]["status"] == 200
    assert own != GLOBAL
