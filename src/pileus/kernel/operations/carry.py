"""Carrying one leased operation on: a step, a commit, and so forth, until it ends, waits, or is lost.

What is in memory changes only after the commit that wrote it: after any failure the row says where we are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import CloudError, HostDown, LeaseLost, TryAgain, Unavailable
from pileus.kernel.log import shown
from pileus.kernel.operations import start
from pileus.kernel.operations.chain import Chain
from pileus.kernel.operations.op import Op
from pileus.kernel.operations.saga import UNTIL_RUNG, NotPassed, Saga, Step, Wait
from pileus.kernel.operations.tables import FACTS, HELD
from pileus.kernel.verbs import Done, Failed, Going

logger = logging.getLogger("pileus.operations")

JOB_POLL_S = 1.0
LONGEST_PAUSE_S = 30.0
MOST_TRIES = (
    240  # about; what may take a day is tried again every six minutes at last, and each try is a line in its log
)
CAUSE_CHARACTERS = 2_000
CANCELLED = "it was cancelled"
GENERATION = "wanted generation"  # in the memo of a converge operation; no step can be called so


@dataclass(frozen=True)
class Seam:
    """A place where a crash can fall: `when` is before or after the step's (or undo's) function."""

    saga: str
    step: str
    way: str  # running | undoing
    when: str  # before | after


SeamHook = Callable[[Seam, Op], Awaitable[Wait | None]]
"""Looks on at each seam; what it raises, the step has raised. A Wait before a step that acts makes the operation wait."""


@dataclass(frozen=True)
class Again:
    """It did not work, but may: the reason. `facts`: what of it is for administrators alone."""

    cause: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken(Again):
    """It failed for good; `unpassed`: though a point of no return, it was not passed."""

    unpassed: bool = False


def told(facts: Mapping[str, Any]) -> str:
    """Facts as administrators read them, a line for each."""
    return "\n".join(f"{name}: {value}" for name, value in shown(facts).items())[:CAUSE_CHARACTERS]


def late(step: Step, note: str) -> str:
    return f"not done within {step.deadline_s:g} s" + (f": {note}" if note else "")


class Carrier:
    """One operation in the hands of one worker."""

    def __init__(self, op: Op, row: Any, seam: SeamHook | None) -> None:
        self.op, self.row, self.seam = op, row, seam
        self.saga: Saga = op.saga
        self.clock = op.ctx.world.clock
        self.state: str = row["state"]
        self.index = self.saga.index(row["step"])
        self.tries: int = row["tries"]
        self.spent_s: float = row["spent_s"]
        self.alone = False  # a chain of rows steps failed in one commit: find out which, one commit each
        self.wake_in_s: float | None = None  # set when the operation was released to wait
        self.lost = False

    async def run(self, keep_on: Callable[[], bool]) -> None:
        """Carry on until the operation ends or waits, or `keep_on` says that this worker stops."""
        try:
            while await self._advance():
                if not keep_on():
                    return
        except LeaseLost as e:
            self.lost = True
            logger.warning("lease lost", extra={"facts": {"operation": str(self.op.id), "why": str(e)}})

    async def _advance(self) -> bool:
        """One step, or one undo. False when there is nothing to do now."""
        step = self.saga.steps[self.index]
        if self.state == "undoing":
            return await self._backward(step)
        if self.op.cancel and self.saga.may_return(step.name):
            return await self._turn_back(step, "cancelled", Broken(CANCELLED))
        return await self._forward(step)

    # forward

    async def _forward(self, step: Step) -> bool:
        if self.index == 0 and self.saga.kind == "converge":  # before anything is looked at: at worst too old
            query = start.wanted(self.saga.table)  # type: ignore[attr-defined]
            self.op.memo = {GENERATION: (await self.op.ctx.execute(query, {"id_": self.op.subject_id})).scalar()}
        if step.rows:
            outcome = await self._commit_forward(None)
        else:
            outcome = await self._attempt(step, step.run)
            if not isinstance(outcome, (Again, Wait)):
                outcome = await self._commit_forward(outcome)
        if isinstance(outcome, Wait) and self.spent_s < step.deadline_s:
            return await self._release(step, outcome)
        if isinstance(outcome, Wait):
            outcome = Broken(late(step, outcome.note))
        if isinstance(outcome, Again):
            return await self._failed(step, outcome)
        return bool(outcome)

    async def _failed(self, step: Step, why: Again) -> bool:
        late = self.spent_s >= step.deadline_s
        unpassed = isinstance(why, Broken) and why.unpassed and step.point_of_no_return
        may_return = self.saga.may_return(step.name) or unpassed
        if may_return and (late or isinstance(why, Broken)):
            return await self._turn_back(step, "failed", why)
        if late:
            return await self._park(step, why)
        return await self._release(step, self._pause(step, why), why=why)

    def _pause(self, step: Step, why: Again) -> Wait:
        longest = max(LONGEST_PAUSE_S, step.deadline_s / MOST_TRIES)
        return Wait(min(longest, 0.1 * 2.0 ** min(self.tries, 16)), note=why.cause[:CAUSE_CHARACTERS])

    async def _attempt(self, step: Step, function: Callable[[Op], Awaitable[Any]]) -> Any:
        """Call a step that acts. Returns its result, Wait, Again or Broken; counts the time against the deadline."""
        began = self.clock.monotonic()
        deadline = asyncio.timeout(max(0.0, step.deadline_s - self.spent_s))
        try:
            held = await self.at(step, "before")
            if held is not None:
                return held
            async with deadline:
                result = await function(self.op)
            await self.at(step, "after")
        except LeaseLost:
            raise
        except Exception as e:
            if deadline.expired():
                self.spent_s = step.deadline_s
                return Again(late(step, self._waited_for(step)))
            return self._named(step, e)
        finally:
            self.spent_s += self.clock.monotonic() - began
        return self._plain(result)

    def _waited_for(self, step: Step) -> str:
        """What this step said it waits for when it was last released."""
        progress = self.row["progress"] if self.row["step"] == step.name else None
        return (progress or {}).get("note") or ""

    def _plain(self, result: Any) -> Any:
        if isinstance(result, Going):
            return Wait(JOB_POLL_S, note=result.note, percent=result.percent)
        if isinstance(result, Failed):
            return Broken(result.cause)
        return result.facts if isinstance(result, Done) else result

    def _named(self, step: Step, error: Exception) -> Again | Broken:
        if isinstance(error, HostDown):
            return Broken(error.message, error.facts)
        if isinstance(error, (Unavailable, TryAgain)):
            return Again(str(error), getattr(error, "facts", {}))
        if not isinstance(error, CloudError):
            facts = {"operation": str(self.op.id), "saga": self.saga.key, "step": step.name}
            logger.error("a step has a bug", exc_info=error, extra={"facts": facts})
            return Broken(f"{type(error).__name__} in {step.name}; the log has it under operation {self.op.id}")
        return Broken(error.message, error.facts, isinstance(error, NotPassed))

    async def at(self, step: Step, when: str) -> Wait | None:
        if self.seam is None:
            return None
        return await self.seam(Seam(self.saga.key, step.name, self.state, when), self.op)

    async def _commit_forward(self, result: Any) -> Any:
        """Record this step's result and run the rows steps that follow, in one commit. True when there is more to do."""
        chain = Chain(self, self.index)
        try:
            async with self.op.ctx.transaction() as ctx:
                if chain.step.rows:
                    await chain.run(ctx)
                else:
                    chain.keep(result, self.op.note)
                while chain.goes_on():
                    await chain.run(ctx)
                more = await self._record(ctx, chain)
                chain.whole = True
        except Exception as e:
            if chain.whole or isinstance(e, (LeaseLost, TryAgain)):
                raise  # the database undid it, or nobody knows: the row says where we are
            if chain.index != self.index and not self.alone:
                self.alone = True
                return await self._commit_forward(result)
            return self._named(chain.step, e)
        self._moved(chain)
        return more

    def is_called_off(self, chain: Chain) -> bool:
        """Whether a cancellation came while the last step of this chain could still be taken back."""
        return self.op.cancel and chain.index > 0 and self.saga.may_return(self.saga.steps[chain.index - 1].name)

    async def _record(self, ctx: Ctx, chain: Chain) -> bool:
        await chain.write_log(ctx)
        if self.is_called_off(chain):
            chain.index -= 1
            await self._write(ctx, step=chain.step.name, memo=chain.memo)
            await self._write_turn(ctx, chain.step, "cancelled", Broken(CANCELLED))
            chain.turned = True
            return True
        if chain.index < len(self.saga.steps):
            await self._write(
                ctx, step=chain.step.name, memo=chain.memo, spent_s=0.0, tries=0, cause=None, progress=None
            )
            return True
        if self.saga.kind == "converge" and not await self._caught_up(ctx, chain):
            return True
        await self._end(ctx, "done", memo=chain.memo)
        return False

    async def _caught_up(self, ctx: Ctx, chain: Chain) -> bool:
        """Note the generation that was brought about; False when the row has come to want more meanwhile."""
        table = self.saga.table  # type: ignore[attr-defined]
        done = chain.memo[GENERATION]
        brought = {"id_": self.op.subject_id, "done_generation": done}
        wanted = (await ctx.execute(start.caught_up(table), brought)).scalar()  # the fence has locked it
        if wanted in (None, done):  # None: the row has gone
            return True
        chain.index, chain.memo = 0, {}
        await self._write(ctx, step=chain.step.name, memo={}, spent_s=0.0, tries=0, cause=None, progress=None)
        return False

    def _moved(self, chain: Chain) -> None:
        self.op.memo, self.op.note, self.spent_s, self.tries = chain.memo, None, 0.0, 0
        if chain.turned:
            self.state, self.op.cause = "undoing", CANCELLED
        self.alone = False
        self.index = chain.index % len(self.saga.steps)

    # backward

    async def _turn_back(self, step: Step, event: str, why: Again) -> bool:
        cause = why.cause[:CAUSE_CHARACTERS]
        async with self.op.ctx.transaction() as ctx:
            await self._write_turn(ctx, step, event, why)
        self.state, self.op.cause, self.spent_s, self.tries, self.alone = "undoing", cause, 0.0, 0, False
        return True

    async def _write_turn(self, ctx: Ctx, step: Step, event: str, why: Again) -> None:
        cause = why.cause[:CAUSE_CHARACTERS]
        await self._write(ctx, state="undoing", cause=cause, spent_s=0.0, tries=0, progress=None)
        await self._note(ctx, step, event, cause, why)

    async def _note(self, ctx: Ctx, step: Step, event: str, cause: str, why: Again) -> None:
        await start.note(ctx, self.op.id, step.name, event, cause)
        if why.facts:
            await start.note(ctx, self.op.id, step.name, FACTS, told(why.facts))

    async def _backward(self, step: Step) -> bool:
        if step.rows or step.undo_run is None:
            outcome = await self._commit_backward(taken_back=False)
        else:
            outcome = await self._attempt(step, step.undo_run)
            if not isinstance(outcome, (Again, Wait)):
                outcome = await self._commit_backward(taken_back=True)
        if isinstance(outcome, Wait) and self.spent_s < step.deadline_s:
            return await self._release(step, outcome)
        if isinstance(outcome, Wait):
            outcome = Again(f"not undone within {step.deadline_s:g} s")
        if isinstance(outcome, Again):
            if self.spent_s >= step.deadline_s:
                return await self._park(step, outcome)
            return await self._release(step, self._pause(step, outcome), why=outcome)
        return bool(outcome)

    async def _commit_backward(self, *, taken_back: bool) -> Any:
        """Record that this step is undone, and with it the rows steps before it. True when there is more to undo."""
        chain = Chain(self, self.index)
        try:
            async with self.op.ctx.transaction() as ctx:
                if taken_back:
                    chain.back()
                else:
                    await chain.undo(ctx)
                while chain.goes_back():
                    await chain.undo(ctx)
                await chain.write_log(ctx)
                if chain.index >= 0:
                    await self._write(ctx, step=chain.step.name, spent_s=0.0, tries=0, progress=None)
                else:
                    await self._end_undone(ctx)
                chain.whole = True
        except Exception as e:
            if chain.whole or isinstance(e, (LeaseLost, TryAgain)):
                raise
            if chain.index != self.index and not self.alone:
                self.alone = True
                return await self._commit_backward(taken_back=taken_back)
            return self._named(self.saga.steps[self.index], e)
        self.spent_s, self.tries, self.alone = 0.0, 0, False
        self.index = max(0, chain.index)
        return chain.index >= 0

    async def _end_undone(self, ctx: Ctx) -> None:
        if self.saga.undone_run is not None:
            await self.saga.undone_run(replace(self.op, ctx=ctx))
        await start.note(ctx, self.op.id, self.saga.steps[0].name, "ended", self.op.cause)
        await self._end(ctx, "undone")

    async def _end(self, ctx: Ctx, state: str, **values: Any) -> None:
        values["cause"] = self.op.cause if state == "undone" else None
        values |= {"kind": self.saga.kind, "parent_id": self.row["parent_id"], "successor": self.op.successor}
        await start.end(ctx, self.op.id, state, **values)

    # rest

    async def _release(self, step: Step, wait: Wait, *, why: Again | None = None) -> bool:
        """Give the operation free until it is due again; what it waits for, or why it tries again, is shown."""
        async with self.op.ctx.transaction() as ctx:
            now = ctx.now()
            seconds = 0.0 if self.op.rung else wait.seconds
            values: dict[str, Any] = {"holder": None, "spent_s": self.spent_s}
            open_end = seconds == UNTIL_RUNG  # what passes until then is not the step's
            values |= {"wake_at": HELD if open_end else now + seconds, "waiting_since": now}
            values |= {"pause_s": 0.0 if open_end else seconds}
            values |= {"progress": {"percent": wait.percent, "note": wait.note}}
            if why is not None:
                values |= {"tries": self.tries + 1}
                await self._note(ctx, step, "retry", wait.note, why)
            if why is not None and self.state == "running":  # while it unwinds, the cause is why it does
                values |= {"cause": wait.note}
            await self._write(ctx, **values)
        self.wake_in_s = None if open_end else seconds
        return False

    async def _park(self, step: Step, why: Again) -> bool:
        """Neither forward nor back: show it, raise the alarm, and let it be deleted or retried; later it tries again."""
        self.op.cause = cause = f"{step.name}: {why.cause}"[:CAUSE_CHARACTERS]
        async with self.op.ctx.transaction() as ctx:
            await self._note(ctx, step, "parked", cause, why)
            if self.saga.parked_run is not None:
                await self.saga.parked_run(replace(self.op, ctx=ctx))
            if self.op.successor is not None:
                await self._end(ctx, "undone")
            else:
                again = ctx.now() + ctx.world.config.operations.retry_parked_s
                way = {"parked": self.state}
                await self._write(ctx, state="parked", holder=None, cause=cause, progress=way, wake_at=again)
                await start.wake_parent(ctx, self.row["parent_id"])
        if self.op.successor is None:
            facts = {"operation": str(self.op.id), "saga": self.saga.key, "subject": str(self.op.subject_id)}
            logger.error("operation parked", extra={"facts": facts | {"cause": cause}})
            self.op.ctx.world.metrics.parked(self.saga.key)
        return False

    async def _write(self, ctx: Ctx, **values: Any) -> None:
        await ctx.execute(start.CHANGE, {"id_": self.op.id, **values})
