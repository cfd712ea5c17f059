"""How a long operation is written down: steps in reading order, each with its undo beside it.

    create = Saga("compute.create_server")

    @create.step(deadline_s=300)              # acts on engines; no transaction is open
    async def copy_image(op: Op) -> Answer: ...
    @copy_image.undo
    async def remove_disk(op: Op) -> None: ...

    @create.rows                              # only writes rows: runs inside the commit, with its neighbours
    async def mark_active(op: Op) -> None: ...

    @create.undone                            # in the last commit of an unwinding
    async def mark_error(op: Op) -> None: ...

What a step may rely on, and must do:
- It runs at least once: write it as "ensure". What it returns is kept in `op.memo` under its name.
- It may return `Wait` or `Going` to be called again later, or `Failed`.
- If it fails for good, the undo of every step that started runs, last first: an undo accepts "never happened".
- From the `point_of_no_return` on, the operation only goes forward; but that step itself may find that it was not passed
  (`NotPassed`), and the operation unwinds.
- `Unavailable` is tried again until the step's deadline; anything else fails the step.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import CloudError
from pileus.kernel.operations.start import Beginning, begin, follow, record, supersede, want

if TYPE_CHECKING:
    from pileus.kernel.operations.op import Op


class NotPassed(CloudError):
    """Raised by the step that is the point of no return, when it knows that nothing of it has come about, nor will."""


StepFunction = Callable[["Op"], Awaitable[Any]]
DEADLINE_S = 60.0
UNTIL_RUNG = math.inf


@dataclass(frozen=True)
class Wait:
    """Call this step again in `seconds`, or when something rings; nothing is held meanwhile. UNTIL_RUNG: only then, and
    what passes until then counts against no deadline."""

    seconds: float
    note: str = ""
    percent: int | None = None


class Step:
    """One step: what it does, what takes it back, how long both may take."""

    def __init__(self, run: StepFunction, *, rows: bool, deadline_s: float, point_of_no_return: bool) -> None:
        self.name = run.__name__
        self.run = run
        self.undo_run: StepFunction | None = None
        self.rows = rows
        self.deadline_s = deadline_s
        self.point_of_no_return = point_of_no_return

    def undo(self, run: StepFunction) -> StepFunction:
        """Declare what takes this step back. It runs where the step ran: a rows step's undo in the commit."""
        self.undo_run = run
        return run


class Saga:
    """An exclusive operation: it claims its subjects when it starts, and whoever comes second is told."""

    kind = "exclusive"

    def __init__(self, name: str, *, version: int = 1) -> None:
        self.name, self.version = name, version
        self.key = f"{name}@{version}"
        if self.key in sagas:
            raise ValueError(f"two sagas are called {self.key}")
        self.steps: list[Step] = []
        self.undone_run: StepFunction | None = None
        self.parked_run: StepFunction | None = None
        sagas[self.key] = self

    @overload
    def step(self, run: StepFunction, /) -> Step: ...
    @overload
    def step(
        self, /, *, deadline_s: float = DEADLINE_S, point_of_no_return: bool = False
    ) -> Callable[[StepFunction], Step]: ...
    def step(
        self, run: StepFunction | None = None, /, *, deadline_s: float = DEADLINE_S, point_of_no_return: bool = False
    ) -> Step | Callable[[StepFunction], Step]:
        """A step that acts: on engines, on children. No transaction is open; it may open its own."""
        return self._add(run, rows=False, deadline_s=deadline_s, point_of_no_return=point_of_no_return)

    @overload
    def rows(self, run: StepFunction, /) -> Step: ...
    @overload
    def rows(self, /, *, point_of_no_return: bool = False) -> Callable[[StepFunction], Step]: ...
    def rows(
        self, run: StepFunction | None = None, /, *, point_of_no_return: bool = False
    ) -> Step | Callable[[StepFunction], Step]:
        """A step that only writes rows, inside the commit. Returns at once: it cannot wait."""
        return self._add(run, rows=True, deadline_s=DEADLINE_S, point_of_no_return=point_of_no_return)

    def _add(self, run: StepFunction | None, **facts: Any) -> Step | Callable[[StepFunction], Step]:
        def add(run: StepFunction) -> Step:
            step = Step(run, **facts)
            if any(known.name == step.name for known in self.steps):
                raise ValueError(f"{self.key} has two steps called {step.name}")
            self.steps.append(step)
            return step

        return add if run is None else add(run)

    async def start(
        self,
        ctx: Ctx,
        subject_id: uuid.UUID,
        *,
        also: Iterable[uuid.UUID] = (),
        labels: Iterable[str] = (),
        secrets: dict[str, str] | None = None,
        **memo: Any,
    ) -> uuid.UUID:
        """Record the operation in the caller's transaction: both commit, or neither. Returns its id.

        Claims `subject_id`, the ids in `also`, and those that steps will make of `labels` (`op.uuid`), all at once:
        Conflict when one of them is busy. To be called before the rows are written, for the order of locks. `memo` are
        the arguments (JSON); what is secret goes to `secrets`.
        """
        return await begin(ctx, Beginning(self, subject_id, memo, also=also, labels=labels, secrets=secrets))

    async def start_new(self, ctx: Ctx, subject_id: uuid.UUID, **memo: Any) -> uuid.UUID:
        """The same on a subject that this transaction has made: nobody knows of it, so nobody has claimed it."""
        return await record(ctx, Beginning(self, subject_id, memo), ctx.world.ids.uuid(), [subject_id])

    async def supersede(self, ctx: Ctx, subject_id: uuid.UUID, **memo: Any) -> uuid.UUID:
        """Deletion wins: start, or make whatever runs on the subject unwind and turn into this.

        Returns the id of the operation that will do it; a second call returns the same.
        """
        return await supersede(ctx, self, subject_id, memo)

    async def follow(self, ctx: Ctx, subject_id: uuid.UUID, **memo: Any) -> None:
        """News of the subject: start, or as soon as whatever runs on it has ended, however that ends.

        One follows at most: the newest. What supersedes runs before it.
        """
        await follow(ctx, self, subject_id, memo)

    def undone(self, run: StepFunction) -> StepFunction:
        """Declare what rows say once all is undone; runs in the commit that ends the operation."""
        self.undone_run = run
        return run

    def parked(self, run: StepFunction) -> StepFunction:
        """Declare what rows say when it can go neither forward nor back: the resource in ERROR, with `op.cause`."""
        self.parked_run = run
        return run

    def index(self, step_name: str) -> int:
        return next(i for i, step in enumerate(self.steps) if step.name == step_name)

    def may_return(self, step_name: str) -> bool:
        """Whether a failure at this step still unwinds: no step up to and including it is the point of no return."""
        return not any(step.point_of_no_return for step in self.steps[: self.index(step_name) + 1])


class Converge(Saga):
    """An operation that brings the world to what a row wants, and never clashes.

    A write calls `want` in its transaction: `wanted_generation` goes up and one operation is seen to exist. That runs
    until `done_generation` has caught up. It only goes forward: what fails is tried again until its deadline.
    """

    kind = "converge"

    def __init__(self, name: str, table: sa.Table, *, version: int = 1) -> None:
        super().__init__(name, version=version)
        self.table = table

    async def want(self, ctx: Ctx, subject_id: uuid.UUID) -> None:
        """In the transaction that changed the row: raise what it wants, and see that somebody brings it about.

        Wakes an operation that waits for its next try, and one that is parked.
        """
        await want(ctx, self, [subject_id])

    async def want_each(self, ctx: Ctx, subject_ids: Sequence[uuid.UUID]) -> None:
        """The same of several rows, in as many statements as for one."""
        await want(ctx, self, subject_ids)

    async def begin_each(self, ctx: Ctx, subject_ids: Sequence[uuid.UUID]) -> None:
        """The same of rows that this transaction has made, with a `wanted_generation` of 1."""
        await want(ctx, self, subject_ids, made=True)

    def may_return(self, step_name: str) -> bool:
        return False


sagas: dict[str, Saga] = {}
"""Every saga that this release can run, by name@version. An old version stays until no live operation names it."""
