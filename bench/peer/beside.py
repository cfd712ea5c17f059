"""OpenStack and Pileus asked the same, in turn: figures, shares, and the table of them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from bench.machine import Use
from bench.peer import openstack, ours, services
from bench.peer.operations import (
    Desk,
    Figures,
    Operation,
    Scene,
    compute,
    desk,
    footprint,
    image,
    network,
    placement,
    volume,
)
from conformance.installed import Failure

SCENES: dict[str, list[Scene]] = {
    "glance": image.SCENES,
    "neutron": network.SCENES,
    "nova": compute.SCENES,
    "cinder": volume.SCENES,
    "placement": placement.SCENES,  # last: its providers are no hosts that Nova could use
}
WHOLE = tuple(SCENES)
OURS = {"sqlite": "Pileus, SQLite", "postgresql": "Pileus, PostgreSQL"}
SIDES = (openstack.NAME, *OURS.values())
TRIES = 3  # of a sample beside which others worked
UNITS = {"cpu_ms": "CPU, ms", "per_s": "a second", "p50_ms": "half within, ms", "mb_per_s": "MB/s"}
UNITS |= {"pss_mb": "PSS, MB", "cpu_percent": "CPU, % of a core"}
HASHES = "hashes: upload: mb_per_s"
RATES = ("per_s", "mb_per_s")
Quiet = Callable[[], Awaitable[None]]


async def beside(names: Sequence[str], state: Path, seconds: float, rounds: int, quiet: Quiet | None) -> list[Figures]:
    """The rounds of every operation of these services. Raises Failure.

    Both clouds are made from nothing and asked in turn. A sample beside which others worked is taken again after
    `quiet`, if there is one; a round of an operation that stays void has its numbers, and no share.
    """
    runs: list[Figures] = [{} for _ in range(rounds)]
    async with contextlib.AsyncExitStack() as stack:
        peer = stack.enter_context(started(state / "openstack", names))
        sqlite = stack.enter_context(ours.on_sqlite(state / "sqlite"))
        postgresql = stack.enter_context(ours.on_postgresql(state / "postgresql", command=ours.ALL))
        desks = [
            await stack.enter_async_context(desk(side, seconds, cloud))
            for side, cloud in ((peer.side(), peer), (sqlite, None), (postgresql, None))
        ]
        for scene in scenes(names):
            await played(scene, desks, runs, quiet)
    return runs


@contextlib.contextmanager
def started(home: Path, names: Sequence[str]):  # type: ignore[no-untyped-def]
    """The peer with these services and those they need."""
    wanted = services.with_needs(names)
    with openstack.started(home, wanted, queue=bool(services.QUEUED & set(wanted))) as cloud:
        for name in wanted:
            said(f"starting {name}")
            services.STARTS[name](cloud)
        yield cloud


def scenes(names: Sequence[str]) -> list[Scene]:
    """In the order in which they disturb each other least. The footprint is of a whole cloud only."""
    whole = footprint.SCENES if set(names) == set(WHOLE) else []
    return [*whole, *(scene for name, some in SCENES.items() if name in names for scene in some)]


async def played(scene: Scene, desks: Sequence[Desk], runs: list[Figures], quiet: Quiet | None) -> None:
    """Add the figures of a scene to each run."""
    for one in desks:
        await one.cloud.login()
        await scene.prepare(one)
    for run in runs:
        for operation in scene.operations:
            found = await asked(operation, desks, quiet)
            run |= found
            shares = {name: f"{share:.4f}" for name, share in found.items() if ":" not in name}
            said(f"{operation.name}: {', '.join(f'{n} {s}' for n, s in shares.items()) or 'void'}")
    for one in desks:
        await scene.clear(one)


async def asked(operation: Operation, desks: Sequence[Desk], quiet: Quiet | None) -> Figures:
    """An operation on each side: its figures, and the shares they come to unless the machine was disturbed."""
    figures: Figures = {}
    void = 0.0
    hashes = image.hashes_mb_per_s() if operation.name == "upload" else 0.0
    for one in desks:
        found, use = await sampled(operation, one, quiet)
        figures |= {f"{one.side.name}: {operation.name}: {what}": number for what, number in found.items()}
        void = max(void, use.others_cores if use.void else 0.0)
    if hashes:
        figures[HASHES] = hashes
    found_shares = shares(operation.name, figures)
    if void and quiet:
        said(f"{operation.name}: void, others used {void:.2f} core: {found_shares}")
        return figures
    return figures | found_shares


async def sampled(operation: Operation, one: Desk, quiet: Quiet | None) -> tuple[Figures, Use]:
    for _ in range(TRIES):
        try:
            found = await operation.measure(one)
        except OSError as e:
            raise Failure(f"{one.side.name}: {operation.words}: {e}") from e
        if not one.use.void or not operation.again or quiet is None:
            break
        await quiet()
    return found, one.use


def shares(name: str, figures: Mapping[str, float]) -> Figures:
    """What the gates are about, of one operation: ours as a share of the peer's; of rates, the peer's as one of ours."""
    found: Figures = {}
    for database, side in OURS.items():
        mine = {what: figures[f"{side}: {name}: {what}"] for what in UNITS if f"{side}: {name}: {what}" in figures}
        peers = {what: figures[f"{openstack.NAME}: {name}: {what}"] for what in mine}
        if name == "upload":
            peers["mb_per_s"] = figures[HASHES]
        for what, number in mine.items():
            if what in ("cpu_ms", "pss_mb", "cpu_percent"):
                found[f"{name}_{what.partition('_')[0]}_{database}"] = number / peers[what]
            elif what == "mb_per_s":
                found[f"{name}_rate_{database}"] = peers[what] / number
    return found


def table(figures: Mapping[str, float]) -> str:
    """Markdown: what an operation costs each side; of ours also how many times as good."""
    lines = [f"| | {SIDES[0]} | {SIDES[1]} | | {SIDES[2]} | |", "| --- |" + " ---: |" * 5]
    for operation in (each for scene in scenes(WHOLE) for each in scene.operations):
        for what, unit in UNITS.items():
            names = [f"{side}: {operation.name}: {what}" for side in SIDES]
            if names[0] in figures:
                numbers = row([figures[name] for name in names], falls=what not in RATES)
                lines.append(f"| {operation.words}: {unit} | {numbers} |")
    if HASHES in figures:
        lines.append(f"| md5 and sha512 alone: MB/s | {figures[HASHES]:.4g} | | | | |")
    return "\n".join(lines)


def row(numbers: Sequence[float], *, falls: bool) -> str:
    """The peer's number, then each of ours and how many times better it is."""
    peer, *rest = numbers
    times = [peer / number if falls else number / peer for number in rest]
    return " | ".join([f"{peer:.4g}", *(f"{n:.4g} | {t:.1f} x" for n, t in zip(rest, times, strict=True))])


def said(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
