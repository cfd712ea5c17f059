"""Users: what the rest of Identity and the other services may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.audit import about
from pileus.kernel.changes import changed, changed_each
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.http import Query
from pileus.services.identity.identity_providers import service as identity_providers
from pileus.services.identity.lists import Found
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revocations import service as revocations
from pileus.services.identity.times import shown_time
from pileus.services.identity.users import logins, rules, store
from pileus.services.identity.users.guesses import guarded
from pileus.services.identity.users.logins import USER, authenticate, change_own_password
from pileus.services.identity.users.passwords import KEPT, Hasher, check_form, fits, hashed
from pileus.services.identity.users.store import Identifier, User

__all__ = [
    "KEPT",
    "Hasher",
    "Identifier",
    "User",
    "authenticate",
    "by_ids",
    "change",
    "change_own_password",
    "create",
    "delete",
    "find",
    "fits",
    "get",
    "guarded",
    "hashed",
    "identifiers",
    "named",
    "on_delete",
    "page",
    "shown",
    "shown_expiry",
]

Forget = Callable[[Ctx, Sequence[str]], Awaitable[None]]

_deleted: list[Forget] = []

BATCH = 500

KEPT.append(store.passwords.c.hash)


def on_delete(call: Forget) -> Forget:
    """Call this with the ids of users, at most BATCH, in the transaction that deletes them. For the nouns above."""
    _deleted.append(call)
    return call


async def find(ctx: Ctx, user_id: str) -> User | None:
    """The user of that id."""
    found = await store.get(ctx, user_id)
    return None if found is None else logins.seen(ctx, found)


async def get(ctx: Ctx, user_id: str) -> User:
    """The user of that id. Raises NotFound."""
    found = await find(ctx, user_id)
    if found is None:
        raise NotFound(f"Could not find user: {user_id}.")
    return found


async def by_ids(ctx: Ctx, ids: Collection[str]) -> dict[str, User]:
    """Those of them that are there."""
    return {id_: logins.seen(ctx, found) for id_, found in (await store.by_ids(ctx, sorted(ids))).items()}


async def named(ctx: Ctx, name: str, domain_id: str) -> User | None:
    """The user of that name in the domain."""
    found = await store.named(ctx, name, domain_id)
    return None if found is None else logins.seen(ctx, found)


async def page(ctx: Ctx, query: Query, *, domain_id: str | None, among: sa.Select[Any] | None = None) -> Found[User]:
    """The users that the query string asks for, of one domain or of all (None). Raises BadRequest.

    `among`: only those whose ids this gives.
    """
    found = await store.page(ctx, query, domain_id, among)
    return Found([logins.seen(ctx, each) for each in found.items], found.page)


async def identifiers(ctx: Ctx, user_id: str) -> list[Identifier]:
    """By what identity providers know the user."""
    return await store.identifiers(ctx, user_id)


def shown_expiry(user: User) -> str | None:
    """When the user's password expires, as Identity writes it: without a Z."""
    return shown_time(user.password_expires_at)


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


async def create(
    ctx: Ctx,
    name: str,
    domain_id: str,
    *,
    password: str | None = None,
    as_is: bool = False,
    facts: Mapping[str, Any],
) -> User:
    """A user; without a password nobody can log in as it.

    `facts`: enabled, default_project_id, options, extra, identifiers. `as_is`: the password need not have the form that the
    operator wants. Raises BadRequest, NotFound for the domain, Conflict.
    """
    if password is not None and not as_is:
        await check_form(ctx, password)
    hash_ = await hashed(ctx, password) if password is not None else None
    now = ctx.now()
    user = User(
        id=ctx.world.ids.hex(),
        name=name.strip(),
        domain_id=domain_id,
        enabled=facts.get("enabled", True),
        default_project_id=facts.get("default_project_id"),
        options=rules.merged({}, facts.get("options") or {}),
        extra=facts.get("extra") or {},
        made_at=now,
        last_active_at=now,
    )
    async with revision.change(ctx) as ctx:
        await projects.get(ctx, domain_id, domain=True)
        await _check_name(ctx, user)
        await _check_default_project(ctx, user)
        await store.add(ctx, user)
        await _set_identifiers(ctx, user.id, facts.get("identifiers") or ())
        if hash_ is not None:
            user = await _with_password(ctx, user, hash_)
        await changed(ctx, USER, "created", user.id, project_id=None)
    return user


async def _with_password(ctx: Ctx, user: User, hash_: str | None) -> User:
    expires_at = await logins.set_password(ctx, user, hash_, chosen=False)
    return msgspec.structs.replace(user, password_expires_at=expires_at)


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


async def _set_identifiers(ctx: Ctx, user_id: str, wanted: Sequence[Identifier]) -> None:
    """Exchange them all; none wanted changes nothing."""
    for one in wanted:
        try:
            await identity_providers.protocol(ctx, one.idp_id, one.protocol_id)
        except NotFound as e:
            raise BadRequest(e.message) from None
        if await store.identified(ctx, one) not in (None, user_id):
            raise Conflict(f"Conflict occurred attempting to store federated_user - {one.unique_id} is another user's.")
    if wanted:
        await store.set_identifiers(ctx, user_id, wanted)


async def change(ctx: Ctx, user_id: str, wanted: Mapping[str, Any]) -> User:
    """Write these: columns (`options` and `extra` into what is there), `identifiers`, and `password` (None takes it away).

    Disabling, or a new password, refuses all tokens of the user, for good; enabling unlocks. Raises NotFound, BadRequest,
    Conflict.
    """
    if wanted.get("password") is not None:
        await check_form(ctx, wanted["password"])
        hash_ = await hashed(ctx, wanted["password"])
    else:
        hash_ = None
    async with revision.change(ctx) as ctx:
        before = await get(ctx, user_id)
        columns = _columns(ctx, before, wanted)
        after = msgspec.structs.replace(before, **columns)
        if after.domain_id != before.domain_id:
            raise BadRequest("Cannot change Domain ID")
        await _check_name(ctx, after)
        await _check_default_project(ctx, after)
        await _set_identifiers(ctx, user_id, wanted.get("identifiers") or ())
        if columns:
            await store.change(ctx, user_id, **columns)
        if columns.get("enabled"):
            await store.change(ctx, user_id, failures=0, failed_at=None)
        if "password" in wanted:
            after = await _with_password(ctx, after, hash_)
        if hash_ is not None or (before.enabled and not after.enabled):
            await revocations.add(ctx, user_id=user_id)
        await changed(ctx, USER, "updated", user_id, project_id=None)
    return after


def _columns(ctx: Ctx, before: User, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is written of the user's own row."""
    columns = {name: value for name, value in wanted.items() if name not in {"password", "identifiers"}}
    if "name" in columns:
        columns["name"] = columns["name"].strip()
    if "options" in columns:
        columns["options"] = rules.merged(before.options, columns["options"])
    if "extra" in columns:
        columns["extra"] = {**before.extra, **columns["extra"]}
    if columns.get("enabled"):
        columns["last_active_at"] = ctx.now()
    return columns


async def delete(ctx: Ctx, user_id: str) -> None:
    """Delete a user and what is its own. Its tokens are refused from the next request on. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, user_id)
        await _forget(ctx, [user_id])
        about(ctx, USER, user_id)


async def _forget(ctx: Ctx, ids: Sequence[str]) -> None:
    for call in _deleted:
        await call(ctx, ids)
    await store.delete(ctx, ids)
    await changed_each(ctx, USER, "deleted", dict.fromkeys(ids))


@projects.on_delete
async def forget_projects(ctx: Ctx, project_ids: Sequence[str]) -> None:
    """They are nobody's default any longer."""
    await store.forget_defaults(ctx, project_ids)


@projects.on_delete_domain
async def forget_domain(ctx: Ctx, domain_id: str) -> None:
    ids = await store.ids_in(ctx, domain_id)
    for start in range(0, len(ids), BATCH):
        await _forget(ctx, ids[start : start + BATCH])
