"""`pileus verify`."""

from __future__ import annotations

import contextlib
import json
import sqlite3

from cli.conftest import Up, pileus


def test_a_new_cloud_is_clean_and_says_what_was_looked_at(up: Up) -> None:
    cloud = up()
    done = pileus("verify", "--state", cloud.state)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" checks, 0 differences\n")
    report = json.loads(pileus("verify", "kernel.operations", "--state", cloud.state, "--json").stdout)
    assert report == {"clean": True, "checks": ["kernel.operations"], "differences": [], "unseen": {}}
    wrong = pileus("verify", "kernel.nothing", "--state", cloud.state)
    assert wrong.returncode != 0
    assert "There is no check 'kernel.nothing'" in wrong.stderr


def test_what_differs_is_told_and_fails(up: Up) -> None:
    cloud = up()
    owed = "INSERT INTO host_debt VALUES ('{0}', 'h1', 'hypervisor', 'ensure_gone', '{0}', 1, '{0}', 1.0, NULL)"
    with contextlib.closing(sqlite3.connect(cloud.state / "pileus.sqlite", isolation_level=None)) as rows:
        rows.execute(owed.format("0" * 32))
    done = pileus("verify", "--state", cloud.state)
    assert done.returncode == 1
    assert "h1 is up and still owes hypervisor.ensure_gone.\n" in done.stdout
