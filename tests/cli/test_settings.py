"""`pileus config show` and `pileus policy check`."""

from __future__ import annotations

import json
from pathlib import Path

from cli.conftest import pileus


def test_each_value_is_shown_with_where_it_comes_from(tmp_path: Path) -> None:
    config = tmp_path / "pileus.toml"
    config.write_text('[api]\nregion = "North"\nlisten = ":80"\n[database]\npassword_file = "/secret/place"\n')
    done = pileus("config", "show", "--json", "--config", config, "--state", "/srv/cloud")
    shown = {row["option"]: row for row in json.loads(done.stdout)}
    assert (shown["api.region"]["value"], shown["api.region"]["from"]) == ("North", str(config))
    assert (shown["state"]["value"], shown["state"]["from"]) == ("/srv/cloud", "command line")
    assert (shown["http.header_bytes"]["value"], shown["http.header_bytes"]["from"]) == (65536, "default")
    assert shown["database.password_file"]["value"] == "/secret/place"
    assert all(row["meaning"] for row in shown.values())


def test_people_get_a_table(tmp_path: Path) -> None:
    done = pileus("config", "show", "--state", "/srv/cloud")
    rows = [line.split()[:3] for line in done.stdout.splitlines()]
    assert ["state", "/srv/cloud", "command"] in rows
    assert ["api.public_url", '""', "default"] in rows
    assert ["api.tls", "false", "default"] in rows


def test_the_default_state_is_the_users_own(tmp_path: Path) -> None:
    done = pileus("config", "show", "--json", XDG_STATE_HOME=str(tmp_path), HOME=str(tmp_path))
    (state,) = (row for row in json.loads(done.stdout) if row["option"] == "state")
    assert state["value"] in ("/var/lib/pileus", f"{tmp_path}/pileus")
    assert state["from"] == "default"


def test_a_wrong_file_is_said(tmp_path: Path) -> None:
    done = pileus("config", "show", "--config", tmp_path / "gone.toml")
    assert (done.returncode, done.stdout) == (1, "")
    assert "gone.toml" in done.stderr


def test_a_policy_file_is_checked(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text('"identity:get_user": "role:admin"\n')
    bad.write_text('"identity:get_user": "role:admin"\n"identity:list_users": "role:admin and"\n')
    done = pileus("policy", "check", good)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = pileus("policy", "check", bad)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{bad}: error: line 2, column ")
    assert "identity:list_users" in done.stdout


def test_a_policy_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = pileus("policy", "check", tmp_path / "gone.yaml")
    assert done.returncode == 1
    assert "cannot be read" in done.stdout
