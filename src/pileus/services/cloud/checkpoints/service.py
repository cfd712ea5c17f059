"""Checkpoints: keep, list, put back. Only simulated clouds have them: what a real host holds cannot be put back.

<state>/checkpoints/<name>/about.json   when, and of which tables
                           rows.sqlite  every row
                           hosts/       what the simulated hosts hold
<state>/restoring                       the name of the checkpoint that is being put back: a start finishes it
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.services.cloud.checkpoints import store
from pileus.services.cloud.faults import service as faults

FIRST = "first"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@dataclass(frozen=True)
class Simulated:
    """What a simulated cloud lends us: its state directory, and a block in which nothing runs but the caller."""

    state: Path
    still: Callable[[], AbstractAsyncContextManager[None]]


class Checkpoint(msgspec.Struct, frozen=True):
    """A kept state. `created_at`: seconds since the epoch, of the cloud's clock."""

    name: str
    created_at: float
    size_bytes: int
    tables: dict[str, list[str]]


def simulated(ctx: Ctx) -> Simulated:
    """Raises Conflict for a cloud with real hosts."""
    found: Simulated | None = ctx.world.memory.get(Simulated)
    if found is None:
        raise Conflict("This cloud is not simulated: only the state of simulated hosts can be kept and put back.")
    return found


async def list_(ctx: Ctx) -> list[Checkpoint]:
    """By name."""
    home = simulated(ctx).state / "checkpoints"
    return [about(path.parent) for path in sorted(home.glob("[!.]*/about.json"))]


async def save(ctx: Ctx, name: str) -> Checkpoint:
    """Keep the state of now. Raises Conflict when the name is taken, BadRequest when it is none."""
    cloud = simulated(ctx)
    if not NAME.fullmatch(name):
        raise BadRequest("A checkpoint's name has 1 to 63 lower case letters, digits, -, _ and ., no sign first.")
    home = cloud.state / "checkpoints" / name
    async with cloud.still():
        if home.exists():
            raise Conflict(f"There is a checkpoint {name} already; choose another name.")
        async with ctx.transaction() as tx:
            rows = await store.read(tx)
        await asyncio.to_thread(keep, home, rows, cloud.state / "hosts", ctx.now())
    return about(home)


def keep(home: Path, rows: store.Rows, hosts: Path, now: float) -> None:
    """Make the checkpoint's directory: whole, or not at all."""
    draft = home.with_name(f".{home.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    store.save(draft / "rows.sqlite", rows)
    shutil.copytree(hosts, draft / "hosts")
    size = sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
    (draft / "about.json").write_bytes(msgspec.json.encode(Checkpoint(home.name, now, size, store.shape())))
    draft.rename(home)


def about(home: Path) -> Checkpoint:
    """Raises FileNotFoundError."""
    return msgspec.json.decode((home / "about.json").read_bytes(), type=Checkpoint)


async def ensure_first(ctx: Ctx) -> None:
    """Keep the state as it is at the first start, for a `reset` without a name."""
    if not (simulated(ctx).state / "checkpoints" / FIRST).exists():
        await save(ctx, FIRST)


async def put_back(ctx: Ctx, name: str) -> None:
    """Make everything as it was at the checkpoint; what runs is dropped. Raises NotFound, Conflict.

    May be repeated; a start after a kill in the middle finishes it.
    """
    cloud = simulated(ctx)
    home = cloud.state / "checkpoints" / name
    if not NAME.fullmatch(name) or not (home / "about.json").exists():
        raise NotFound(f"There is no checkpoint {name}.")
    if about(home).tables != store.shape():
        raise Conflict(f"The checkpoint {name} was made by another release, whose tables were others.")
    async with cloud.still():
        marker = cloud.state / "restoring"
        marker.write_text(name)
        rows = await asyncio.to_thread(store.load, home / "rows.sqlite")
        async with ctx.transaction() as tx:
            await store.put_back(tx, rows)
        await faults.end_all(ctx)
        await asyncio.to_thread(exchange, home / "hosts", cloud.state / "hosts")
        marker.unlink()


def exchange(source: Path, place: Path) -> None:
    """A copy of `source` at `place`, instead of what was there."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(source, place)


async def finish(ctx: Ctx) -> None:
    """At a start: put back what a kill has interrupted."""
    marker = simulated(ctx).state / "restoring"
    if marker.exists():
        await put_back(ctx, marker.read_text())
