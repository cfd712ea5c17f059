"""Logging in by a passcode."""

from __future__ import annotations

from pileus.kernel.context import Ctx
from pileus.services.identity.methods import Attempt, Part, Proof, UserRef, asked, method, user_of
from pileus.services.identity.totp import service


class UserWithPasscode(UserRef, frozen=True):
    passcode: str = ""


class Totp(Part, frozen=True):
    user: UserWithPasscode


@method("totp", Totp)
async def by_totp(ctx: Ctx, data: Totp, attempt: Attempt) -> Proof:
    """An unknown user, one without a device and a wrong passcode take as long."""
    user_id = await user_of(ctx, data.user, "identity/totp/user")
    return Proof(user_id=await service.authenticate(ctx, user_id, data.user.passcode, asked=asked(data.user)))
