"""What a host that was down owes: the verbs that undo and delete could not say to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import LeaseLost
from pileus.kernel.operations.tables import debts
from pileus.kernel.verbs import Done, Failed, Going

PAY_AT_ONCE = 100


async def pay(ctx: Ctx, host: str, engine: Callable[[str], Any]) -> bool:
    """Say what the host owes, oldest first, to `engine(kind)`. True when nothing is owed any more.

    May be repeated: a debt is paid when the verb has answered that the end state holds. A host that refuses a debt's fence
    has been told something newer about that subject, and owes nothing for it. Raises what the engine raises.
    """
    query = sa.select(debts).where(debts.c.host == host, debts.c.paid_at.is_(None)).order_by(debts.c.at, debts.c.id)
    while rows := (await ctx.execute(query.limit(PAY_AT_ONCE))).all():
        for debt in rows:
            try:
                answer = await getattr(engine(debt.engine), debt.verb)(debt.subject_id, fence=debt.fence)
            except LeaseLost:
                answer = Done()
            if isinstance(answer, (Going, Failed)):
                return False
            async with ctx.transaction() as tx:
                await tx.execute(debts.update().where(debts.c.id == debt.id).values(paid_at=tx.now()))
    return True


async def forgive(ctx: Ctx, host: str) -> int:
    """The host is gone for good: nothing on it can come back. Returns how many debts that settled."""
    owed = sa.and_(debts.c.host == host, debts.c.paid_at.is_(None))
    return (await ctx.execute(debts.update().where(owed).values(paid_at=ctx.now()))).rowcount
