"""The steps that share one commit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.operations import start
from pileus.kernel.operations.saga import Step

if TYPE_CHECKING:
    from pileus.kernel.operations.carry import Carrier


class Chain:
    """Steps on their way into one commit: where it stands, what it would remember, what it would log."""

    def __init__(self, carrier: Carrier, index: int) -> None:
        self.carrier, self.index = carrier, index
        self.turned = False  # a cancellation was seen: it goes back from here
        self.whole = False  # all is written: what fails now is the commit
        self.memo: dict[str, Any] = dict(carrier.op.memo)
        self.entries: list[dict[str, Any]] = []

    @property
    def step(self) -> Step:
        steps = self.carrier.saga.steps
        return steps[min(max(self.index, 0), len(steps) - 1)]

    def keep(self, result: Any, note: str | None) -> None:
        """Note what a step returned and said, and stand at the next."""
        self._log("done", note)
        if result is not None:
            self.memo[self.step.name] = msgspec.to_builtins(result)
        self.index += 1

    def goes_on(self) -> bool:
        """Whether the next step belongs into this commit too."""
        if self.carrier.alone or self.index >= len(self.carrier.saga.steps) or not self.step.rows:
            return False
        return not self.carrier.is_called_off(self)

    async def run(self, ctx: Ctx) -> None:
        step = self.step
        await self.carrier.at(step, "before")
        op = replace(self.carrier.op, ctx=ctx, memo=self.memo, note=None)
        result = await step.run(op)
        await self.carrier.at(step, "after")
        self.keep(result, op.note)

    def back(self) -> None:
        self._log("undone")
        self.index -= 1

    def goes_back(self) -> bool:
        return self.index >= 0 and not self.carrier.alone and (self.step.rows or self.step.undo_run is None)

    async def undo(self, ctx: Ctx) -> None:
        step = self.step
        if step.undo_run is None:
            self.index -= 1
            return
        await self.carrier.at(step, "before")
        await step.undo_run(replace(self.carrier.op, ctx=ctx))
        await self.carrier.at(step, "after")
        self.back()

    def _log(self, event: str, note: str | None = None) -> None:
        took_ms = 1000 * self.carrier.spent_s if self.index == self.carrier.index else 0.0  # only the first may act
        entry = {"operation_id": self.carrier.op.id, "at": self.carrier.op.ctx.now(), "step": self.step.name}
        self.entries.append(entry | {"event": event, "took_ms": round(took_ms, 3), "note": note})

    async def write_log(self, ctx: Ctx) -> None:
        if self.entries:
            await ctx.execute(start.NOTE, self.entries)
            ctx.after_commit(self._count)

    def _count(self) -> None:
        for entry in self.entries:
            self.carrier.op.ctx.world.metrics.step(
                self.carrier.saga.key, entry["step"], entry["event"], entry["took_ms"] / 1000
            )
