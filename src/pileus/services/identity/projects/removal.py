"""Taking projects and domains away, with all of Identity that is theirs: what has no other owner to ask.

Everything happens in the transaction that asks for it, by a number of statements that grows with batches, not with rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from pileus.kernel.changes import changed_each
from pileus.kernel.context import Ctx
from pileus.services.identity.projects import store

BATCH = 500

Forget = Callable[[Ctx, Sequence[str]], Awaitable[None]]
Empty = Callable[[Ctx, str], Awaitable[None]]

_forgetting: list[Forget] = []
_emptying: list[Empty] = []


def on_delete(call: Forget) -> Forget:
    """Call this with the ids of projects and domains, at most BATCH, in the transaction that deletes them.

    For the nouns above whose rows name one: they go with it.
    """
    _forgetting.append(call)
    return call


def on_delete_domain(call: Empty) -> Empty:
    """Call this with the id of a domain, in the transaction that deletes it: what lives in it goes first.

    For the nouns above whose things belong to a domain: users, groups, roles. In batches, if there may be many.
    """
    _emptying.append(call)
    return call


async def forget_projects(ctx: Ctx, project_id: str) -> None:
    """Delete a project and all below it. Inside of a change."""
    ids = [project_id, *await store.ids_below(ctx, [project_id])]
    await _forget(ctx, ids, "identity.project")


async def forget_domain(ctx: Ctx, domain_id: str) -> None:
    """Delete a domain, its projects and whatever else is in it. Inside of a change."""
    await _forget(ctx, await store.ids_below(ctx, [domain_id]), "identity.project")
    for empty in reversed(_emptying):
        await empty(ctx, domain_id)
    await _forget(ctx, [domain_id], "identity.domain")


async def _forget(ctx: Ctx, ids: Sequence[str], kind: str) -> None:
    """Delete them, the last first: parents stand before their children."""
    for end in range(len(ids), 0, -BATCH):
        batch = ids[max(0, end - BATCH) : end]
        for forget in reversed(_forgetting):
            await forget(ctx, batch)
        await store.delete(ctx, batch)
        await changed_each(ctx, kind, "deleted", {id_: id_ for id_ in batch})
