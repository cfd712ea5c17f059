"""What a host that was down owes: the verbs that undo and delete could not say to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import LeaseLost
from pileus.kernel.operations.tables import debts
from pileus.kernel.verbs import Done, Failed, Going

PAY_AT_ONCE = 100


async def pay(ctx: Ctx, host: str, engine: Callable[[str], Any]) -> list[str]:
    """Say what the host owes, oldest first, to `engine(kind)`, and again what it could not do before something younger was done:
    a volume goes once nobody has it open. Returns what is in the way of the rest; nothing when nothing is owed any more.

    May be repeated: a debt is paid when the verb has answered that the end state holds. A host that refuses a debt's fence
    has been told something newer about that subject, and owes nothing for it. Raises what the engine raises.
    """
    while True:
        paid, in_the_way = 0, []
        async for debt in _owed(ctx, host):
            if why := await _unpaid(ctx, debt, engine(debt.engine)):
                in_the_way.append(f"{debt.verb} of {debt.subject_id}: {why}")
            else:
                paid += 1
        if not paid or not in_the_way:
            return in_the_way


async def _unpaid(ctx: Ctx, debt: Any, engine: Any) -> str:
    """Why it is not paid after it was asked for; empty when it is."""
    try:
        answer = await getattr(engine, debt.verb)(debt.subject_id, fence=debt.fence)
    except LeaseLost:
        answer = Done()
    if isinstance(answer, Failed):
        return answer.cause
    if isinstance(answer, Going):
        return answer.note or "it goes on"
    async with ctx.transaction() as tx:
        same = sa.and_(debts.c.id == debt.id, debts.c.fence == debt.fence)  # or it is owed anew meanwhile
        await tx.execute(debts.update().where(same).values(paid_at=tx.now()))
    return ""


async def _owed(ctx: Ctx, host: str) -> AsyncIterator[Any]:
    """Oldest first."""
    order = (debts.c.at, debts.c.id)
    query = sa.select(debts).where(debts.c.host == host, debts.c.paid_at.is_(None)).order_by(*order).limit(PAY_AT_ONCE)
    rows = (await ctx.execute(query)).all()
    while rows:
        for debt in rows:
            yield debt
        after = sa.tuple_(*order) > sa.tuple_(sa.literal(rows[-1].at), sa.literal(rows[-1].id, debts.c.id.type))
        rows = (await ctx.execute(query.where(after))).all()


async def forgive(ctx: Ctx, host: str) -> int:
    """The host is gone for good: nothing on it can come back. Returns how many debts that settled."""
    owed = sa.and_(debts.c.host == host, debts.c.paid_at.is_(None))
    return (await ctx.execute(debts.update().where(owed).values(paid_at=ctx.now()))).rowcount
