"""`pileus explain server`, as people read it."""

from __future__ import annotations

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
