"""The tables behind OAuth. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, insert_if_new, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Found, Listed

consumers = sa.Table(
    "identity_oauth_consumer",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("description", Text),
    sa.Column(
        "sealed", sa.LargeBinary, nullable=False
    ),  # the secret, sealed with the site key for the place of this row
    sa.Column("extra", JSON, nullable=False),
)

request_tokens = sa.Table(
    "identity_oauth_request_token",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("consumer_id", Text, sa.ForeignKey(consumers.c.id, ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("project_id", Text, nullable=False, index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", sa.Float, index=True),  # None: never
    sa.Column("user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), index=True),  # who authorized it
    sa.Column("role_ids", JSON, nullable=False),
    sa.Column("verifier", Text),  # good only together with the two secrets
)

access_tokens = sa.Table(
    "identity_oauth_access_token",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("consumer_id", Text, sa.ForeignKey(consumers.c.id, ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("project_id", Text, nullable=False, index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", sa.Float, index=True),
    sa.Column("user_id", Text, sa.ForeignKey("identity_user.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("role_ids", JSON, nullable=False),
)

nonces = sa.Table(
    "identity_oauth_nonce",
    metadata,
    sa.Column("id", Text, primary_key=True),  # digest of consumer, token, time and nonce of a request that was taken
    sa.Column("at", sa.Float, nullable=False, index=True),
)


class Consumer(msgspec.Struct, frozen=True):
    id: str
    description: str | None
    sealed: bytes
    extra: dict[str, Any]


class RequestToken(msgspec.Struct, frozen=True):
    id: str
    consumer_id: str
    project_id: str
    sealed: bytes
    expires_at: float | None
    user_id: str | None = None
    role_ids: list[str] = []
    verifier: str | None = None


class AccessToken(msgspec.Struct, frozen=True):
    id: str
    consumer_id: str
    project_id: str
    sealed: bytes
    expires_at: float | None
    user_id: str
    role_ids: list[str]


ALL_CONSUMERS = sa.select(*(consumers.c[name] for name in Consumer.__struct_fields__))
ALL_REQUESTS = sa.select(*(request_tokens.c[name] for name in RequestToken.__struct_fields__))
ALL_ACCESS = sa.select(*(access_tokens.c[name] for name in AccessToken.__struct_fields__))
LISTED_CONSUMERS = Listed(Consumer, ALL_CONSUMERS, consumers.c.id, filters={})
LISTED_ACCESS = Listed(AccessToken, ALL_ACCESS, access_tokens.c.id, filters={})


async def consumer(ctx: Ctx, consumer_id: str) -> Consumer | None:
    row = (await ctx.execute(ALL_CONSUMERS.where(consumers.c.id == consumer_id))).one_or_none()
    return None if row is None else Consumer(*row)


async def consumers_page(ctx: Ctx, query: Query) -> Found[Consumer]:
    return await LISTED_CONSUMERS.page(ctx, query)


async def add_consumer(ctx: Ctx, new: Consumer) -> None:
    await ctx.execute(consumers.insert().values(**msgspec.structs.asdict(new)))


async def change_consumer(ctx: Ctx, consumer_id: str, **columns: Any) -> None:
    await ctx.execute(consumers.update().where(consumers.c.id == consumer_id).values(**columns))


async def delete_consumer(ctx: Ctx, consumer_id: str) -> None:
    await ctx.execute(consumers.delete().where(consumers.c.id == consumer_id))


async def request_token(ctx: Ctx, token_id: str) -> RequestToken | None:
    row = (await ctx.execute(ALL_REQUESTS.where(request_tokens.c.id == token_id))).one_or_none()
    return None if row is None else RequestToken(*row)


async def add_request_token(ctx: Ctx, new: RequestToken) -> None:
    await ctx.execute(request_tokens.insert().values(**msgspec.structs.asdict(new)))


async def authorize(ctx: Ctx, token_id: str, user_id: str, role_ids: list[str], verifier: str) -> None:
    told = {"user_id": user_id, "role_ids": role_ids, "verifier": verifier}
    await ctx.execute(request_tokens.update().where(request_tokens.c.id == token_id).values(**told))


async def delete_request_token(ctx: Ctx, token_id: str) -> None:
    await ctx.execute(request_tokens.delete().where(request_tokens.c.id == token_id))


async def access_token(ctx: Ctx, token_id: str) -> AccessToken | None:
    row = (await ctx.execute(ALL_ACCESS.where(access_tokens.c.id == token_id))).one_or_none()
    return None if row is None else AccessToken(*row)


async def access_page(ctx: Ctx, query: Query, user_id: str) -> Found[AccessToken]:
    return await LISTED_ACCESS.page(ctx, query, access_tokens.c.user_id == user_id)


async def add_access_token(ctx: Ctx, new: AccessToken) -> None:
    await ctx.execute(access_tokens.insert().values(**msgspec.structs.asdict(new)))


async def delete_access_token(ctx: Ctx, token_id: str) -> None:
    await ctx.execute(access_tokens.delete().where(access_tokens.c.id == token_id))


async def forget_projects(ctx: Ctx, project_ids: Sequence[str]) -> None:
    for table in (request_tokens, access_tokens):
        await ctx.execute(table.delete().where(table.c.project_id.in_(project_ids)))


async def forget_old(ctx: Ctx, *, now: float, nonces_before: float) -> None:
    """What nothing could be done with any more."""
    for table in (request_tokens, access_tokens):
        await ctx.execute(table.delete().where(table.c.expires_at < now))
    await ctx.execute(nonces.delete().where(nonces.c.at < nonces_before))


async def is_new(ctx: Ctx, nonce_id: str, at: float) -> bool:
    """Whether this nonce was not there; now it is. Of many who ask at once one is told yes."""
    return (await ctx.execute(insert_if_new(nonces), {"id": nonce_id, "at": at})).rowcount == 1
