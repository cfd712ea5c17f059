"""Default rules: what the API and security groups may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.kernel.http import Query
from pileus.services.network.default_group_rules import store
from pileus.services.network.default_group_rules.store import DefaultRule
from pileus.services.network.http import no_such
from pileus.services.network.lists import Found
from pileus.services.network.security_group_rules import service as rules
from pileus.services.network.security_group_rules.service import Match

__all__ = ["DefaultRule", "create", "delete", "get", "of_group", "page"]

KIND = "network.default_security_group_rule"


async def of_group(ctx: Ctx, group_id: UUID, *, default: bool) -> list[Match]:
    """What a new group lets through, a project's `default` one or another."""
    return [
        Match(
            direction=rule.direction,
            ethertype=rule.ethertype,
            protocol=rule.protocol,
            port_range_min=rule.port_range_min,
            port_range_max=rule.port_range_max,
            remote_ip_prefix=rule.remote_ip_prefix,
            remote_group_id=group_id if rule.of_itself else rule.remote_group_id,
            remote_address_group_id=rule.remote_address_group_id,
        )
        for rule in await store.all_(ctx)
        if (rule.in_default if default else rule.in_others)
    ]


async def get(ctx: Ctx, rule_id: UUID) -> DefaultRule:
    """Raises NotFound."""
    found = await store.find(ctx, rule_id)
    if found is None:
        raise no_such("default_security_group_rule", rule_id)
    return found


async def page(ctx: Ctx, query: Query) -> Found[DefaultRule]:
    """Those that the query string asks for. Raises BadRequest."""
    if await store.is_untouched(ctx):
        async with ctx.transaction() as writing:
            await store.begin(writing)
    return await store.page(ctx, query)


async def create(ctx: Ctx, several: Sequence[DefaultRule]) -> list[DefaultRule]:
    """New ones, all or none. Raises BadRequest; Conflict for one that says what another does."""
    async with ctx.transaction() as ctx:
        await ctx.lock("default_group_rules", "all")
        await store.begin(ctx)
        known = list(await store.all_(ctx))
        for rule in (rules.normalised(each) for each in several):
            same = next((each for each in known if _says_the_same(each, rule)), None)
            if same is not None:
                raise Conflict(
                    f"Default Security group rule already exists. Rule id is {same.id}.",
                    type="DefaultSecurityGroupRuleExists",
                )
            known.append(rule)
            await store.add(ctx, [rule])
            await changed(ctx, KIND, "created", rule.id, project_id=None)
    return known[-len(several) :]


def _says_the_same(one: DefaultRule, other: DefaultRule) -> bool:
    """To groups of one kind, at least."""
    both = (one.in_default and other.in_default) or (one.in_others and other.in_others)
    return both and one.of_itself == other.of_itself and rules.key(one) == rules.key(other)


async def delete(ctx: Ctx, rule_id: UUID) -> None:
    """Groups that are there already keep theirs. Raises NotFound."""
    async with ctx.transaction() as ctx:
        await store.begin(ctx)
        await get(ctx, rule_id)
        await store.remove(ctx, rule_id)
        await changed(ctx, KIND, "deleted", rule_id, project_id=None)
