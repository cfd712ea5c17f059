"""An operation as its steps see it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid5

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Caller, Ctx
from pileus.kernel.errors import CloudError, HostDown, LeaseLost, Unavailable
from pileus.kernel.operations import start
from pileus.kernel.operations.saga import Saga, Wait, sagas
from pileus.kernel.operations.tables import FACTS, debts, log, operations
from pileus.kernel.verbs import VERB_ANSWERS_WITHIN_S

CHILD_POLL_S = 30.0
HOLDS = (
    sa.select(operations.c.cancel, operations.c.successor, operations.c.wake_at)
    .where(
        operations.c.id == sa.bindparam("id_"),
        operations.c.fence == sa.bindparam("fence_"),
        operations.c.holder == sa.bindparam("holder_"),
    )
    .with_for_update()
)

FACTS_OF = (
    sa.select(log.c.event, log.c.note)
    .where(log.c.operation_id == sa.bindparam("id_"), log.c.event.in_(("failed", "cancelled", "parked", FACTS)))
    .order_by(log.c.id.desc())
    .limit(1)
)

Gate = Callable[[str], "asyncio.Semaphore"]


class ChildFailed(CloudError):
    """An operation that this one waited for came to nothing; the message is the child's cause."""


@dataclass
class Op:
    """What a step gets. `memo` holds the arguments and the results of earlier steps by name; treat both as read-only."""

    id: UUID
    saga: Saga
    subject_id: UUID
    memo: dict[str, Any]
    fence: int
    holder: UUID
    cause: str | None
    ctx: Ctx
    gate: Gate
    cancel: bool = False
    rung: bool = False  # somebody had news for it since it was leased: it looks again before it waits
    successor: dict[str, Any] | None = None
    note: str | None = None  # what a step says of itself: administrators read it in its line of the log
    sealed: bytes | None = None

    def uuid(self, label: str) -> UUID:
        """An id that is the same on every try: what a step creates is named by it."""
        return uuid5(self.id, label)

    async def facts(self) -> str:
        """What administrators alone are told of why it turned back or parked; "" if nothing is."""
        last = (await self.ctx.execute(FACTS_OF, {"id_": self.id})).first()
        return last.note if last is not None and last.event == FACTS else ""

    def secret(self, name: str) -> str:
        """A secret given at the start. It is sealed in the row, never in memo or log, and erased at the end."""
        if self.sealed is None:
            raise KeyError(name)
        value: str = msgspec.json.decode(self.ctx.world.seal.open(self.sealed))[name]
        return value

    def engine(self, kind: str, host: str) -> Any:
        """The engine of that kind on that host; its writing verbs carry this operation's fence. Raises HostDown."""
        return FencedEngine(self.ctx.engine(kind, host), self.fence, self.gate(host))

    async def settle(self, host: str, kind: str, verb: str, subject_id: UUID) -> Any:
        """For undo and delete: say `verb(subject_id)` to the host; if it is down, write down that it owes that, and go on.

        What the debt names stays reserved until it is paid (`unpaid`) or the host is fenced. It is written at once: a step
        that forgets next what it was about, and dies before its own commit, does not come by here again. Who comes by again
        owes it anew: between the tries others may have spoken, and the host refuses what is older.
        """
        try:
            return await getattr(self.engine(kind, host), verb)(subject_id)
        except HostDown:
            debt_id = self.uuid(f"debt:{host}:{kind}:{verb}:{subject_id}")
            owed = {"id": debt_id, "host": host, "engine": kind, "verb": verb, "subject_id": subject_id}
            owed |= {"fence": self.fence, "operation_id": self.id, "at": self.ctx.now()}
            async with self.ctx.transaction() as ctx:
                await ctx.execute(debts.delete().where(debts.c.id == debt_id))
                await ctx.execute(debts.insert(), [owed])
            return None

    async def child(self, label: str, saga: Saga, subject_id: UUID, **memo: Any) -> Any:
        """Start another operation, once, and wait for it: to be returned by the step that calls it.

        Returns Wait while it runs and its memo when it is done. Raises ChildFailed when it came to nothing.
        """
        child_id = self.uuid(f"child:{label}")
        async with self.ctx.transaction() as ctx:
            row = await start.load(ctx, child_id)
            if row is None:
                child = start.Beginning(saga, subject_id, memo, operation_id=child_id, parent_id=self.id)
                await start.begin(ctx, child)
        if row is None or row.state in ("running", "undoing"):
            return Wait(CHILD_POLL_S, note=f"waiting for {saga.name}")
        if row.state == "done":
            return row.memo
        raise ChildFailed(row.cause or f"{saga.name} came to nothing")

    async def cancel_child(self, label: str) -> Wait | None:
        """For undo: make a child that still runs unwind, and wait until it has. None when it has ended or never was."""
        async with self.ctx.transaction() as ctx:
            row = await start.load(ctx, self.uuid(f"child:{label}"))
            if row is None or row.state not in ("running", "undoing"):
                return None
            await start.cancel(ctx, row.id)
        return Wait(CHILD_POLL_S, note=f"waiting for {row.saga} to unwind")


class FencedEngine:
    """An engine, asked on behalf of one operation: fenced, bounded per host, and never longer than a verb may take."""

    def __init__(
        self, engine: Any, fence: int, gate: asyncio.Semaphore, *, within_s: float = VERB_ANSWERS_WITHIN_S
    ) -> None:
        self._engine, self._fence, self._gate, self._within_s = engine, fence, gate, within_s

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        say = getattr(self._engine, verb)
        fence = {"fence": self._fence} if verb.startswith(("ensure", "cancel")) else {}

        async def call(*args: Any, **more: Any) -> Any:
            async with self._gate:
                try:
                    async with asyncio.timeout(self._within_s):
                        return await say(*args, **more, **fence)
                except TimeoutError as e:
                    raise Unavailable(f"{verb} did not answer within {self._within_s:g} s") from e

        return call


def op_of(ctx: Ctx, row: Mapping[Any, Any], holder: UUID, gate: Gate) -> Op:
    """The operation of a row that `holder` has leased. Its Ctx is the caller's, fenced."""
    op = Op(
        id=row["id"],
        saga=sagas[row["saga"]],
        subject_id=row["subject_id"],
        memo=row["memo"],
        fence=row["fence"],
        holder=holder,
        cause=row["cause"],
        ctx=ctx,
        gate=gate,
        cancel=row["cancel"],
        successor=row["successor"],
        sealed=row["secrets"],
    )

    async def still_ours(ctx: Ctx) -> None:
        if op.saga.kind == "converge":  # whoever wants more locks the row first, then the operation
            await ctx.hold(start.wanted_held(op.saga.table), {"id_": op.subject_id})  # type: ignore[attr-defined]
        found = (await ctx.execute(HOLDS, {"id_": op.id, "fence_": op.fence, "holder_": op.holder})).one_or_none()
        if found is None:
            raise LeaseLost(f"operation {op.id} at fence {op.fence}")
        op.cancel, op.successor, op.rung = found.cancel, found.successor, found.wake_at == 0.0

    caller = Caller.from_dict(row["caller"])
    op.ctx = replace(ctx, caller=caller, request_id=row["request_id"], guard=still_ours, connection=None)
    return op
