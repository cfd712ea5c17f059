"""The keys that tokens are made with and read by, and their rotation without one refused token.

A new key is staged: read by all, used by none. The next rotation makes it primary: every token is made with it. By then
all processes read it, for a rotation bumps the revision and a request that sees a new revision loads the keys anew. What
was primary stays as a secondary until the last token made with it has expired.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, MultiFernet

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict, Unavailable
from pileus.kernel.seal import SealError
from pileus.services.identity.keys import store
from pileus.services.identity.keys.store import Key
from pileus.services.identity.revision import service as revision

__all__ = ["begin", "ring", "rotate"]

SLACK_S = 600  # a login that was under way when its key was retired may still use it
ORDER = {"primary": 0, "staged": 1, "secondary": 2}


async def ring(ctx: Ctx) -> MultiFernet:
    """Makes tokens with the primary key, reads those of every key. Raises Unavailable."""
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


async def rotate(ctx: Ctx) -> None:
    """Make the staged key primary and stage a new one. Raises Conflict while every secondary still has valid tokens."""
    async with revision.change(ctx) as ctx:
        now, limits = ctx.now(), ctx.world.config.identity
        found = await store.list_(ctx)
        of = {key.state: key for key in found}
        oldest = now - limits.token_ttl_s - SLACK_S
        worn = [key for key in found if key.retired_at is not None and key.retired_at < oldest]
        if len(found) - len(worn) >= limits.fernet_keys:
            raise Conflict(
                f"{len(found)} keys are in use and each may still have valid tokens. Wait until the oldest are "
                "worn out (identity.token_ttl_s after they were retired), or raise identity.fernet_keys."
            )
        for key in worn:
            await store.delete(ctx, key.id)
        await store.change(ctx, of["primary"].id, state="secondary", retired_at=now)
        await store.change(ctx, of["staged"].id, state="primary")
        await _add(ctx, "staged")


async def _add(ctx: Ctx, state: str) -> None:
    key_id = ctx.world.ids.hex()
    sealed = ctx.world.seal.seal(Fernet.generate_key(), place=place(key_id))
    await store.add(ctx, Key(key_id, sealed, state, ctx.now(), None))


def place(key_id: str) -> bytes:
    return f"identity_fernet_key:{key_id}".encode()
