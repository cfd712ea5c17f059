"""OAuth: what the API may ask for, and logins by access tokens.

A consumer asks for a request token, a user authorizes that for some roles in a project and gets a verifier, with which the
consumer exchanges it for an access token; requests that it signs with that bring tokens for those roles.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import WHO, BadRequest, Forbidden, NotFound, Unauthorized, Unavailable
from pileus.kernel.http import Query
from pileus.kernel.seal import SealError
from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.grounds import Basis, Ground, basis_of, ground
from pileus.services.identity.lists import Found
from pileus.services.identity.oauth1 import rules, store
from pileus.services.identity.oauth1.rules import Message, Signed
from pileus.services.identity.oauth1.store import AccessToken, Consumer, RequestToken
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.roles import service as roles
from pileus.services.identity.roles.service import Role

__all__ = [
    "AccessToken",
    "Consumer",
    "Issued",
    "Message",
    "access_page",
    "access_roles",
    "access_token",
    "authorize",
    "change_consumer",
    "consumer",
    "consumers_page",
    "create_access_token",
    "create_consumer",
    "create_request_token",
    "delete_access_token",
    "delete_consumer",
    "proven",
]

CONSUMER = "identity.oauth_consumer"
REQUEST_TOKEN = "identity.oauth_request_token"  # noqa: S105 (the name of a kind)
ACCESS_TOKEN = "identity.oauth_access_token"  # noqa: S105 (the name of a kind)
KIND = "access_token"
NOBODY = "0" * 32  # secret of nobody: to look at what nobody signed takes as long


class Issued(msgspec.Struct, frozen=True):
    """A token as it is handed out, this once with its secret."""

    id: str
    secret: str
    expires_at: float | None


def place(kind: str, id_: str) -> bytes:
    """Where a secret opens."""
    return f"identity_oauth_{kind}:{id_}".encode()


def _sealed(ctx: Ctx, kind: str, id_: str) -> tuple[str, bytes]:
    """A new secret, open and sealed."""
    secret = ctx.world.ids.hex()
    return secret, ctx.world.seal.seal(secret.encode(), place=place(kind, id_))


def _opened(ctx: Ctx, kind: str, row: Consumer | RequestToken | AccessToken) -> str:
    try:
        return ctx.world.seal.open(row.sealed, place=place(kind, row.id)).decode()
    except SealError as e:
        raise Unavailable(
            f"The secret of {row.id} cannot be opened: {e}. Bring back the site key of this database."
        ) from e


# Consumers


async def consumer(ctx: Ctx, consumer_id: str) -> Consumer:
    """The consumer of that id. Raises NotFound."""
    found = await store.consumer(ctx, consumer_id)
    if found is None:
        raise NotFound("Consumer not found")
    return found


async def consumers_page(ctx: Ctx, query: Query) -> Found[Consumer]:
    """The consumers that the query string asks for. Raises BadRequest."""
    return await store.consumers_page(ctx, query)


async def create_consumer(ctx: Ctx, description: str | None, extra: dict[str, Any]) -> tuple[Consumer, str]:
    """A consumer and its secret, which is told this once."""
    consumer_id = ctx.world.ids.hex()
    secret, sealed = _sealed(ctx, "consumer", consumer_id)
    made = Consumer(consumer_id, description, sealed, extra)
    async with ctx.transaction() as ctx:
        await store.add_consumer(ctx, made)
        await changed(ctx, CONSUMER, "created", consumer_id, project_id=None)
    return made, secret


async def change_consumer(ctx: Ctx, consumer_id: str, wanted: Mapping[str, Any]) -> Consumer:
    """Write these: description, extra. Raises NotFound."""
    async with ctx.transaction() as ctx:
        after = msgspec.structs.replace(await consumer(ctx, consumer_id), **wanted)
        await store.change_consumer(ctx, consumer_id, description=after.description, extra=after.extra)
        await changed(ctx, CONSUMER, "updated", consumer_id, project_id=None)
    return after


async def delete_consumer(ctx: Ctx, consumer_id: str) -> None:
    """With its tokens; what was got by them is refused from the next request on. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await ctx.lock(CONSUMER, consumer_id)
        await consumer(ctx, consumer_id)
        await store.delete_consumer(ctx, consumer_id)
        await changed(ctx, CONSUMER, "deleted", consumer_id, project_id=None)


# Signed requests


async def _check_signed(ctx: Ctx, signed: Signed, kind: str, token: RequestToken | AccessToken | None) -> None:
    """Raises Unauthorized unless the consumer that is named has signed it, with the token if one is named: then `token`."""
    found = await store.consumer(ctx, signed.consumer_id)
    ours = found is not None and (token.consumer_id == found.id if token else not signed.said.get("oauth_token"))
    consumer_secret = _opened(ctx, "consumer", found) if found else NOBODY
    token_secret = _opened(ctx, kind, token) if token else ""
    if not rules.is_signed(signed, consumer_secret, token_secret) or not ours:
        raise Unauthorized("Invalid signature")


async def _take_once(ctx: Ctx, signed: Signed) -> None:
    """Raises Unauthorized for a request that was taken before, or whose consumer is gone by now. In a transaction."""
    now = ctx.now()
    await ctx.lock(CONSUMER, signed.consumer_id)
    await store.forget_old(ctx, now=now, nonces_before=now - 2 * rules.WINDOW_S)
    if await store.consumer(ctx, signed.consumer_id) is None or not await store.is_new(ctx, signed.nonce_id, now):
        raise Unauthorized("Invalid signature: this request was sent before.")


def _until(ctx: Ctx, ttl_s: int) -> float | None:
    return ctx.now() + ttl_s if ttl_s else None


def _check_time(token: RequestToken | AccessToken, now: float, what: str) -> None:
    if token.expires_at is not None and token.expires_at <= now:
        raise Unauthorized(f"{what} token is expired")


async def create_request_token(ctx: Ctx, message: Message, project_id: str) -> Issued:
    """The first step of a consumer. Raises BadRequest, Unauthorized, and NotFound for a project that is not there."""
    signed = rules.read(message, now=ctx.now())
    await _check_signed(ctx, signed, "request_token", None)
    await projects.get(ctx, project_id)
    token_id = ctx.world.ids.hex()
    secret, sealed = _sealed(ctx, "request_token", token_id)
    expires_at = _until(ctx, ctx.world.config.identity.oauth_request_ttl_s)
    async with ctx.transaction() as ctx:
        await _take_once(ctx, signed)
        await store.add_request_token(ctx, RequestToken(token_id, signed.consumer_id, project_id, sealed, expires_at))
        await changed(ctx, REQUEST_TOKEN, "created", token_id, project_id=None)
    return Issued(token_id, secret, expires_at)


async def authorize(ctx: Ctx, token_id: str, wanted: Sequence[Mapping[str, str]]) -> str:
    """The caller lends these roles, each named by id or name; returns the verifier to tell the consumer.

    Raises NotFound, BadRequest, Forbidden, Unauthorized.
    """
    _refuse_delegated(ctx, "authorize a request token")
    verifier = "".join(secrets.choice(rules.UNAMBIGUOUS) for _ in range(8))
    user_id = ctx.caller.user_id
    async with revision.change(ctx) as ctx:
        found = await store.request_token(ctx, token_id)
        if found is None:
            raise NotFound("Request token not found")
        _check_time(found, ctx.now(), "Request")
        role_ids = sorted({each["id"] if "id" in each else await roles.id_named(ctx, each["name"]) for each in wanted})
        held = await assignments.roles_of(ctx, user_id, found.project_id, await revision.current(ctx))
        if not role_ids or not {each.id for each in held}.issuperset(role_ids):
            raise Unauthorized("authorizing user does not have role required")
        await store.authorize(ctx, token_id, user_id, role_ids, verifier)
        await changed(ctx, REQUEST_TOKEN, "updated", token_id, project_id=None)
    return verifier


def _refuse_delegated(ctx: Ctx, what: str) -> None:
    if basis_of(ctx.caller) is not None:
        raise Forbidden(f"Cannot {what} with a token issued via delegation.")


async def create_access_token(ctx: Ctx, message: Message) -> Issued:
    """The last step of a consumer, which uses the request token up. Raises BadRequest, Unauthorized."""
    signed = rules.read(message, now=ctx.now())
    for name in ("oauth_token", "oauth_verifier"):
        if not signed.said.get(name):
            raise BadRequest(f"Expecting to find {name} in request.")
    async with ctx.read() as reading:
        asked = await _authorized(reading, signed)
    secret, token = _lent(ctx, asked)
    async with revision.change(ctx) as ctx:
        if await store.request_token(ctx, asked.id) != asked:
            raise Unauthorized("Invalid signature")  # somebody was faster
        await _take_once(ctx, signed)
        await store.delete_request_token(ctx, asked.id)
        await store.add_access_token(ctx, token)
        await changed(ctx, ACCESS_TOKEN, "created", token.id, project_id=None, facts={"user": token.user_id})
    return Issued(token.id, secret, token.expires_at)


def _lent(ctx: Ctx, asked: RequestToken) -> tuple[str, AccessToken]:
    """The access token for what was authorized, and its secret."""
    assert asked.user_id is not None
    token_id, expires_at = ctx.world.ids.hex(), _until(ctx, ctx.world.config.identity.oauth_access_ttl_s)
    secret, sealed = _sealed(ctx, KIND, token_id)
    where = asked.consumer_id, asked.project_id
    return secret, AccessToken(token_id, *where, sealed, expires_at, asked.user_id, asked.role_ids)


async def _authorized(ctx: Ctx, signed: Signed) -> RequestToken:
    """The request token that somebody authorized and told the verifier of. Raises Unauthorized."""
    found = await store.request_token(ctx, signed.token_id)
    await _check_signed(ctx, signed, "request_token", found)
    assert found is not None
    _check_time(found, ctx.now(), "Request")
    if found.verifier is None:
        raise Unauthorized("Request Token does not have an authorizing user id.")
    if not compare_digest(found.verifier.encode(), signed.said["oauth_verifier"].encode()):
        raise Unauthorized("Provided verifier does not match stored verifier")
    return found


# Access tokens


async def access_token(ctx: Ctx, user_id: str, token_id: str) -> AccessToken:
    """The one of that id that this user has authorized. Raises NotFound, Forbidden."""
    _refuse_delegated(ctx, "manage OAuth access tokens")
    found = await store.access_token(ctx, token_id)
    if found is None or found.user_id != user_id:
        raise NotFound("Access token not found")
    return found


async def access_page(ctx: Ctx, query: Query, user_id: str) -> Found[AccessToken]:
    """Those that the user has authorized. Raises BadRequest, Forbidden."""
    _refuse_delegated(ctx, "manage OAuth access tokens")
    return await store.access_page(ctx, query, user_id)


async def access_roles(ctx: Ctx, user_id: str, token_id: str) -> list[Role]:
    """The roles that it lends, by id. Raises NotFound, Forbidden."""
    return await roles.by_ids(ctx, (await access_token(ctx, user_id, token_id)).role_ids)


async def delete_access_token(ctx: Ctx, user_id: str, token_id: str) -> None:
    """What was got by it is refused from the next request on. Raises NotFound, Forbidden."""
    async with revision.change(ctx) as ctx:
        await access_token(ctx, user_id, token_id)
        await store.delete_access_token(ctx, token_id)
        await changed(ctx, ACCESS_TOKEN, "deleted", token_id, project_id=None)


@projects.on_delete
async def forget_projects(ctx: Ctx, project_ids: Sequence[str]) -> None:
    """Those of a user go with the user by the foreign key."""
    await store.forget_projects(ctx, project_ids)


# Logging in


async def proven(ctx: Ctx, message: Message) -> AccessToken:
    """The access token with which a login was signed. Raises BadRequest, Unauthorized. Outside of a transaction."""
    signed = rules.read(message, now=ctx.now())
    if not signed.said.get("oauth_token"):
        raise BadRequest("Expecting to find oauth_token in request.")
    async with ctx.read() as reading:
        found = await store.access_token(reading, signed.token_id)
        await _check_signed(reading, signed, KIND, found)
    assert found is not None
    _check_time(found, ctx.now(), "Access")
    async with ctx.transaction() as ctx:
        await _take_once(ctx, signed)
    return found


@ground(KIND)
async def standing(ctx: Ctx, token_id: str, token_of: str) -> Ground:
    """What the user lent, as far as the user still has it."""
    found = await store.access_token(ctx, token_id)
    if found is None or found.user_id != token_of or (found.expires_at is not None and found.expires_at <= ctx.now()):
        raise Unauthorized(WHO)
    return Ground(
        user_id=found.user_id,
        grantor_id=found.user_id,
        role_ids=frozenset(found.role_ids),
        expires_at=found.expires_at,
        document={"OS-OAUTH1": {"access_token_id": found.id, "consumer_id": found.consumer_id}},
        facts={},
    )


def basis(token: AccessToken) -> Basis:
    """What a token rests on that was got by it."""
    return Basis(KIND, token.id)
