"""Back-off on guessing: who has failed too often to prove to be somebody has to wait before the next try. See ADR 0006.

Counted for what was asked for, whether there is such a user or not, and for where the request came from; in rows, so that
it holds in all processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import ceil
from typing import TypeVar

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.errors import Unauthorized
from pileus.services.identity.users import rules

T = TypeVar("T")

guesses = sa.Table(
    "identity_guess",
    metadata,
    sa.Column("id", Text, primary_key=True),  # digest of who is meant and of where the request came from
    sa.Column("failures", sa.Integer, nullable=False),  # in a row
    sa.Column("failed_at", sa.Float, nullable=False, index=True),
)


class Guess(msgspec.Struct, frozen=True):
    """What is held against who asks for one user from one place."""

    id: str
    failures: int = 0
    failed_at: float = 0.0


BY_ID = sa.select(*(guesses.c[name] for name in Guess.__struct_fields__)).where(guesses.c.id == sa.bindparam("guess"))
OLD = guesses.delete().where(guesses.c.failed_at < sa.bindparam("before"))


async def nothing(ctx: Ctx) -> None:
    pass


async def guarded(
    ctx: Ctx,
    asked: str,
    proof: Callable[[], Awaitable[T | None]],
    also: Callable[[Ctx], Awaitable[None]] = nothing,
) -> T | None:
    """What the proof gives; None when it proves nothing, which is counted (and `also` done, in the same transaction).

    `asked` names method and user as the caller did, in one form. Outside of a transaction. Raises Unauthorized, with a
    Retry-After, for who has to wait; of many tries at once those that end after the first few are told no more, either.
    """
    guess_id = hashlib.sha256(f"{rules.network(ctx.source)}\n{asked}".encode()).hexdigest()
    admit(await find(ctx, guess_id), ctx.now())
    given = await proof()
    guess = await find(ctx, guess_id)
    admit(guess, ctx.now())
    if given is None:
        async with unaudited(ctx).transaction() as tx:
            await count(tx, guess_id)
            await also(tx)
    elif guess.failures:
        async with unaudited(ctx).transaction() as tx:
            await tx.execute(guesses.delete().where(guesses.c.id == guess_id))
    return given


def unaudited(ctx: Ctx) -> Ctx:
    """For what is noted by the way: who it is about has changed nothing."""
    return replace(ctx, closing=None, probe=None)


async def find(ctx: Ctx, guess_id: str) -> Guess:
    row = (await ctx.execute(BY_ID, {"guess": guess_id})).one_or_none()
    return Guess(guess_id) if row is None else Guess(*row)


def admit(guess: Guess, now: float) -> None:
    left_s = ceil(left(guess, now))
    if left_s > 0:
        raise Unauthorized(
            f"Too many failed attempts for this user from your address: try again in {left_s} s.",
            headers={"Retry-After": str(left_s)},
        )


def left(guess: Guess, now: float) -> float:
    """How long who fails has to wait yet, seconds."""
    return guess.failed_at + rules.wait_s(guess.failures) - now


async def count(ctx: Ctx, guess_id: str) -> None:
    """One more; but none of those who should have waited."""
    now = ctx.now()
    await ctx.lock("guess", guess_id)
    await ctx.execute(OLD, {"before": now - rules.FORGOTTEN_S})
    guess = await find(ctx, guess_id)
    if guess.failures == 0:
        await ctx.execute(guesses.insert().values(id=guess_id, failures=1, failed_at=now))
    elif left(guess, now) <= 0:
        counted = guesses.update().where(guesses.c.id == guess_id)
        await ctx.execute(counted.values(failures=guess.failures + 1, failed_at=now))
