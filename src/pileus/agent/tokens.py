"""Join tokens: how a machine that is nobody yet becomes a host.

A token is bound to a host name, is good once and for 15 minutes, and carries the fingerprint of the cloud's authority,
so that the machine knows whom it speaks to before it says the secret. The database keeps a digest only.
"""

from __future__ import annotations

import hashlib
import secrets

import sqlalchemy as sa

from pileus.agent.authority import check_name
from pileus.agent.wire import JoinToken
from pileus.kernel.context import Ctx
from pileus.kernel.db.base import Text, metadata
from pileus.kernel.errors import Unauthorized

GOOD_FOR_S = 900.0

tokens = sa.Table(
    "join_token",
    metadata,
    sa.Column("digest", Text, primary_key=True),  # SHA-256 of the secret, hexadecimal
    sa.Column("host", Text, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("used_by", Text),  # digest of the key that it was used for
)


async def create(ctx: Ctx, host: str, ca_fingerprint: str) -> JoinToken:
    """A new token for the host of that name, which may have joined before. Old tokens are cleared away."""
    token = JoinToken(check_name(host), secrets.token_urlsafe(32), ca_fingerprint)
    async with ctx.transaction() as tx:
        now = tx.now()
        await tx.execute(tokens.delete().where(tokens.c.expires_at < now))
        row = {"digest": digest(token.secret), "host": host, "expires_at": now + GOOD_FOR_S, "used_by": None}
        await tx.execute(tokens.insert(), row)
    return token


async def use(ctx: Ctx, secret: str, key: str) -> str:
    """In a transaction: the name of the host that this token is for. Raises Unauthorized.

    It is used up for every key but this one: a host that did not get the answer may ask again.
    """
    good = sa.and_(tokens.c.digest == digest(secret), tokens.c.expires_at >= ctx.now())
    mine = sa.or_(tokens.c.used_by.is_(None), tokens.c.used_by == key)
    used = await ctx.execute(tokens.update().where(good, mine).values(used_by=key))
    if used.rowcount != 1:
        raise Unauthorized("The join token is unknown, used up or too old; make a new one: pileus host token NAME")
    found = await ctx.execute(sa.select(tokens.c.host).where(tokens.c.digest == digest(secret)))
    return str(found.scalar_one())


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
