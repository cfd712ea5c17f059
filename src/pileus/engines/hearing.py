"""Who hears of what engines tell by themselves.

    @hears("overlay", "port_up", "port_down")
    async def port_changed(ctx: Ctx, change: Change) -> None: ...

stands in the noun that it is about; it runs in the transaction that wakes whoever waits for the subject, perhaps more than
once for one change. What an engine tells is a hint: a change can get lost, so whoever needs it asks the engine now and then.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from pileus.engines.verbs import Change
from pileus.kernel.context import Ctx
from pileus.kernel.operations import wake_subject

Hear = Callable[[Ctx, Change], Awaitable[None]]

_hearers: dict[tuple[str, str], list[Hear]] = {}


def hears(kind: str, *verbs: str) -> Callable[[Hear], Hear]:
    """Declare who hears of these verbs of engines of this kind."""

    def declare(hear: Hear) -> Hear:
        for verb in verbs:
            _hearers.setdefault((kind, verb), []).append(hear)
        return hear

    return declare


async def tell(ctx: Ctx, changes: Sequence[Change]) -> None:
    """Whoever hears of these does, and whoever waits for one of their subjects looks again: one transaction."""
    found = [(subject, change) for change in changes if (subject := as_uuid(change.subject)) is not None]
    about = sorted(found, key=lambda each: each[0])
    if not about:
        return
    async with ctx.transaction() as writing:
        for _, change in about:
            for hear in _hearers.get((change.kind, change.verb), ()):
                await hear(writing, change)
        for subject in dict.fromkeys(subject for subject, _ in about):
            await wake_subject(writing, subject)


def as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
