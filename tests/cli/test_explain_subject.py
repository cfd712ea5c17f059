"""`pileus explain server|volume`: what was done with it, and why it failed."""

from __future__ import annotations

import json
import re
from typing import Any

from cli.conftest import Process, Up, pileus
from pileus.cli.explain import done

LINE = {
    "at": "2026-01-01T00:00:01Z",
    "event": "failed",
    "step": "make_disks",
    "took_ms": 12.4,
    "note": "no space is left",
}
OPERATION = {
    "created_at": "2026-01-01T00:00:00Z",
    "saga": "compute.create_server@1",
    "state": "undone",
    "request_id": "req-1",
    "cause": "no space is left",
    "log": [LINE, {**LINE, "event": "undone", "took_ms": 0.0, "note": None}],
}


def test_each_step_has_its_time_and_its_cause() -> None:
    assert list(done("x", [OPERATION])) == [
        "2026-01-01T00:00:00Z  compute.create_server@1  undone  req-1",
        "    because no space is left",
        "    2026-01-01T00:00:01Z  failed     make_disks                   12 ms  no space is left",
        "    2026-01-01T00:00:01Z  undone     make_disks",
    ]


def test_what_nobody_knows_of_is_said_to_be_forgotten() -> None:
    assert "no operation is known" in next(iter(done("x", [])))


def explained(cloud: Process, kind: str, id_: str) -> list[str]:
    """What it prints, once nothing is being done with it any more: each question takes a while by itself."""
    for _ in range(100):
        found = json.loads(explain(cloud, kind, id_, "--json"))
        if found and all(each["ended_at"] for each in found):
            return explain(cloud, kind, id_).splitlines()
    raise AssertionError(f"it does not end: {found}")


def explain(cloud: Process, kind: str, id_: str, *more: str) -> str:
    said = pileus("explain", kind, id_, "--state", cloud.state, *more)
    assert (said.returncode, said.stderr) == (0, ""), said
    return said.stdout


def asked(cloud: Process, path: str, **body: Any) -> Any:
    answer = cloud.ask("POST", path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def line(said: list[str], event: str, step: str) -> str:
    """What that step said at that event, without how long it took."""
    (found,) = [each for each in said if each.split()[1:3] == [event, step]]
    return re.sub(r"^\d+ ms ", "", " ".join(found.split()[3:]))


def test_a_failed_server_and_a_failed_volume_say_at_which_step_and_why(up: Up) -> None:
    cloud = up()
    image = {"name": "i", "disk_format": "raw", "container_format": "bare"}
    image_id = cloud.ask("POST", "/image/v2/images", json=image).json()["id"]
    octets = {"content-type": "application/octet-stream"}
    assert cloud.ask("PUT", f"/image/v2/images/{image_id}/file", content=b"\0", headers=octets).status_code == 204
    server = {"name": "x", "flavorRef": "42", "imageRef": image_id}

    good = asked(cloud, "/compute/v2.1/servers", server=server)["server"]["id"]
    assert line(explained(cloud, "server", good), "done", "claim_host") == "h1 is the best of 1: 100% free"

    out = {"host": "h1", "binary": "nova-compute", "disabled_reason": "its disk is old"}
    assert cloud.ask("PUT", "/compute/v2.1/os-services/disable-log-reason", json=out).status_code == 200
    bad = asked(cloud, "/compute/v2.1/servers", server=server)["server"]["id"]
    said = explained(cloud, "server", bad)
    assert said[0].split()[1:3] == ["compute.create_server@1", "undone"]
    assert said[1].startswith("    because No valid host was found. Of 1 host ComputeFilter took 1 (taken out of use).")
    assert line(said, "failed", "claim_host").startswith("No valid host was found.")
    assert line(said, "facts", "claim_host") == "ComputeFilter: h1 (taken out of use: its disk is old)"

    out = {"host": "h1", "binary": "cinder-volume"}
    assert cloud.ask("PUT", "/volume/v3/os-services/disable", json=out).status_code == 200
    volume = asked(cloud, "/volume/v3/volumes", volume={"size": 1})["volume"]["id"]
    said = explained(cloud, "volume", volume)
    cause = "No host can hold the volume (1 host: is disabled)."
    assert said[0].split()[1:3] == ["volume.create_volume@1", "undone"]
    assert said[1] == f"    because {cause}"
    assert line(said, "failed", "place") == cause
    assert line(said, "facts", "place") == "hosts: h1 (is disabled)"
