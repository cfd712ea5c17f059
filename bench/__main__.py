"""Measure a cloud on this machine, and hold the figures against bench/gates.toml.

    script/bench                 every workload, three times each: a table, and bench/results/<time>.json
    script/bench --check         the same; exits 1 when a median is over its gate, or void
    script/bench --only start,get_one_row --repeat 5 --seconds 10
    script/bench --only scale --repeat 1       1,000 hosts and 20,000 servers: a quarter of an hour
    script/bench --publish       with any of these but other --only: its tables go into docs/figures.md
    script/bench --peer keystone beside real Keystone: what the same requests cost both (see bench/peer)
    script/bench --peer all      beside Glance, Nova, Neutron, Cinder and Placement; or one of them

The target is one process of its own on SQLite: `pileus up` for the start, else the same cloud with the demonstration
service of the tests beside Identity; for `users_page` and beside a peer it is `pileus`, on SQLite and on PostgreSQL.
CPU is the target's alone, from the scheduler's accounts. A run is void when anything but the target, the bench and the
kernel used more than 0.4 core; void runs are repeated, at most as often again as was asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import signal
import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.machine import MOST_OTHERS, Use, watched
from bench.peer import beside, compare
from bench.peer.infra import LOCK
from bench.peer.pages import users_page
from bench.scale import SERVERS, scale
from bench.scale import table as table_of_scale
from bench.workloads import WORKLOADS as SINGLE
from bench.workloads import Figures, Workload
from conformance.installed import Failure

HERE = Path(__file__).parent
FIGURES = HERE.parent / "docs/figures.md"
HEADINGS = {"alone": "## This cloud alone\n", "scale": "## A large cloud\n", "keystone": "## Beside Keystone\n"}
HEADINGS |= {name: "## Beside Glance, Nova, Neutron, Cinder and Placement\n" for name in ("all", *beside.WHOLE)}
"""What follows them there, up to the next, is written by --publish."""
WORKLOADS: dict[str, Workload] = {**SINGLE, "users_page": users_page, "scale": scale}
LONG = {"scale"}  # measured when named alone
PEERS: dict[str, Workload] = {"keystone": compare.beside_keystone}
WITH_PEER = {"keystone": ["users_page"]}


@dataclass
class Result:
    """The valid runs of one workload, and how many were void."""

    runs: list[Figures] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    void: int = 0

    def of(self, name: str) -> list[float]:
        """In each run that has it."""
        return [run[name] for run in self.runs if name in run]

    def median(self, name: str) -> float:
        return statistics.median(self.of(name))


async def measured(name: str, run: Workload, repeat: int, seconds: float, patience_s: float = 0.0) -> Result:
    """Run a workload on a fresh cloud each time, until `repeat` runs are valid or as many again were void.

    Before each it waits for a quiet moment, at most `patience_s`.
    """
    result = Result()
    while len(result.runs) < repeat and result.void <= repeat:
        await quiet(patience_s)
        with tempfile.TemporaryDirectory(prefix="pileus-bench-", dir=HERE / "results") as state:
            figures, use = await run(Path(state), seconds)
        if use.void:
            result.void += 1
            print(f"{name}: void, others used {use.others_cores:.2f} core; {shown(figures)}", file=sys.stderr)
        else:
            result.runs.append(figures)
            result.uses.append(use)
            print(f"{name}: {shown(figures)}", file=sys.stderr)
    return result


async def quiet(patience_s: float) -> None:
    """Return when others leave the machine alone, or after `patience_s`."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        with watched(os.getpid()) as use:
            await asyncio.sleep(2)
        if use.others_cores < MOST_OTHERS / 2:
            return


def shown(figures: Figures) -> str:
    """Those that there are gates for; what they come from has a colon in its name."""
    return "  ".join(f"{name} {value:.3f}" for name, value in figures.items() if ":" not in name)


def verdicts(results: dict[str, Result], repeat: int) -> list[dict[str, object]]:
    """One row for each gate whose workload was run. `ok` is None when too few runs were valid to say."""
    gates = tomllib.loads((HERE / "gates.toml").read_text())["gate"]
    rows: list[dict[str, object]] = []
    for name, gate in gates.items():
        found = next((r for r in results.values() if any(name in run for run in r.runs)), None)
        if found is None and gate["workload"] not in results:
            continue
        row: dict[str, object] = {"gate": name, **gate, "median": None, "runs": [], "ok": None}
        if found is not None:
            row |= {"median": found.median(name), "runs": found.of(name)}
            row["ok"] = found.median(name) <= gate["most"] if len(found.of(name)) >= repeat else None
        rows.append(row)
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Markdown."""
    lines = ["| figure | median | runs | gate | |", "| --- | ---: | --- | ---: | --- |"]
    for row in rows:
        runs = ", ".join(f"{value:.3g}" for value in row["runs"])  # type: ignore[attr-defined]
        median = "" if row["median"] is None else f"{row['median']:.3g} {row['unit']}"
        verdict = {True: "ok", False: "OVER", None: "void"}[row["ok"]]  # type: ignore[index]
        lines.append(f"| {row['what']} | {median} | {runs} | {row['most']:g} {row['unit']} | {verdict} |")
    return "\n".join(lines)


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="script/bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--check", action="store_true", help="exit 1 when a median is over its gate, or void")
    p.add_argument("--only", help=f"of: {', '.join(WORKLOADS)}")
    p.add_argument(
        "--peer", choices=[*PEERS, "all", *beside.WHOLE], help="beside this service of OpenStack, installed if need be"
    )
    p.add_argument("--publish", action="store_true", help=f"write the tables into {FIGURES.name}")
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument(
        "--patience", type=float, default=60.0, help="wait at most so long for a quiet moment, before each run"
    )
    p.add_argument("--seconds", type=float, default=5.0, help="of each timed run")
    p.add_argument("--servers", type=int, default=SERVERS, help=f"of scale ({SERVERS})")
    args = p.parse_args(words)
    args.topic = args.peer or (args.only if args.only in LONG else "alone")
    if args.publish and args.only not in (None, args.topic):
        p.error("--publish shows all of a table: without --only, or of scale")
    return args


def chosen(args: argparse.Namespace) -> dict[str, Workload]:
    """What was asked for, by name. Beside a peer it is what that is compared in, unless --only says more."""
    usual = [] if args.peer else [name for name in WORKLOADS if name not in LONG]
    names = args.only.split(",") if args.only else WITH_PEER.get(args.peer, usual)
    workloads = {**WORKLOADS, "scale": partial(scale, servers=args.servers)}
    found = {name: workloads[name] for name in names}
    return {args.peer: PEERS[args.peer], **found} if args.peer in PEERS else found


def described() -> dict[str, str]:
    """The machine."""
    with open("/proc/cpuinfo") as f:
        cpu = next((line.partition(":")[2].strip() for line in f if line.startswith("model name")), "unknown")
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": f"{os.cpu_count()} x {cpu}",
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def versions(peer: str) -> dict[str, str]:
    """What the peer was, by the lock file."""
    names = ["keystone"] if peer == "keystone" else ["keystone", *beside.WHOLE]
    pinned = dict(re.findall(r"^(?:openstack-)?([a-z]+)==([0-9.]+)", LOCK.read_text(), re.MULTILINE))
    return {name: f"{name.capitalize()} {pinned[name]}" for name in names}


def medians(result: Result) -> Figures:
    """Of all that was measured, gates or not."""
    return {name: result.median(name) for name in {name: None for run in result.runs for name in run}}


def publish(heading: str, table: str, machine: dict[str, str]) -> None:
    """Put the table where the docs show it: under its heading, up to the next."""
    before, _, after = FIGURES.read_text().partition(heading)
    others = "".join(after.partition("\n## ")[1:])
    FIGURES.write_text(f"{before}{heading}\n{', '.join(machine.values())}\n\n{table}\n{others}")


async def beside_services(args: argparse.Namespace) -> dict[str, Result]:
    """By service: all of them share the rounds. Empty for the peers that are workloads of their own."""
    names = beside.WHOLE if args.peer == "all" else (args.peer,)
    if not set(names) <= set(beside.WHOLE):
        return {}
    pause = partial(quiet, args.patience) if args.patience else None
    with tempfile.TemporaryDirectory(prefix="pileus-bench-", dir=HERE / "results") as state:
        runs = await beside.beside(names, Path(state), args.seconds, args.repeat, pause)
    return {name: Result(runs=runs) for name in (*names, *(["all"] if args.peer == "all" else []))}


async def main(args: argparse.Namespace) -> int:
    (HERE / "results").mkdir(exist_ok=True)
    results = {
        name: await measured(name, run, args.repeat, args.seconds, args.patience) for name, run in chosen(args).items()
    }
    results |= await beside_services(args)
    rows, machine = verdicts(results, args.repeat), described()
    out = HERE / "results" / time.strftime("%Y%m%dT%H%M%SZ.json", time.gmtime())
    figures = {name: medians(result) for name, result in results.items()}
    out.write_text(json.dumps({"machine": machine, "gates": rows, "figures": figures}, indent=1))
    tables = [table(rows)]
    if figures.get(args.topic):
        table_of = {"scale": table_of_scale, **dict.fromkeys(PEERS, compare.table)}.get(args.topic, beside.table)
        tables.append(table_of(figures[args.topic]))
    print("\n\n".join([*tables, str(machine), str(out)]))
    if args.publish:
        publish(HEADINGS[args.topic], "\n\n".join(tables), machine | (versions(args.peer) if args.peer else {}))
    return status(rows) if args.check else 0


def status(rows: list[dict[str, object]]) -> int:
    """Of a check: 0 when every gate was held, none was void."""
    return 0 if all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # also then all that was started ends
    try:
        sys.exit(asyncio.run(main(parsed())))
    except Failure as e:
        sys.exit(f"script/bench: {e}")
