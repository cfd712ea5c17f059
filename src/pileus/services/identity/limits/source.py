"""Where quotas come from: the limits of projects and domains, else the registered ones, else `quotas.toml`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pileus.kernel.context import Ctx
from pileus.kernel.facts import facts
from pileus.kernel.quota import Bound, Owners, default_limits, limit_hook
from pileus.services.identity.limits import rules, store
from pileus.services.identity.limits.rules import Row
from pileus.services.identity.projects import service as projects

STRICT = "strict_two_level"


def is_strict(ctx: Ctx) -> bool:
    """Whether a tree of projects shares what its root may use; else each project is on its own."""
    return ctx.world.config.identity.enforcement_model == STRICT


class UnifiedLimits:
    """One query, and by the strict model one more for the line of ancestors.

    An operator registers a resource under its own name or under that of OpenStack's unified limits (`servers` for
    `instances`). By the strict model each limit on the way up is one on the whole tree below it.
    """

    async def root(self, ctx: Ctx, owner: str) -> str:
        return (await line(ctx, owner))[-1]

    async def bounds(
        self, ctx: Ctx, service: str, resources: Collection[str], owner: str
    ) -> Mapping[str, Sequence[Bound]]:
        names = names_of(service, resources)
        owners = await line(ctx, owner)
        rows = await store.rows_for(
            ctx,
            types_of(service),
            {name for both in names.values() for name in both},
            owners,
            ctx.world.config.api.region,
        )
        found = {each: self._bounds(ctx, rules.counting(rows, names[each]), owners) for each in resources}
        unregistered = default_limits(service, [each for each in resources if not found[each]])
        return found | {each: [Bound(limit, [owner])] for each, limit in unregistered.items()}

    def _bounds(self, ctx: Ctx, rows: Sequence[Row], owners: Sequence[str]) -> list[Bound]:
        """Of one resource: the limit of each owner, the nearest first; none when it is not registered."""
        own = {row.owner: row.resource_limit for row in rows if row.resource_limit is not None}
        return [Bound(own.get(each, rows[0].default_limit), together(ctx, each)) for each in owners if rows]


def types_of(service: str) -> list[str]:
    """The types under which the catalogue may have a service (the name of its folder)."""
    types: list[str] = facts(service, "quotas").get("service_types", [service.replace("_", "-")])
    return types


def names_of(service: str, resources: Collection[str]) -> dict[str, list[str]]:
    """The names under which each resource of the service may be registered: the first that is there counts."""
    registered = facts(service, "quotas").get("registered", {})
    return {each: [registered.get(each, each), each] for each in resources}


async def line(ctx: Ctx, owner: str) -> list[str]:
    """The owner, and by the strict model all above it, its domain last."""
    return [owner, *(await projects.ancestor_ids(ctx, owner) if is_strict(ctx) else [])]


def together(ctx: Ctx, owner: str) -> Owners:
    """Who shares the limit of an owner."""
    return projects.subtree_ids(owner) if is_strict(ctx) else [owner]


limit_hook.register(UnifiedLimits())
