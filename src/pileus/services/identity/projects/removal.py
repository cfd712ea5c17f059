"""Taking projects and domains away, with what is theirs.

What Identity itself keeps of them goes silently, in the transaction that deletes them, by a number of statements that grows
with batches, not with rows. What others own (`owners`) must be gone before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from pileus.kernel.audit import about
from pileus.kernel.changes import changed_each
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.services.identity.projects import owners, store
from pileus.services.identity.projects.checks import kind
from pileus.services.identity.projects.owners import NAMES, Line, batches
from pileus.services.identity.projects.store import Project

PROJECT = "identity.project"

Forget = Callable[[Ctx, Sequence[str]], Awaitable[None]]
Empty = Callable[[Ctx, str], Awaitable[None]]

_forgetting: list[Forget] = []
_emptying: list[Empty] = []


def on_delete(call: Forget) -> Forget:
    """Call this with the ids of projects and domains, at most some hundred, in the transaction that deletes them.

    For the nouns above in Identity whose rows name one: they go with it.
    """
    _forgetting.append(call)
    return call


def on_delete_domain(call: Empty) -> Empty:
    """Call this with the id of a domain, in the transaction that deletes it: what lives in it goes first.

    For the nouns above whose things belong to a domain: users, groups, roles. In batches, if there may be many.
    """
    _emptying.append(call)
    return call


class Plan(msgspec.Struct, frozen=True):
    """What would be left behind without a project, and what to do about it."""

    deletes: list[Line]
    way_out: str

    def __str__(self) -> str:
        return ", ".join(f"{each.count} {each.kind} ({', '.join(each.names)})" for each in self.deletes)


class StillOwns(Conflict):
    """The project, or the domain, is not deleted as long as it owns something. `details` has the plan."""

    def __init__(self, project: Project, plan: Plan) -> None:
        super().__init__(f"Cannot delete the {kind(project)} {project.id}: it still owns {plan}. {plan.way_out}")
        self.details = {"plan": msgspec.to_builtins(plan)}


async def plan(ctx: Ctx, project: Project) -> Plan:
    """What goes with a project or a domain: projects below, and what they all own elsewhere."""
    below = await store.ids_below(ctx, [project.id])
    lines = await owners.left(ctx, [project.id, *below])
    if below:
        some = await store.by_ids(ctx, below[:NAMES])
        lines.append(Line(PROJECT, len(below), [some[id_].name for id_ in below[:NAMES]]))
    path = f"/v3/{kind(project)}s/{project.id}"
    return Plan(lines, f"Delete these first, or everything at once by DELETE {path}?cascade=execute.")


async def empty(ctx: Ctx, project_id: str) -> tuple[int, list[Line]]:
    """Begin to delete what is owned in a project and below it. Returns how many things were taken on, and what is left."""
    ids = [project_id, *await store.ids_below(ctx, [project_id])]
    taken = await owners.delete_some(ctx, ids)
    return taken, await owners.left(ctx, ids)


async def close(ctx: Ctx, project_id: str) -> None:
    """Disable a project, or all in a domain, so that nothing is added any more. Inside of a change."""
    ids = [project_id, *await store.ids_below(ctx, [project_id])]
    for batch in batches(ids):
        disabled = await store.disable(ctx, batch)
        await changed_each(ctx, PROJECT, "updated", {id_: id_ for id_ in disabled})
    about(ctx, PROJECT, project_id)


async def forget(ctx: Ctx, project_id: str) -> list[Line]:
    """Delete a project or a domain, and all below it, if nothing is owned there; else say what. Inside of a change.

    Whoever holds one of them (`service.hold`) is waited for, so that nothing comes in between.
    """
    below = await store.ids_below(ctx, [project_id])
    for batch in batches([project_id, *below]):
        await store.lock(ctx, batch)
    if lines := await owners.left(ctx, [project_id, *below]):
        return lines
    await _forget(ctx, below, PROJECT)
    found = await store.by_ids(ctx, [project_id])
    is_domain = any(each.is_domain for each in found.values())
    for call in reversed(_emptying) if is_domain else ():
        await call(ctx, project_id)
    root = "identity.domain" if is_domain else PROJECT
    await _forget(ctx, list(found), root)
    about(ctx, root, project_id)
    return []


async def _forget(ctx: Ctx, ids: Sequence[str], what: str) -> None:
    """Delete them, the last first: parents stand before their children."""
    for batch in reversed(list(batches(ids))):
        for call in reversed(_forgetting):
            await call(ctx, batch)
        await store.delete(ctx, batch)
        await changed_each(ctx, what, "deleted", {id_: id_ for id_ in batch})
