"""What is asked of both clouds: an operation, and how its cost is found."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from bench.load.cloud import Cloud
from bench.load.loops import closed_loop
from bench.load.samples import Sample
from bench.machine import Use, watched
from bench.peer.compare import Figures, costs
from bench.peer.openstack import OpenStack
from bench.peer.sides import Side

LIMIT_S = 240.0  # of a request, and of what is waited for
POLL_S = 0.5


@dataclass
class Desk:
    """A side with a client of it, and what earlier operations left there for later ones."""

    side: Side
    cloud: Any  # bench.load's
    seconds: float  # of a timed sample
    peer: OpenStack | None  # for rows that are copied in its database
    left: dict[str, Any] = field(default_factory=dict)
    use: Use = field(default_factory=Use)

    @contextlib.contextmanager
    def watched(self) -> Any:
        """CPU of the side during the block; and of others, for the verdict."""
        with watched(*self.side.pids) as use:
            yield use
        self.use = use

    @property
    def args(self) -> Any:
        return self.cloud.args


Step = Callable[[Desk], Awaitable[None]]
Measure = Callable[[Desk], Awaitable[Figures]]


async def nothing(_: Desk) -> None:
    """Neither to prepare nor to clear away."""


@dataclass(frozen=True)
class Operation:
    """One thing to ask for; `name` begins the names of its figures."""

    name: str
    words: str
    measure: Measure
    again: bool = True  # may be measured once more when others disturbed it


@dataclass(frozen=True)
class Scene:
    """Operations that are asked for one after the other, round for round; what each side needs is there before."""

    operations: tuple[Operation, ...]
    prepare: Step = nothing
    clear: Step = nothing


def timed(once: Callable[[Desk, int], Awaitable[Any]], concurrency: int = 1) -> Measure:
    """Asked again and again for a while, after a warm-up."""

    async def measure(desk: Desk) -> Figures:
        async def ask(n: int) -> None:
            await once(desk, n)

        await closed_loop(ask, concurrency, desk.seconds / 5)
        with desk.watched() as use:
            sample = await closed_loop(ask, concurrency, desk.seconds, warmup=0)
        return costs(desk.side.name, sample, use)

    return measure


def counted(run: Callable[[Desk], Awaitable[Sample]]) -> Measure:
    """So many, until all are done."""

    async def measure(desk: Desk) -> Figures:
        with desk.watched() as use:
            sample = await run(desk)
        return costs(desk.side.name, sample, use)

    return measure


@contextlib.asynccontextmanager
async def desk(side: Side, seconds: float, peer: OpenStack | None = None) -> AsyncIterator[Desk]:
    """A client that has logged in. Raises Failure, also when the other side tells so later in the block."""
    args = SimpleNamespace(
        auth_url=side.url,
        username="admin",
        password=side.password,
        project="admin",
        user_domain="Default",
        project_domain="Default",
        region=None,
        interface="public",
        timeout_s=LIMIT_S,
        limit_s=LIMIT_S,
        poll_s=POLL_S,
        networks="make",
        compute_version="2.79",
        placement_version="1.29",
    )
    async with Cloud(args) as cloud:
        yield Desk(side, cloud, seconds, peer)
