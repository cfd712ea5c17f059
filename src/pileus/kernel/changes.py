"""What a transaction changes, said once: the audit record names it, and who may see it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pileus.kernel import audit, events
from pileus.kernel.context import Ctx
from pileus.kernel.events import Verb


async def changed(
    ctx: Ctx,
    kind: str,
    verb: Verb,
    subject_id: object,
    *,
    project_id: str | None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Say in the open transaction that it created, updated or deleted a thing.

    `kind` is service.noun. `project_id`: whose members may see it; None for the cloud's administrators alone.
    """
    audit.about(ctx, kind, subject_id)
    await events.emit(ctx, kind, verb, subject_id, project_id=project_id, facts=facts)


async def changed_each(ctx: Ctx, kind: str, verb: Verb, subjects: Mapping[str, str | None]) -> None:
    """The same of many things at once: the id of each, and whose members may see it. The audit record names none."""
    await events.emit_each(ctx, kind, verb, subjects)
