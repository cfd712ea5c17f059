"""TOTP: whose passcode is this?"""

from __future__ import annotations

from pileus.kernel.context import Ctx
from pileus.kernel.errors import WHO, Unauthorized
from pileus.services.identity.credentials import service as credentials
from pileus.services.identity.totp import rules, store
from pileus.services.identity.users import service as users

__all__ = ["authenticate"]


async def authenticate(ctx: Ctx, user_id: str | None, passcode: str, *, asked: str) -> str:
    """The id of the user whose device shows this passcode, which is good no more. Raises Unauthorized.

    Outside of a transaction. `user_id` is None when nobody was found by that name. `asked`: the user as the caller has named
    it, in one form; under that failures are counted, and who has failed too often has to wait.
    """
    if not await users.guarded(ctx, f"totp {asked}", lambda: _use(ctx, user_id or "", passcode)):
        raise Unauthorized(WHO)
    assert user_id is not None
    return user_id


async def _use(ctx: Ctx, user_id: str, passcode: str) -> bool | None:
    """True when the passcode is one of this user's and was not used before; else None."""
    kept = [rules.secret_of(each.blob) for each in await credentials.of_user(ctx, user_id, credentials.TOTP)]
    now, previous = ctx.now(), ctx.world.config.identity.totp_previous_windows
    steps = [rules.step_of(secret, passcode, now=now, previous=previous) for secret in kept or [None]]
    step = max((each for each in steps if each is not None), default=None)
    if step is None:
        return None
    async with ctx.transaction() as ctx:
        await store.forget(ctx, before=int(now) // rules.STEP_S - previous)
        return await store.use(ctx, user_id, step, passcode) or None
