"""Rules of security groups: what the groups they are of, and the rest of Networking, may ask for.

A rule is made and deleted through its group (`security_groups.service`), which then converges.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.services.network.security_group_rules import rules, store
from pileus.services.network.security_group_rules.rules import (
    DIRECTIONS,
    Match,
    key,
    normalised,
    number,
    read_ethertype,
    read_port,
    read_prefix,
    read_protocol,
)
from pileus.services.network.security_group_rules.store import Rule, add, count_of, find, remove, remove_of

__all__ = [
    "DIRECTIONS",
    "Match",
    "Rule",
    "add",
    "count_of",
    "find",
    "key",
    "naming_address_group",
    "naming_group",
    "normalised",
    "number",
    "of_groups",
    "read_ethertype",
    "read_port",
    "read_prefix",
    "read_protocol",
    "remove",
    "remove_of",
    "same_as",
]


async def of_groups(ctx: Ctx, group_ids: Collection[UUID]) -> dict[UUID, list[Rule]]:
    """The rules of each of these groups, oldest first."""
    found: dict[UUID, list[Rule]] = {group_id: [] for group_id in group_ids}
    for rule in await store.of_groups(ctx, group_ids):
        found[rule.security_group_id].append(rule)
    return found


async def naming_group(ctx: Ctx, group_id: UUID) -> list[UUID]:
    """The groups that let in, or out, who is in that one."""
    return await store.naming(ctx, "remote_group_id", group_id)


async def naming_address_group(ctx: Ctx, address_group_id: UUID) -> list[UUID]:
    """The groups with rules for these addresses."""
    return await store.naming(ctx, "remote_address_group_id", address_group_id)


def same_as(rule: Match, others: Sequence[Rule]) -> Rule | None:
    """One of the others that says the same."""
    mine = rules.key(rule)
    return next((other for other in others if rules.key(other) == mine), None)
