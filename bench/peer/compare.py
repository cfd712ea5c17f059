"""Keystone and Pileus asked the same, in turn: figures, and the table of them."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from bench.load.loops import closed_loop
from bench.load.samples import Sample, percentile
from bench.machine import Use, watched
from bench.peer import openstack, ours
from bench.peer.client import Connection
from bench.peer.sides import Side
from conformance.installed import Failure

Figures = dict[str, float]
CONCURRENCY = (1, 16)
TRIES = 3  # of a sample beside which others worked
HASHES = 5
ROUNDS = 12  # of bcrypt: the default of both
WORKLOADS = {"validate": "token validation", "projects": "project list", "password": "password token"}
SIDES = ("Keystone", "Pileus, SQLite", "Pileus, PostgreSQL")


@dataclass(frozen=True)
class Asked:
    """A request, and the status of an answer that is one."""

    request: bytes
    status: int = 200


async def beside_keystone(state: Path, seconds: float) -> tuple[Figures, Use]:
    """Every workload on each side, `seconds` at a time; figures by `side: workload c: what`, and what they come to."""
    with contextlib.ExitStack() as stack:
        sides = [
            stack.enter_context(openstack.started(state / "keystone")).side("Keystone"),
            stack.enter_context(ours.on_sqlite(state / "sqlite")),
            stack.enter_context(ours.on_postgresql(state / "postgresql")),
        ]
        asked = {side.name: await requests(side) for side in sides}
        figures: Figures = {}
        uses: list[Use] = []
        for workload, concurrency, side in itertools.product(WORKLOADS, CONCURRENCY, sides):
            found, use = await sample(side, asked[side.name][workload], concurrency, seconds)
            figures |= {f"{side.name}: {workload} {concurrency}: {what}": n for what, n in found.items()}
            uses.append(use)
            if side is sides[0]:
                figures[f"bcrypt: beside {workload} {concurrency}"] = bare_hash()
        return figures | ratios(figures), max(uses, key=lambda use: use.others_cores)


async def requests(side: Side) -> dict[str, Asked]:
    """What is asked of a side, by workload."""
    token = await side.token()
    await alike(side, token)
    subject = await side.token()
    return {
        "validate": Asked(side.request("GET", "/auth/tokens", X_Auth_Token=token, X_Subject_Token=subject)),
        "projects": Asked(side.request("GET", "/projects", X_Auth_Token=token)),
        "password": Asked(side.login(), 201),
    }


async def alike(side: Side, token: str) -> None:
    """See to it that there is a project `service`, as everywhere: a list costs by its length."""
    connection = Connection(side.url)
    project = {"project": {"name": "service", "domain_id": "default"}}
    answer = await connection.ask(side.request("POST", "/projects", project, X_Auth_Token=token))
    connection.close()
    if answer.status not in (201, 409):
        raise Failure(f"{side.name}: POST /projects: {answer.status} {answer.body[:300]!r}")


async def sample(side: Side, asked: Asked, concurrency: int, seconds: float) -> tuple[Figures, Use]:
    """CPU of the side for each request, requests a second, and how long half of them take at most."""
    for _ in range(TRIES):
        async with connections(side, concurrency) as ask:
            await closed_loop(lambda _: ask(asked), concurrency, seconds / 5)
            with watched(*side.pids) as use:
                found = await closed_loop(lambda _: ask(asked), concurrency, seconds, warmup=0)
        cost = costs(side.name, found, use)
        if not use.void:
            break
    return cost, use


def costs(name: str, found: Sample, use: Use) -> Figures:
    """CPU of each, how many a second, how long half of them take at most. Raises Failure when one failed."""
    if found.errors or not found.latencies:
        raise Failure(f"{name}: {dict(found.errors) or 'no answer in time'}")
    latencies = sorted(found.latencies)
    return {
        "cpu_ms": 1000 * use.cpu_s / len(latencies),
        "per_s": len(latencies) / (found.end - found.start),
        "p50_ms": 1000 * percentile(latencies, 50),
    }


@contextlib.asynccontextmanager
async def connections(side: Side, number: int) -> AsyncIterator[Callable[[Asked], Awaitable[None]]]:
    """A function that asks over one of so many connections that is free."""
    idle = [Connection(side.url) for _ in range(number)]

    async def ask(asked: Asked) -> None:
        connection = idle.pop()
        try:
            answer = await connection.ask(asked.request)
        finally:
            idle.append(connection)
        if answer.status != asked.status:
            raise Failure(f"{answer.status} {answer.body[:200]!r}")

    try:
        yield ask
    finally:
        for connection in idle:
            connection.close()


def bare_hash() -> float:
    """CPU of one bcrypt of a password, ms: what every password token must cost."""
    known = bcrypt.hashpw(b"a password", bcrypt.gensalt(ROUNDS))
    took = []
    for _ in range(HASHES):
        began = time.thread_time()
        bcrypt.checkpw(b"a password", known)
        took.append(time.thread_time() - began)
    return 1000 * statistics.median(took)


def bare(figures: Mapping[str, float]) -> float:
    """Of all the hashes between the samples."""
    return statistics.median(n for name, n in figures.items() if name.startswith("bcrypt: "))


def ratios(figures: Mapping[str, float]) -> Figures:
    """What the gates are about: of Pileus, as a share of Keystone's or of bare bcrypt."""
    found: Figures = {}
    for database in ("SQLite", "PostgreSQL"):
        side, name = f"Pileus, {database}", database.lower()
        for workload in ("validate", "projects"):
            cpu = [figures[f"{each}: {workload} 1: cpu_ms"] for each in (side, "Keystone")]
            rate = [figures[f"{each}: {workload} 16: per_s"] for each in ("Keystone", side)]
            found[f"{workload}_cpu_{name}"] = cpu[0] / cpu[1]
            found[f"{workload}_rate_{name}"] = rate[0] / rate[1]
        found[f"password_cpu_{name}"] = figures[f"{side}: password 1: cpu_ms"] / bare(figures)
    return found


def table(figures: Mapping[str, float]) -> str:
    """Markdown: what a request costs each side, and how many are served; of Pileus also how many times as well."""
    lines = [f"| | {' | | '.join(SIDES)} | |".replace(" | |", " |", 1), "| --- |" + " ---: |" * 5]
    for workload, words in WORKLOADS.items():
        for concurrency in CONCURRENCY:
            for what, unit in (("cpu_ms", "CPU, ms"), ("per_s", "a second"), ("p50_ms", "half within, ms")):
                numbers = [figures[f"{side}: {workload} {concurrency}: {what}"] for side in SIDES]
                lines.append(f"| {words}, {concurrency} at once: {unit} | {row(numbers, falls=what != 'per_s')} |")
    return "\n".join([*lines, f"| bare bcrypt, {ROUNDS} rounds: CPU, ms | {bare(figures):.4g} | | | | |"])


def row(numbers: Sequence[float], *, falls: bool) -> str:
    """The peer's number, then each of ours and how many times better it is."""
    peer, *rest = numbers
    times = [peer / number if falls else number / peer for number in rest]
    return " | ".join([f"{peer:.4g}", *(f"{n:.4g} | {t:.1f} x" for n, t in zip(rest, times, strict=True))])
