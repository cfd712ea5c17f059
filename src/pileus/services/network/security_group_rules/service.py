"""Rules of security groups: what the groups they are of, and the rest of Networking, may ask for.

A rule is made and deleted through its group (`security_groups.service`), which then converges.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.http import Query
from pileus.kernel.http.queries import boolean
from pileus.services.network.http import owned, stamped
from pileus.services.network.lists import Found
from pileus.services.network.security_group_rules import rules, store
from pileus.services.network.security_group_rules.rules import (
    DIRECTIONS,
    ONLY_IPV6,
    Match,
    key,
    network_of,
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
    "ONLY_IPV6",
    "Match",
    "Rule",
    "add",
    "count_of",
    "find",
    "key",
    "naming_address_group",
    "naming_group",
    "network_of",
    "normalised",
    "number",
    "of_groups",
    "page",
    "read_ethertype",
    "read_port",
    "read_prefix",
    "read_protocol",
    "remove",
    "remove_of",
    "same_as",
    "shown",
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


async def page(ctx: Ctx, query: Query, groups: sa.Select[Any], defaults: sa.Select[Any]) -> Found[Rule]:
    """The rules of these groups that the query string asks for; `defaults` are those groups that projects begin with.

    Raises BadRequest.
    """
    asked = {name: values for name, values in query.items() if name != "belongs_to_default_sg"}
    ways = {boolean("belongs_to_default_sg", value) for value in query.get("belongs_to_default_sg", ())}
    default = store.of_any(defaults)
    narrowed = [sa.or_(*(default if way else ~default for way in sorted(ways)))] if ways else []
    return await store.page(ctx, asked, store.of_any(groups), *narrowed)


def shown(rule: Rule, *, of_default: bool) -> dict[str, Any]:
    """The rule as the API shows it, also among those of its group."""
    return {
        "id": rule.id,
        "security_group_id": rule.security_group_id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "normalized_cidr": network_of(rule.remote_ip_prefix),
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": rule.remote_address_group_id,
        "belongs_to_default_sg": of_default,
        "description": rule.description,
        "created_at": stamped(rule.created_at),
        "updated_at": stamped(rule.updated_at),
        "revision_number": rule.revision,
        **owned(rule.project_id),
    }


def same_as(rule: Match, others: Sequence[Rule]) -> Rule | None:
    """One of the others that says the same."""
    mine = rules.key(rule)
    return next((other for other in others if rules.key(other) == mine), None)
