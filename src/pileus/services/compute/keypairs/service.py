"""Key pairs: what the rest of Compute may ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.paging import Page
from pileus.kernel.quota import claim
from pileus.services.compute.keypairs import rules, store
from pileus.services.compute.keypairs.store import Keypair
from pileus.services.compute.quotas import KEY_PAIRS
from pileus.services.identity.users import service as users

__all__ = ["Keypair", "count_of", "create", "delete", "generate", "get", "page"]

KEYPAIR = "compute.keypair"

count_of = store.count_of


async def get(ctx: Ctx, name: str, user_id: str | None = None) -> Keypair:
    """The user's (the caller's, unless one is named) key pair of that name. Raises NotFound."""
    owner = user_id or ctx.caller.user_id
    found = await store.find(ctx, owner, name)
    if found is None:
        raise NotFound(f"Keypair {name} not found for user {owner}")
    return found


async def page(ctx: Ctx, user_id: str, *, limit: int | None, marker: str | None) -> tuple[list[Keypair], Page]:
    """The user's, by name. Raises BadRequest for a marker that is none."""
    return await store.page(ctx, user_id, limit, marker)


async def create(ctx: Ctx, user_id: str, name: str, kind: str, public_key: str) -> Keypair:
    """Keep a public key for a user. Raises BadRequest for what is no key or no user, Conflict, OverQuota."""
    try:
        fingerprint = rules.fingerprint(public_key, kind)
    except ValueError as e:
        raise BadRequest(f"Keypair data is invalid: {e}") from None
    new = Keypair(
        user_id=user_id, name=name, type=kind, public_key=public_key, fingerprint=fingerprint, made_at=ctx.now()
    )
    async with ctx.transaction() as ctx:
        await ctx.lock("subject", f"the key pairs of {user_id}")  # before the lock of the quota
        if user_id not in await users.by_ids(ctx, [user_id]):
            raise BadRequest(f"User {user_id} could not be found: a key pair is a user's.")
        if await store.find(ctx, user_id, name) is not None:
            raise Conflict(f"Key pair '{name}' already exists.")
        project = ctx.caller.project_id or user_id  # whose limit it is; what counts is what the user has
        await claim(ctx, KEY_PAIRS, project, wanted=1, used=lambda _: store.count_of(user_id))
        await store.add(ctx, new)
        await changed(ctx, KEYPAIR, "created", f"{user_id}/{name}", project_id=None)
        return await get(ctx, name, user_id)


async def generate(ctx: Ctx, user_id: str, name: str, kind: str) -> tuple[Keypair, str]:
    """Make a key pair, and keep its public half. Returns the private one, which nobody will be able to tell again.

    Raises as `create` does.
    """
    private, public = await asyncio.to_thread(rules.generate, kind, user_id)
    return await create(ctx, user_id, name, kind, public), private


async def delete(ctx: Ctx, user_id: str, name: str) -> None:
    """Raises NotFound."""
    async with ctx.transaction() as ctx:
        if not await store.delete(ctx, user_id, name):
            raise NotFound(f"Keypair {name} not found for user {user_id}")
        await changed(ctx, KEYPAIR, "deleted", f"{user_id}/{name}", project_id=None)


@users.on_delete
async def forget_users(ctx: Ctx, user_ids: Sequence[str]) -> None:
    """Their keys go with them."""
    await store.delete_of(ctx, user_ids)
