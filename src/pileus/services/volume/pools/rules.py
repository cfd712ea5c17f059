"""Which host a new volume goes to: pure functions that keep why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pool:
    """A host that may hold volumes. `promised_gib` is what its volumes and snapshots may come to, together."""

    host: str
    total_gib: float
    free_gib: float
    promised_gib: int
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The host that was chosen, or None; and why each of the others was not."""

    host: str | None
    refusals: dict[str, str]

    def summary(self) -> str:
        """For who asked: names what is missing, and no host."""
        if not self.refusals:
            return "No host of this cloud can hold volumes."
        counted = sorted({why: list(self.refusals.values()).count(why) for why in self.refusals.values()}.items())
        said = "; ".join(f"{n} {'host' if n == 1 else 'hosts'}: {why}" for why, n in counted)
        return f"No host can hold the volume ({said})."


def room_gib(pool: Pool, *, overcommit: float) -> float:
    """How much more may be promised there. Never negative."""
    return max(0.0, pool.total_gib * overcommit - pool.promised_gib)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be placed. `only`: the host that what it is made of is on; `suits`: whether a pool is what its type asks for."""

    size_gib: int
    only: str | None = None
    suits: Callable[[Pool], bool] = lambda pool: True


def choose(pools: Sequence[Pool], wish: Wish, *, overcommit: float) -> Choice:
    """The host with the most room that can take so much."""
    refusals = {pool.host: why for pool in pools if (why := refusal(pool, wish, overcommit))}
    left = [pool for pool in pools if pool.host not in refusals]
    best = max(left, key=lambda pool: (room_gib(pool, overcommit=overcommit), pool.host), default=None)
    return Choice(best.host if best else None, refusals)


def refusal(pool: Pool, wish: Wish, overcommit: float) -> str:
    """Why this host cannot take it; empty when it can."""
    if wish.only is not None and pool.host != wish.only:
        return "does not hold what the volume is made of"
    if pool.disabled:
        return "is disabled"
    if not wish.suits(pool):
        return "is not what the volume's type asks for"
    room = room_gib(pool, overcommit=overcommit)
    return "" if wish.size_gib <= room else f"has room for {int(room)} GiB of {wish.size_gib}"
