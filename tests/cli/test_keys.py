"""`pileus keys`, on a cloud that runs: as an operator types it."""

from __future__ import annotations

import json
import signal

import httpx

from cli.conftest import Up, pileus


def test_keys_are_listed_and_rotated_and_a_token_outlives_both_a_rotation_and_a_kill(up: Up) -> None:
    cloud = up()
    token = cloud.token()
    before = pileus("keys", "list", "--state", cloud.state)
    assert before.returncode == 0
    assert [line.split()[1] for line in before.stdout.splitlines()] == ["state", "staged", "primary"]
    done = pileus("keys", "rotate", "--json", "--state", cloud.state)
    assert [key["state"] for key in json.loads(done.stdout)] == ["staged", "primary", "secondary"]
    cloud.stop(signal.SIGKILL)
    again = up()
    answer = httpx.get(f"{again.url}/identity/v3/auth/projects", headers={"x-auth-token": token})
    assert answer.status_code == 200
    early = pileus("keys", "rotate", "--state", again.state)
    assert (early.returncode, "identity.fernet_keys" in early.stderr) == (1, True)
    assert "Traceback" not in early.stderr
