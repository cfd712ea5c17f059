"""What is counted, as Prometheus reads it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pileus.kernel.metrics import Metrics


def samples(exposition: bytes) -> dict[tuple[str, ...], float]:
    """Values by name and label values, these in the order of the labels' names."""
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(exposition.decode())
        for sample in family.samples
    }


def test_each_number_is_exposed_under_its_name() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.request("compute", "/v2.1/servers/{server_id}", "GET", 404, 0.003)
    metrics.step("create_server", "claim", "done", 0.01)
    metrics.queue("ready", 7)
    metrics.parked("delete_server")
    metrics.commit()
    seen = samples(metrics.exposition())
    assert seen["pileus_requests_total", "GET", "/v2.1/servers/{server_id}", "compute", "404"] == 2
    assert seen["pileus_request_seconds_count", "compute"] == 2
    assert seen["pileus_request_seconds_bucket", "0.0025", "compute"] == 0
    assert seen["pileus_request_seconds_bucket", "0.005", "compute"] == 2
    assert seen["pileus_operation_steps_total", "done", "create_server", "claim"] == 1
    assert seen["pileus_operation_step_seconds_sum", "create_server"] == 0.01
    assert seen["pileus_operations", "ready"] == 7
    assert seen["pileus_operations_parked_total", "delete_server"] == 1
    assert seen["pileus_database_commits_total",] == 1


def test_two_clouds_in_one_process_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.commit()
    assert samples(other.exposition())["pileus_database_commits_total",] == 0


async def test_a_blocked_loop_is_seen() -> None:
    metrics = Metrics()
    watch = asyncio.create_task(metrics.watch_loop(tick_s=0.001))
    await asyncio.sleep(0)
    until = time.monotonic() + 0.03
    while time.monotonic() < until:  # what nobody should do
        pass
    while not samples(metrics.exposition())["pileus_loop_lag_seconds_count",]:
        await asyncio.sleep(0)
    watch.cancel()
    seen = samples(metrics.exposition())
    assert seen["pileus_loop_lag_seconds_sum",] >= 0.02
    assert seen["pileus_loop_lag_seconds_bucket", "0.02"] < seen["pileus_loop_lag_seconds_count",]


def test_processes_that_share_a_directory_answer_for_all(tmp_path: Path) -> None:
    program = "from pileus.kernel.metrics import Metrics; m = Metrics(); m.commit(); print(m.exposition().decode())"
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for count in (1, 2):
        text = subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
        ).stdout
        assert samples(text.encode())["pileus_database_commits_total",] == count


def test_an_empty_shared_directory_has_no_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert samples(Metrics().exposition()) == {}
