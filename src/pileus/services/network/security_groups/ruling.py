"""The rules of a group: they come and go through it, and it converges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.http import Query
from pileus.kernel.quota import Claim, claim_all
from pileus.services.identity.projects import service as projects
from pileus.services.network.address_groups import service as address_groups
from pileus.services.network.grounds import Seen, require
from pileus.services.network.http import no_such
from pileus.services.network.lists import Found
from pileus.services.network.quotas import SECURITY_GROUP_RULES
from pileus.services.network.security_group_rules import service as rules
from pileus.services.network.security_group_rules.service import Rule
from pileus.services.network.security_groups import sagas, store
from pileus.services.network.security_groups.found import get, hold, touch
from pileus.services.network.security_groups.store import SecurityGroup

RULE_KIND = "network.security_group_rule"


class Ruled(NamedTuple):
    """A rule, and the group that it is of."""

    rule: Rule
    group: SecurityGroup


async def add_rules(ctx: Ctx, several: Sequence[Rule]) -> list[Ruled]:
    """New rules of one group, all or none; each in the form in which it is kept.

    Raises NotFound, Forbidden, BadRequest; Conflict for one that says what another does; OverQuota.
    """
    group_id, project_id = _one_group(several)
    async with ctx.transaction() as ctx:
        await projects.hold(ctx, project_id)
        await claim_all(ctx, project_id, [Claim(SECURITY_GROUP_RULES, len(several), rules.count_of)])
        await hold(ctx, [group_id])
        group = await get(ctx, group_id)
        ctx.require({"project_id": project_id, "security_group:project_id": group.project_id})
        made = [await _checked(ctx, rule) for rule in several]
        _refuse_same(made, (await rules.of_groups(ctx, [group_id]))[group_id])
        await rules.add(ctx, made)
        for rule in made:
            await changed(ctx, RULE_KIND, "created", rule.id, project_id=group.project_id)
        await touch(ctx, group)
    return [Ruled(rule, group) for rule in made]


def _one_group(several: Sequence[Rule]) -> tuple[UUID, str]:
    """The group and the project of all of them. Raises BadRequest if there are several."""
    group_ids = {rule.security_group_id for rule in several}
    owners = {rule.project_id for rule in several}
    if len(group_ids) > 1:
        raise BadRequest(
            "Only allowed to update rules for one security profile at a time", type="SecurityGroupNotSingleGroupRules"
        )
    if len(owners) > 1:
        raise BadRequest(
            "Multiple project_ids in bulk security group rule create not allowed",
            type="SecurityGroupRulesNotSingleProject",
        )
    return group_ids.pop(), owners.pop()


async def _checked(ctx: Ctx, rule: Rule) -> Rule:
    rule = rules.normalised(rule)
    if rule.remote_group_id is not None:
        await get(ctx, rule.remote_group_id)
    if rule.remote_address_group_id is not None:
        await address_groups.hold(ctx, rule.remote_address_group_id)
        await address_groups.get(ctx, rule.remote_address_group_id)
    return replace(rule, created_at=ctx.now(), updated_at=ctx.now())


def _refuse_same(made: Sequence[Rule], known: Sequence[Rule]) -> None:
    for n, rule in enumerate(made):
        if rules.same_as(rule, made[:n]) is not None:
            raise Conflict("Duplicate Security Group Rule in POST.", type="DuplicateSecurityGroupRuleInPost")
        if (other := rules.same_as(rule, known)) is not None:
            raise Conflict(
                f"Security group rule already exists. Rule id is {other.id}.", type="SecurityGroupRuleExists"
            )


def missing_rule(rule_id: object) -> NotFound:
    return no_such("security_group_rule", rule_id)


ruling = Seen("get_security_group_rule", store.groups.c.project_id, there=store.is_there)
"""The groups whose rules the caller may see one by one: the project's own."""


async def get_rule(ctx: Ctx, rule_id: UUID) -> Ruled:
    """A rule of a group whose rules the caller may see. Raises NotFound."""
    rule = await rules.find(ctx, rule_id)
    group = None if rule is None else await store.find(ctx, rule.security_group_id, ruling(ctx))
    if rule is None or group is None:
        raise missing_rule(rule_id)
    return Ruled(rule, group)


async def page_of_rules(ctx: Ctx, query: Query) -> tuple[Found[Rule], set[UUID]]:
    """The rules that the caller may see and the query string asks for, and which groups of them are default ones.

    Raises BadRequest.
    """
    async with ctx.read() as ctx:
        found = await rules.page(ctx, query, store.ids_of_those(ruling(ctx)), store.ids_of_those(store.is_the_default))
        groups = await store.by_ids(ctx, {rule.security_group_id for rule in found.items})
    return found, {group.id for group in groups.values() if group.is_default}


async def delete_rule(ctx: Ctx, rule_id: UUID) -> None:
    """Raises NotFound, Forbidden."""
    async with ctx.transaction() as ctx:
        rule, group = await get_rule(ctx, rule_id)
        require(ctx, group.project_id, missing_rule(rule_id))
        await rules.remove(ctx, rule.id)
        await changed(ctx, RULE_KIND, "deleted", rule_id, project_id=group.project_id)
        await touch(ctx, group)


@address_groups.users
async def users_of_addresses(ctx: Ctx, address_group_id: UUID) -> set[str]:
    named = await store.by_ids(ctx, await rules.naming_address_group(ctx, address_group_id))
    return {group.project_id for group in named.values()}


@address_groups.when_changed
async def converge_those_with(ctx: Ctx, address_group_id: UUID) -> None:
    for group_id in await rules.naming_address_group(ctx, address_group_id):
        await sagas.converge_group.want(ctx, group_id)
