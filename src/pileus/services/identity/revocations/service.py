"""Revocations: tokens that are refused although everything they say is still true.

A role taken away or a user disabled needs none: validation reads the rows. A revocation outlives the cause: who was
disabled and enabled again, or has a new password, gets no old token back. What it means is counted in revisions, which
all processes share, not in the time of day, which they do not.
"""

from __future__ import annotations

from collections.abc import Collection

from pileus.kernel.context import Ctx
from pileus.kernel.http import Query
from pileus.services.identity.lists import Found
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revocations import store
from pileus.services.identity.revocations.store import Bearer, Revocation

__all__ = ["Bearer", "Revocation", "add", "add_users", "means", "page"]


async def add(
    ctx: Ctx,
    *,
    audit_id: str | None = None,
    audit_chain_id: str | None = None,
    user_id: str | None = None,
    project_id: str | None = None,
    domain_id: str | None = None,
) -> None:
    """Refuse from now on all tokens issued before that are of this token, chain, user, project or domain. Inside of a change."""
    what = {
        "audit_id": audit_id,
        "audit_chain_id": audit_chain_id,
        "user_id": user_id,
        "project_id": project_id,
        "domain_id": domain_id,
    }
    await _add(ctx, [what])


async def add_users(ctx: Ctx, user_ids: Collection[str]) -> None:
    """Refuse from now on all tokens of each of these users, at the price of one. Inside of a change."""
    await _add(ctx, [{"user_id": user_id} for user_id in sorted(user_ids)])


async def _add(ctx: Ctx, meant: list[dict[str, str | None]]) -> None:
    now, limits = ctx.now(), ctx.world.config.identity
    await store.forget(ctx, now=now)
    at = await revision.current(ctx)
    until = now + limits.token_ttl_s + limits.allow_expired_window_s
    rows = [
        Revocation(
            id=ctx.world.ids.hex(), revision=at.number, issued_before=now, revoked_at=now, expires_at=until, **what
        )
        for what in meant
    ]
    if rows:
        await store.add(ctx, rows)


async def page(ctx: Ctx, query: Query) -> Found[Revocation]:
    """The revocations that the query string asks for, the oldest first. Raises BadRequest."""
    return await store.page(ctx, query)


async def means(ctx: Ctx, bearer: Bearer) -> bool:
    """Whether such a token was revoked."""
    return await store.means(ctx, bearer)
