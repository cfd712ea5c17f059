"""What a process remembers of Identity is good for as long as the revision is the one it was read at.

Every transaction that changes who may do what (users, projects, domains, roles, assignments, the catalogue, keys,
revocations) bumps it. A request reads it first, and so sees the change from its next request on, in every process.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Unavailable
from pileus.services.identity.revision import store
from pileus.services.identity.revision.store import Revision

__all__ = ["Revision", "begin", "change", "current", "turn"]


async def current(ctx: Ctx) -> Revision:
    """Read it before whatever shall be remembered under it, never after. Raises Unavailable before `begin`."""
    found = await store.current(ctx)
    if found is None:
        raise Unavailable("This cloud has no administrator yet: run `pileus up`, or `pileus db upgrade` and try again.")
    return found


@asynccontextmanager
async def change(ctx: Ctx) -> AsyncIterator[Ctx]:
    """A transaction that makes everybody forget what they remember.

    It bumps the row first and so holds its lock: those who change Identity take turns, and each decides on what the one
    before has committed. Nothing here needs a further lock, nothing can deadlock.
    """
    async with ctx.transaction() as ctx:
        await store.bump(ctx, ctx.world.ids.hex())
        yield ctx


@asynccontextmanager
async def turn(ctx: Ctx) -> AsyncIterator[Ctx]:
    """A transaction that takes its turn as `change` does and makes nobody forget: for what says nothing about tokens."""
    async with ctx.transaction() as ctx:
        await store.hold(ctx)
        yield ctx


async def begin(ctx: Ctx) -> None:
    """Make the row, if there is none. In a transaction."""
    await ctx.lock("identity", "begin")
    if await store.current(ctx) is None:
        await store.add(ctx, ctx.world.ids.hex())
