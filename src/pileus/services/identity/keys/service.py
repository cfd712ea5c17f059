"""The keys that tokens are made with and read by, and their rotation without one refused token.

A new key is staged: read by all, used by none. The next rotation makes it primary: every token is made with it. By then
all processes read it, for a rotation bumps the revision and a request that sees a new revision loads the keys anew. What
was primary stays as a secondary until the last token made with it has expired.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.fernet import Fernet, MultiFernet

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict, Unavailable
from pileus.kernel.seal import SealError
from pileus.services.identity.keys import rules, store
from pileus.services.identity.keys.rules import SLACK_S, Key
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revision.service import Revision

__all__ = ["SLACK_S", "Key", "begin", "list_", "ring", "rotate", "rotate_when_due"]

KEY = "identity.key"
ORDER = {"primary": 0, "staged": 1, "secondary": 2}


class Ring(NamedTuple):
    """The keys as they were at one revision."""

    at: Revision
    keys: MultiFernet


async def ring(ctx: Ctx, at: Revision) -> MultiFernet:
    """Makes tokens with the primary key, reads those of every key. Kept as long as the revision stands. Raises Unavailable."""
    known: Ring | None = ctx.world.memory.get(Ring)
    if known is None or known.at != at:
        known = ctx.world.memory[Ring] = Ring(at, await _opened(ctx))
    return known.keys


async def _opened(ctx: Ctx) -> MultiFernet:
    found = sorted(await store.list_(ctx), key=lambda key: ORDER[key.state])
    if not found:
        raise Unavailable("This cloud has no token keys yet: run `pileus up`, or `pileus db upgrade` and try again.")
    try:
        return MultiFernet([Fernet(ctx.world.seal.open(key.sealed, place=place(key.id))) for key in found])
    except SealError as e:
        raise Unavailable(f"The token keys cannot be opened: {e}. Bring back the site key of this database.") from e


async def begin(ctx: Ctx) -> None:
    """A primary and a staged key, if there are none. Inside of a change."""
    if not await store.list_(ctx):
        await _add(ctx, "primary")
        await _add(ctx, "staged")


async def list_(ctx: Ctx) -> list[Key]:
    """All keys, the newest first."""
    return await store.list_(ctx)


async def rotate(ctx: Ctx) -> None:
    """Make the staged key primary and stage a new one. Raises Conflict while every secondary still has valid tokens."""
    async with revision.change(ctx) as ctx:
        now, limits = ctx.now(), ctx.world.config.identity
        found = await store.list_(ctx)
        if not rules.has_room(found, limits.fernet_keys, now):
            raise Conflict(
                f"{len(found)} keys are in use and each may still have valid tokens. Wait until the oldest are "
                "worn out (identity.token_ttl_s after they were retired), or raise identity.fernet_keys."
            )
        for key in found:
            if rules.is_worn(key, now):
                await store.delete(ctx, key.id)
        of = {key.state: key for key in found}
        lasts_s = max(of["primary"].lasts_s, limits.token_ttl_s)
        await store.change(ctx, of["primary"].id, state="secondary", retired_at=now, lasts_s=lasts_s)
        await store.change(ctx, of["staged"].id, state="primary", lasts_s=limits.token_ttl_s)
        await _add(ctx, "staged")
        await changed(ctx, KEY, "updated", of["staged"].id, project_id=None)


async def rotate_when_due(ctx: Ctx) -> None:
    """Rotate when the last rotation is `identity.fernet_rotate_s` ago. Any number of processes may say so at any time.

    Whatever the interval is, no token is refused: a rotation that came too early would have to give up a key with valid
    tokens, and waits until there is none. Who comes second finds that it has been done; a kill leaves all or nothing.
    """
    if await _is_due(ctx):
        async with revision.change(ctx) as ctx:
            if await _is_due(ctx):
                await rotate(ctx)


async def _is_due(ctx: Ctx) -> bool:
    limits, now = ctx.world.config.identity, ctx.now()
    if not limits.fernet_rotate_s:
        return False
    found = await store.list_(ctx)
    return rules.is_due(found, limits.fernet_rotate_s, now) and rules.has_room(found, limits.fernet_keys, now)


async def _add(ctx: Ctx, state: str) -> None:
    key_id = ctx.world.ids.hex()
    sealed = ctx.world.seal.seal(Fernet.generate_key(), place=place(key_id))
    await store.add(ctx, Key(key_id, sealed, state, ctx.now(), None))


def place(key_id: str) -> bytes:
    return f"identity_fernet_key:{key_id}".encode()
