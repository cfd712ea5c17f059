"""What the cloud counts, for Prometheus.

A registry of its own, without the client's default collectors. Several API processes on one machine (`serve api
--processes N`) share their numbers through files when PROMETHEUS_MULTIPROC_DIR is set before this module is imported;
any of them then answers for all.

Labels are bounded: a route is its template, never a path that a client sent.
"""

from __future__ import annotations

import asyncio
import os
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
STEP_SECONDS = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0)
LAG_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
LOOP_TICK_S = 1.0

disable_created_metrics()  # type: ignore[no-untyped-call]  # one line more for each number, which nobody reads


class Metrics:
    """One process's numbers. Every method is cheap, never blocks and never fails."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "pileus_requests",
            "API requests answered.",
            ("service", "route", "method", "status"),
            registry=self.registry,
        )
        self._counted: dict[tuple[str, str, str, int], tuple[Counter, Histogram]] = {}  # what has these labels
        self._request_seconds = Histogram(
            "pileus_request_seconds",
            "From the request's head to the end of its answer.",
            ("service",),
            buckets=REQUEST_SECONDS,
            registry=self.registry,
        )
        self._steps = Counter(
            "pileus_operation_steps",
            "Steps of operations by how they ended.",
            ("saga", "step", "outcome"),
            registry=self.registry,
        )
        self._step_seconds = Histogram(
            "pileus_operation_step_seconds",
            "How long a step took.",
            ("saga",),
            buckets=STEP_SECONDS,
            registry=self.registry,
        )
        self._queue = Gauge(
            "pileus_operations",
            "Operations by state.",
            ("state",),
            multiprocess_mode="mostrecent",
            registry=self.registry,
        )
        self._parked = Counter(
            "pileus_operations_parked",
            "Operations that went past a deadline and wait for a person: alert on any increase.",
            ("saga",),
            registry=self.registry,
        )
        self._lag = Histogram(
            "pileus_loop_lag_seconds", "How late the event loop was.", buckets=LAG_SECONDS, registry=self.registry
        )
        self._commits = Counter(
            "pileus_database_commits",
            "Transactions that came through, those that changed nothing too.",
            registry=self.registry,
        )

    def request(self, service: str, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is the route's template, or "unknown"."""
        asked = (service, route, method, status)
        counted = self._counted.get(asked)
        if counted is None:
            count = self._requests.labels(service, route, method, str(status))
            counted = self._counted[asked] = (count, self._request_seconds.labels(service))
        counted[0].inc()
        counted[1].observe(seconds)

    def step(self, saga: str, step: str, outcome: str, seconds: float) -> None:
        """A step of an operation ended: `done`, `wait`, `retry`, `failed`, `undone`, ..."""
        self._steps.labels(saga, step, outcome).inc()
        self._step_seconds.labels(saga).observe(seconds)

    def parked(self, saga: str) -> None:
        """An operation can go neither forward nor back: somebody should look."""
        self._parked.labels(saga).inc()

    def queue(self, state: str, count: int) -> None:
        """How many operations are in that state now."""
        self._queue.labels(state).set(count)

    def commit(self) -> None:
        """A transaction came through."""
        self._commits.inc()

    async def watch_loop(self, tick_s: float = LOOP_TICK_S) -> None:
        """Measure the event loop's lag for ever, once per tick. To be run as a task and cancelled."""
        while True:
            due = time.monotonic() + tick_s
            await asyncio.sleep(tick_s)
            self._lag.observe(max(0.0, time.monotonic() - due))

    def exposition(self) -> bytes:
        """All numbers in Prometheus' text format (CONTENT_TYPE): of this process, or of all that share the directory."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)
