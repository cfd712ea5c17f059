"""Security groups: what the API, ports and the services above may ask for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.filters import Condition
from pileus.kernel.quota import Claim, claim_all
from pileus.services.identity.projects import service as projects
from pileus.services.network.grounds import is_admin, seen
from pileus.services.network.quotas import SECURITY_GROUP_RULES, SECURITY_GROUPS
from pileus.services.network.rbac_policies import service as rbac
from pileus.services.network.security_group_rules import service as rules
from pileus.services.network.security_group_rules.service import Match, Rule
from pileus.services.network.security_groups import store
from pileus.services.network.security_groups.store import SecurityGroup, in_groups

KIND, RULE_KIND = "network.security_group", "network.security_group_rule"
DEFAULT = "default"
"""The name of the group that each project has, and that ports are in of which nothing else is said."""

EVERYTHING = (Match(direction="egress", ethertype="IPv4"), Match(direction="egress", ethertype="IPv6"))


def visible(ctx: Ctx) -> Condition:
    """Those that the caller may see: the project's own, and those that are shared with it."""
    shared = store.groups.c.id.in_(rbac.objects_for("security_group", rbac.SHARED, ctx.caller.project_id))
    return store.is_there & seen(ctx, "get_security_group", store.groups.c.project_id, shared)


def missing(*group_ids: object) -> NotFound:
    return NotFound(f"Security group {', '.join(map(str, group_ids))} does not exist", type="SecurityGroupNotFound")


async def get(ctx: Ctx, group_id: UUID) -> SecurityGroup:
    """One that the caller may see. Raises NotFound."""
    found = await store.find(ctx, group_id, visible(ctx))
    if found is None:
        raise missing(group_id)
    return found


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, SecurityGroup]:
    """Those of them that the caller may see."""
    return await store.by_ids(ctx, ids, visible(ctx))


# Making, changing, deleting


async def create(ctx: Ctx, group: SecurityGroup) -> SecurityGroup:
    """A group that lets out everything. The project's default one comes first, if it has none.

    Raises Conflict for the name of the default one, OverQuota.
    """
    if group.name.lower() == DEFAULT:
        raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")
    async with ctx.transaction() as ctx:
        await ensure_default(ctx, group.project_id)
        claims = [
            Claim(SECURITY_GROUPS, 1, store.count_of),
            Claim(SECURITY_GROUP_RULES, len(EVERYTHING), rules.count_of),
        ]
        await claim_all(ctx, group.project_id, claims)
        return await _add(ctx, group, EVERYTHING)


async def ensure_default(ctx: Ctx, project_id: str) -> UUID:
    """The project's default group, made when it is asked for first: its members may talk to each other."""
    found = await store.default_of(ctx, project_id)
    if found is not None:
        return found
    async with ctx.transaction() as ctx:
        await ctx.lock("network_default_group", project_id)
        if (found := await store.default_of(ctx, project_id)) is not None:
            return found
        group = SecurityGroup(
            id=ctx.world.ids.uuid(),
            project_id=project_id,
            name=DEFAULT,
            description="Default security group",
            is_default=True,
        )
        inside = [Match(direction="ingress", ethertype=each.ethertype, remote_group_id=group.id) for each in EVERYTHING]
        return (await _add(ctx, group, [*EVERYTHING, *inside])).id


async def _add(ctx: Ctx, group: SecurityGroup, matches: Sequence[Match]) -> SecurityGroup:
    await projects.hold(ctx, group.project_id)
    group = replace(group, created_at=ctx.now(), updated_at=ctx.now(), revision_number=1)
    await store.add(ctx, group)
    await rules.add(ctx, [_rule(ctx, match, group) for match in matches])
    await changed(ctx, KIND, "created", group.id, project_id=group.project_id)
    return group


def _rule(ctx: Ctx, match: Match, group: SecurityGroup) -> Rule:
    of_group = Rule(
        id=ctx.world.ids.uuid(),
        project_id=group.project_id,
        security_group_id=group.id,
        direction=match.direction,
        created_at=ctx.now(),
        updated_at=ctx.now(),
    )
    return replace(of_group, **msgspec.structs.asdict(match))


async def change(ctx: Ctx, group_id: UUID, columns: dict[str, Any]) -> SecurityGroup:
    """Raises NotFound, Forbidden; Conflict for the name of the default one, and for `stateful` of one in use."""
    async with ctx.transaction() as ctx:
        await _hold(ctx, [group_id])
        group = await get(ctx, group_id)
        ctx.require({"project_id": group.project_id})
        if group.is_default and "name" in columns:
            raise Conflict("Updating default security group not allowed.", type="SecurityGroupCannotUpdateDefault")
        if columns.get("name", "").lower() == DEFAULT:
            raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")
        if columns.get("stateful", group.stateful) != group.stateful and await store.is_used(ctx, group_id):
            raise in_use(group_id)
        await _touch(ctx, group, **columns)
        return await get(ctx, group_id)


def in_use(group_id: UUID) -> Conflict:
    return Conflict(f"Security Group {group_id} in use.", type="SecurityGroupInUse")


async def delete(ctx: Ctx, group_id: UUID) -> None:
    """With its rules, and those that name it. Raises NotFound, Forbidden; Conflict when a port is in it."""
    async with ctx.transaction() as ctx:
        await _hold(ctx, [group_id])
        group = await get(ctx, group_id)
        ctx.require({"project_id": group.project_id})
        if await store.is_used(ctx, group_id):
            raise in_use(group_id)
        if group.is_default and not is_admin(ctx):
            raise Conflict(
                "Insufficient rights for removing default security group.", type="SecurityGroupCannotRemoveDefault"
            )
        await _delete(ctx, group)


async def _delete(ctx: Ctx, group: SecurityGroup) -> None:
    for other_id in await rules.naming_group(ctx, group.id):
        if other_id != group.id:
            await store.change(ctx, other_id)
    await rules.remove_of(ctx, group.id)
    await rbac.remove_of(ctx, "security_group", group.id)
    await store.change(ctx, group.id, deleted=True)
    await changed(ctx, KIND, "deleted", group.id, project_id=group.project_id)


async def _hold(ctx: Ctx, group_ids: Iterable[UUID]) -> None:
    """Who decides on the rules and members of these groups comes one after the other."""
    for group_id in sorted(set(group_ids)):
        await ctx.lock("security_group", group_id)


async def _touch(ctx: Ctx, group: SecurityGroup, **columns: Any) -> None:
    await store.change(ctx, group.id, **columns)
    await changed(ctx, KIND, "updated", group.id, project_id=group.project_id)


# Rules


async def add_rules(ctx: Ctx, several: Sequence[Rule]) -> list[Rule]:
    """New rules of one group, all or none; each in the form in which it is kept.

    Raises NotFound, Forbidden, BadRequest; Conflict for one that says what another does; OverQuota.
    """
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
    [group_id], [project_id] = group_ids, owners
    async with ctx.transaction() as ctx:
        await projects.hold(ctx, project_id)
        await claim_all(ctx, project_id, [Claim(SECURITY_GROUP_RULES, len(several), rules.count_of)])
        await _hold(ctx, [group_id])
        group = await get(ctx, group_id)
        ctx.require({"project_id": project_id, "security_group:project_id": group.project_id})
        made = [await _checked(ctx, rule) for rule in several]
        _refuse_same(made, (await rules.of_groups(ctx, [group_id]))[group_id])
        await rules.add(ctx, made)
        for rule in made:
            await changed(ctx, RULE_KIND, "created", rule.id, project_id=group.project_id)
        await _touch(ctx, group)
    return made


async def _checked(ctx: Ctx, rule: Rule) -> Rule:
    rule = rules.normalised(rule)
    if rule.remote_group_id is not None:
        await get(ctx, rule.remote_group_id)
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
    return NotFound(f"Security group rule {rule_id} does not exist", type="SecurityGroupRuleNotFound")


async def get_rule(ctx: Ctx, rule_id: UUID) -> tuple[Rule, SecurityGroup]:
    """A rule of a group whose rules the caller may see. Raises NotFound."""
    rule = await rules.find(ctx, rule_id)
    if rule is None:
        raise missing_rule(rule_id)
    group = await store.find(ctx, rule.security_group_id, store.is_there & owned(ctx))
    if group is None:
        raise missing_rule(rule_id)
    return rule, group


def owned(ctx: Ctx) -> Condition:
    """The groups whose rules the caller may see one by one: the project's own."""
    return seen(ctx, "get_security_group_rule", store.groups.c.project_id)


async def delete_rule(ctx: Ctx, rule_id: UUID) -> None:
    """Raises NotFound, Forbidden."""
    async with ctx.transaction() as ctx:
        rule, group = await get_rule(ctx, rule_id)
        ctx.require({"project_id": rule.project_id, "security_group:project_id": group.project_id})
        await rules.remove(ctx, rule_id)
        await changed(ctx, RULE_KIND, "deleted", rule_id, project_id=group.project_id)
        await _touch(ctx, group)


# Ports


async def for_port(ctx: Ctx, project_id: str, group_ids: Collection[UUID]) -> list[UUID]:
    """In the open transaction: these groups, for a port of that project; they stay until it ends.

    Raises NotFound for one that the project may not use, Conflict for stateful and stateless ones together.
    """
    wanted = sorted(set(group_ids))
    await _hold(ctx, wanted)
    mine = store.groups.c.project_id == project_id
    shared = store.groups.c.id.in_(rbac.objects_for("security_group", rbac.SHARED, project_id))
    found = await store.by_ids(ctx, wanted, store.is_there if is_admin(ctx) else store.is_there & (mine | shared))
    if unknown := [group_id for group_id in wanted if group_id not in found]:
        raise missing(*unknown)
    if len({group.stateful for group in found.values()}) > 1:
        raise Conflict(
            "Error Cannot apply both stateful and stateless security groups on the same port at the same time while "
            "attempting the operation.",
            type="SecurityGroupConflict",
        )
    return wanted


async def put_in(ctx: Ctx, port_id: UUID, project_id: str, group_ids: Collection[UUID]) -> bool:
    """In the open transaction: the port, which is that project's, is in these groups (of `for_port`) and no others.

    Returns whether that is new.
    A port that is deleted is in none.
    """
    before = {row[1] for row in await store.of_ports(ctx, [port_id])}
    wanted = set(group_ids)
    await store.leave(ctx, port_id, before - wanted)
    await store.join(ctx, port_id, project_id, wanted - before)
    return before != wanted


async def of_ports(ctx: Ctx, port_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """The groups that each of these ports is in, by id."""
    found: dict[UUID, list[UUID]] = {port_id: [] for port_id in port_ids}
    for port_id, group_id, _ in await store.of_ports(ctx, found):
        found[port_id].append(group_id)
    return found


async def names_of(ctx: Ctx, port_ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """The names of the groups that each of these ports is in."""
    found: dict[UUID, list[str]] = {port_id: [] for port_id in port_ids}
    for port_id, _, name in await store.of_ports(ctx, found):
        found[port_id].append(name)
    return found


# Sharing


@rbac.shares("security_group")
async def owner(ctx: Ctx, group_id: UUID) -> str | None:
    found = await store.find(ctx, group_id)
    return None if found is None else found.project_id


@owner.users
async def users(ctx: Ctx, group_id: UUID) -> set[str]:
    return await store.users(ctx, group_id)


@owner.touched
async def touch(ctx: Ctx, group_id: UUID) -> None:
    await store.change(ctx, group_id)


# Projects


async def count_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many groups these projects have, and the names of a few."""
    return await store.names_of(ctx, project_ids)


async def delete_of(ctx: Ctx, project_ids: Sequence[str]) -> int:
    """Begin to delete those of these projects that no port is in. Returns how many."""
    found = await store.by_ids(ctx, await store.ids_of(ctx, project_ids))
    for group in found.values():
        await _delete(ctx, group)
    return len(found)


__all__ = [
    "SecurityGroup",
    "add_rules",
    "by_ids",
    "change",
    "count_of",
    "create",
    "delete",
    "delete_of",
    "delete_rule",
    "ensure_default",
    "for_port",
    "get",
    "get_rule",
    "in_groups",
    "missing",
    "missing_rule",
    "names_of",
    "of_ports",
    "put_in",
    "visible",
]
