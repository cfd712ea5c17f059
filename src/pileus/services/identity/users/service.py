"""Users: what the rest of Identity and the other services may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound, Unauthorized
from pileus.kernel.http import Query
from pileus.services.identity.lists import Found
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revocations import service as revocations
from pileus.services.identity.users import store
from pileus.services.identity.users.passwords import Hasher, hasher
from pileus.services.identity.users.store import User

__all__ = [
    "WHO",
    "Hasher",
    "User",
    "authenticate",
    "change",
    "change_own_password",
    "create",
    "delete",
    "find",
    "get",
    "hasher",
    "named",
    "on_delete",
    "page",
    "shown",
    "shown_expiry",
]

WHO = "The request you have made requires authentication."

_deleted: list[Callable[[Ctx, str], Awaitable[None]]] = []

USER = "identity.user"


def on_delete(call: Callable[[Ctx, str], Awaitable[None]]) -> Callable[[Ctx, str], Awaitable[None]]:
    """Call this with the id of a user, in the transaction that deletes it. For the nouns and services above."""
    _deleted.append(call)
    return call


async def find(ctx: Ctx, user_id: str) -> User | None:
    """The user of that id."""
    return await store.get(ctx, user_id)


async def get(ctx: Ctx, user_id: str) -> User:
    """The user of that id. Raises NotFound."""
    found = await store.get(ctx, user_id)
    if found is None:
        raise NotFound(f"Could not find user: {user_id}.")
    return found


async def named(ctx: Ctx, name: str, domain_id: str) -> User | None:
    """The user of that name in the domain."""
    return await store.named(ctx, name, domain_id)


def shown_expiry(user: User) -> str | None:
    """When the user's password expires, as Identity writes it: without a Z."""
    at = user.password_expires_at
    return None if at is None else iso(at, microseconds=True).removesuffix("Z")


def shown(user: User) -> dict[str, Any]:
    """The user as the API shows it, but for its links."""
    document = {
        **user.extra,
        "id": user.id,
        "name": user.name,
        "domain_id": user.domain_id,
        "enabled": user.enabled,
        "password_expires_at": shown_expiry(user),
        "options": user.options,
    }
    if user.default_project_id is not None:
        document["default_project_id"] = user.default_project_id
    return document


async def page(ctx: Ctx, query: Query, *, domain_id: str | None, among: sa.Select[Any] | None = None) -> Found[User]:
    """The users that the query string asks for, of one domain or of all (None). Raises BadRequest.

    `among`: only those whose ids this gives.
    """
    return await store.page(ctx, query, domain_id, among)


async def authenticate(ctx: Ctx, user_id: str | None, password: str) -> User:
    """The user whose password this is. Raises Unauthorized, after one hash whatever the cause: the time tells nothing.

    Outside of a transaction. `user_id` is None when nobody was found by that name.
    """
    async with ctx.read() as reading:
        user = await store.get(reading, user_id) if user_id else None
        kept = await store.password(reading, user.id) if user else None
        domain = await projects.find(reading, user.domain_id) if user else None
    fits = await hasher(ctx).check(password, kept.hash if kept else None)
    if not fits or user is None or not user.enabled or domain is None or not domain.enabled:
        raise Unauthorized(WHO)
    return user


async def create(
    ctx: Ctx,
    name: str,
    domain_id: str,
    *,
    user_id: str | None = None,
    password: str | None = None,
    facts: Mapping[str, Any],
) -> User:
    """A user; without a password nobody can log in as it.

    `facts`: enabled, default_project_id, options, extra. Raises BadRequest, Conflict.
    """
    hash_ = await hasher(ctx).hash(password) if password is not None else None
    user = User(
        id=user_id or ctx.world.ids.hex(),
        name=name.strip(),
        domain_id=domain_id,
        enabled=facts.get("enabled", True),
        default_project_id=facts.get("default_project_id"),
        options=facts.get("options") or {},
        extra=facts.get("extra") or {},
        made_at=ctx.now(),
    )
    async with revision.change(ctx) as ctx:
        domain = await projects.find(ctx, domain_id)
        if domain is None or not domain.is_domain:
            raise BadRequest(f"Could not find domain: {domain_id}.")
        await _check_name(ctx, user)
        await _check_default_project(ctx, user)
        await store.add(ctx, user)
        if hash_ is not None:
            await store.set_password(ctx, user.id, hash_, made_at=ctx.now(), self_service=False)
        await changed(ctx, USER, "created", user.id, project_id=None)
    return user


async def _check_name(ctx: Ctx, user: User) -> None:
    same = await store.named(ctx, user.name, user.domain_id)
    if same is not None and same.id != user.id:
        raise Conflict(
            "Conflict occurred attempting to store user - Duplicate entry found with name "
            f"{user.name} at domain ID {user.domain_id}."
        )


async def _check_default_project(ctx: Ctx, user: User) -> None:
    project = await projects.find(ctx, user.default_project_id) if user.default_project_id else None
    if project is not None and project.is_domain:
        raise BadRequest(f"User's default project ID cannot be a domain ID: {user.default_project_id}")


async def change(ctx: Ctx, user_id: str, wanted: Mapping[str, Any], *, password: str | None = None) -> User:
    """Write these columns, and the password. Disabling, or a new password, refuses all tokens of the user, for good."""
    hash_ = await hasher(ctx).hash(password) if password is not None else None
    async with revision.change(ctx) as ctx:
        before = await get(ctx, user_id)
        after = msgspec.structs.replace(before, **wanted)
        if after.domain_id != before.domain_id:
            raise BadRequest("Cannot change Domain ID")
        await _check_name(ctx, after)
        await _check_default_project(ctx, after)
        if wanted:
            await store.change(ctx, user_id, **wanted)
        if hash_ is not None:
            await store.set_password(ctx, user_id, hash_, made_at=ctx.now(), self_service=False)
        if hash_ is not None or (before.enabled and not after.enabled):
            await revocations.add(ctx, user_id=user_id)
        await changed(ctx, USER, "updated", user_id, project_id=None)
    return after


async def change_own_password(ctx: Ctx, user_id: str, *, original: str, password: str) -> None:
    """Give the user a new password, who knows the present one. Raises Unauthorized."""
    await authenticate(ctx, user_id, original)
    hash_ = await hasher(ctx).hash(password)
    async with revision.change(ctx) as ctx:
        await get(ctx, user_id)
        await store.set_password(ctx, user_id, hash_, made_at=ctx.now(), self_service=True)
        await revocations.add(ctx, user_id=user_id)
        await changed(ctx, USER, "updated", user_id, project_id=None)


async def delete(ctx: Ctx, user_id: str) -> None:
    """Delete a user and what is its own. Its tokens are refused from the next request on. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, user_id)
        await _forget(ctx, user_id)


async def _forget(ctx: Ctx, user_id: str) -> None:
    for call in _deleted:
        await call(ctx, user_id)
    await store.delete(ctx, user_id)
    await changed(ctx, USER, "deleted", user_id, project_id=None)


@projects.on_delete_domain
async def forget_domain(ctx: Ctx, domain_id: str) -> None:
    for user_id in await store.ids_in(ctx, domain_id):
        await _forget(ctx, user_id)
