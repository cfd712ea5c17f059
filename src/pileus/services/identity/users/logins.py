"""Passwords, asked for: is it the user's, does it still count, may the user choose another one."""

from __future__ import annotations

import logging
from dataclasses import replace
from math import ceil

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Caller, Ctx
from pileus.kernel.errors import WHO, BadRequest, Unauthorized
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revocations import service as revocations
from pileus.services.identity.users import rules, store
from pileus.services.identity.users.guesses import guarded, unaudited
from pileus.services.identity.users.passwords import check_form, fits, hashed, hasher
from pileus.services.identity.users.store import Failures, Password, User

LOG = logging.getLogger(__name__)

USER = "identity.user"
NOBODY = ""
"""The id of no user, and of no domain."""
MAY_NOT_CHOOSE = (
    "You cannot change your password at this time due to password policy disallowing password changes. Please contact your "
    "administrator to reset your password."
)


def seen(ctx: Ctx, user: User) -> User:
    """The user as it counts: who was away for too long is disabled."""
    limits = ctx.world.config.identity
    if user.enabled and rules.inactive(user.last_active_at, user.options, ctx.now(), limits):
        return msgspec.structs.replace(user, enabled=False)
    return user


async def authenticate(ctx: Ctx, user_id: str | None, password: str, *, asked: str = "") -> User:
    """The user whose password this is. Raises Unauthorized, after one hash whatever the cause: the time tells nothing.

    Outside of a transaction. `user_id` is None when nobody was found by that name. `asked`: the user as the caller has named
    it, in one form; under that failures are counted, and who has failed too often has to wait.
    """
    user, _ = await _proven(ctx, user_id, password, asked)
    if rules.expired(user.password_expires_at, user.options, ctx.now()):
        raise Unauthorized(f"The password is expired and needs to be changed for user: {user.id}.")
    return user


async def _proven(ctx: Ctx, user_id: str | None, password: str, asked: str) -> tuple[User, Password]:
    key, id_ = f"password {asked or repr(user_id)}", user_id or NOBODY
    found = await guarded(ctx, key, lambda: _fitting(ctx, id_, password), lambda tx: _count_failure(tx, id_))
    if found is None:
        raise Unauthorized(WHO)
    await _renew(ctx, *found, password)
    return found


async def _renew(ctx: Ctx, user: User, kept: Password, password: str) -> None:
    """Keep what was proven by a hash of the cost that is configured now."""
    hashes = await hasher(ctx)
    if kept.hash is not None and hashes.outdated(kept.hash):
        hash_ = await hashes.hash(password)
        async with unaudited(ctx).transaction() as tx:
            await store.renew_hash(tx, user.id, kept, hash_)


async def _fitting(ctx: Ctx, user_id: str, password: str) -> tuple[User, Password] | None:
    """The user and the password that counts, if it is this one; None for a user that is not there, disabled or locked.

    The same statements and one hash, whichever of these it is.
    """
    async with ctx.read() as reading:
        user = await store.get(reading, user_id)
        kept = await store.password(reading, user_id)
        domain = await projects.find(reading, user.domain_id if user else NOBODY)
    proven = await fits(ctx, password, kept.hash)
    failures = await _failures(ctx, user_id)
    if not proven or user is None or not seen(ctx, user).enabled or domain is None or not domain.enabled:
        return None
    if rules.locked(failures.count, failures.at, user.options, ctx.now(), ctx.world.config.identity):
        return None
    await _note_success(ctx, user, failures)
    return user, kept


async def _failures(ctx: Ctx, user_id: str) -> Failures:
    """Up to now, not up to when the hash began: who tries many passwords at once gains nothing."""
    if not ctx.world.config.identity.lockout_failure_attempts:
        return Failures()
    return await store.failures(ctx, user_id)


async def _count_failure(ctx: Ctx, user_id: str) -> None:
    limits, now = ctx.world.config.identity, ctx.now()
    if not limits.lockout_failure_attempts:
        return
    over = now - limits.lockout_duration_s if limits.lockout_duration_s else 0.0
    counted = await store.count_failure(ctx, user_id, now=now, most=limits.lockout_failure_attempts, over=over)
    if counted == limits.lockout_failure_attempts:
        LOG.warning("A user is locked: wrong passwords.", extra={"facts": {"user": user_id, "client": ctx.source}})


async def _note_success(ctx: Ctx, user: User, failures: Failures) -> None:
    now = ctx.now()
    if failures.count or user.last_active_at // rules.DAY_S < now // rules.DAY_S:
        async with unaudited(ctx).transaction() as tx:
            await store.change(tx, user.id, failures=0, failed_at=None, last_active_at=now)


async def change_own_password(ctx: Ctx, user_id: str, *, original: str, password: str) -> None:
    """Give the user a new password, who knows the present one, which may have expired. Refuses all tokens of before.

    Raises Unauthorized; BadRequest when the user may choose no password now, or not this one.
    """
    user, kept = await _proven(ctx, user_id, original, "")
    await check_form(ctx, password)
    _check_choice(ctx, user, kept)
    await _check_history(ctx, user.id, password)
    hash_ = await hashed(ctx, password)
    proven = replace(ctx, caller=Caller(user.id))  # until here it was nobody's
    async with revision.change(proven) as ctx:
        now = await store.get(ctx, user_id)
        if now is None or (await store.password(ctx, user_id)).ordinal != kept.ordinal:
            raise Unauthorized(WHO)  # while we hashed, another password was set: the original is none any more
        await set_password(ctx, now, hash_, chosen=True)
        await revocations.add(ctx, user_id=user_id)
        await changed(ctx, USER, "updated", user_id, project_id=None)


def _check_choice(ctx: Ctx, user: User, kept: Password) -> None:
    """Raises BadRequest when the user may not choose a password, or not yet."""
    if user.options.get(rules.LOCK_PASSWORD):
        raise BadRequest(MAY_NOT_CHOOSE)
    limits = ctx.world.config.identity
    days = ceil(rules.days_left(kept.made_at, ctx.now(), limits))
    if kept.self_service and days > 0:
        raise BadRequest(
            "You cannot change your password at this time due to the minimum password age. Once you change your password, it "
            f"must be used for {limits.minimum_password_age_days} day(s) before it can be changed. Please try again in {days} "
            "day(s) or contact your administrator to reset your password."
        )


async def _check_history(ctx: Ctx, user_id: str, password: str) -> None:
    count = ctx.world.config.identity.unique_last_password_count
    for old in await store.last_passwords(ctx, user_id, count):
        if old.hash is not None and await fits(ctx, password, old.hash):
            raise BadRequest(
                "The new password cannot be identical to a previous password. The total number which includes the new "
                f"password must be unique is {count}."
            )


async def set_password(ctx: Ctx, user: User, hash_: str | None, *, chosen: bool) -> float | None:
    """From now on it counts; None: the user has no password. `chosen`: by the user. Returns when it expires."""
    limits, now = ctx.world.config.identity, ctx.now()
    last = await store.password(ctx, user.id)
    new = Password(ordinal=last.ordinal + 1, hash=hash_, made_at=now, self_service=chosen)
    expires_at = rules.expiry(now, user.options, limits, chosen=chosen) if hash_ is not None else None
    keep = max(1, limits.unique_last_password_count)
    await store.set_password(ctx, user.id, new, expires_at=expires_at, keep=keep)
    return expires_at
