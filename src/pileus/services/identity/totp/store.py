"""Which passcodes were used. Only this noun imports this module."""

from __future__ import annotations

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, insert_if_new, metadata

uses = sa.Table(
    "identity_totp_use",
    metadata,
    sa.Column("user_id", Text, primary_key=True),
    sa.Column("step", sa.BigInteger, primary_key=True, autoincrement=False, index=True),
    sa.Column("passcode", Text, primary_key=True),
)

USE = insert_if_new(uses)


async def use(ctx: Ctx, user_id: str, step: int, passcode: str) -> bool:
    """Whether this passcode was not used before; now it is. Of many who ask at once one is told yes."""
    return (await ctx.execute(USE, {"user_id": user_id, "step": step, "passcode": passcode})).rowcount == 1


async def forget(ctx: Ctx, *, before: int) -> None:
    """The steps whose passcodes are good no more, used or not."""
    await ctx.execute(uses.delete().where(uses.c.step < before))
