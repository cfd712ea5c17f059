"""Deleting a project with all that is owned in it and below it."""

from __future__ import annotations

from pileus.kernel.operations import Op, Saga, Wait
from pileus.services.identity.projects import removal
from pileus.services.identity.revision import service as revision

SOON_S, SELDOM_S = 0.5, 30.0
DEADLINE_S = 3600.0

delete_project = Saga("identity.delete_project")


@delete_project.step(deadline_s=DEADLINE_S, point_of_no_return=True)
async def empty_and_forget(op: Op) -> Wait | None:
    """Say that everything shall go until nothing is left; then delete the project, so that nothing comes in between.

    The projects were disabled when this began. Said again when the project is gone it does nothing.
    """
    project_id: str = op.memo["project_id"]
    taken, left = await removal.empty(op.ctx, project_id)
    if not left:
        async with revision.change(op.ctx) as ctx:
            left = await removal.forget(ctx, project_id)
    if not left:
        return None
    note = "waiting for " + ", ".join(f"{each.count} {each.kind}" for each in left)
    return Wait(SOON_S if taken else pause_s(op.ctx.now() - op.memo["began"]), note=note)


def pause_s(age_s: float) -> float:
    """How long to wait for what was begun so long ago: what takes long is looked at seldom."""
    return min(SELDOM_S, max(SOON_S, age_s / 4))
