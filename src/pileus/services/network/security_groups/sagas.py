"""Groups converge: whatever their rules are, the overlay is told until it has heard the last of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from pileus.engines.overlay import Group
from pileus.engines.overlay import Rule as Filter
from pileus.kernel.operations import Converge, Op
from pileus.kernel.verbs import Done
from pileus.services.network.address_groups import service as address_groups
from pileus.services.network.overlay import overlay
from pileus.services.network.security_group_rules import service as rules
from pileus.services.network.security_group_rules.service import Rule
from pileus.services.network.security_groups import store
from pileus.services.network.security_groups.store import SecurityGroup

converge_group = Converge("network.security_group", store.groups)


@converge_group.step(deadline_s=300)
async def apply(op: Op) -> Any:
    """Say the whole group. What was said is kept, so that the next step tells what has been brought about."""
    async with op.ctx.read() as ctx:
        group = await store.find(ctx, op.subject_id, store.ANY)
        its = (await rules.of_groups(ctx, [op.subject_id]))[op.subject_id]
        named = {rule.remote_address_group_id for rule in its if rule.remote_address_group_id is not None}
        lists = {id_: each.addresses for id_, each in (await address_groups.by_ids(ctx, named)).items()}
    engine = await overlay(op)
    if group is None or group.deleted:
        answer = await engine.ensure_group_gone(op.subject_id)
        return {"gone": True} if isinstance(answer, Done) else answer
    answer = await engine.ensure_group(wish(group, its, lists))
    return {"gone": False} if isinstance(answer, Done) else answer


@converge_group.rows
async def forget(op: Op) -> None:
    """What has gone from the overlay is no row any more."""
    if op.memo["apply"]["gone"]:
        await store.remove(op.ctx, op.subject_id)


def wish(group: SecurityGroup, its: Sequence[Rule], lists: Mapping[UUID, Sequence[str]]) -> Group:
    """The group as the overlay is to have it: a rule for a list of addresses is one for each of them."""
    return Group(
        id=group.id, rules=tuple(each for rule in its for each in _filters(rule, lists)), stateful=group.stateful
    )


def _filters(rule: Rule, lists: Mapping[UUID, Sequence[str]]) -> Iterator[Filter]:
    if rule.remote_address_group_id is None:
        yield _filter(rule, rule.id, rules.network_of(rule.remote_ip_prefix))
        return
    for cidr in lists.get(rule.remote_address_group_id, ()):
        if (":" in cidr) == (rule.ethertype == "IPv6"):
            yield _filter(rule, uuid5(rule.id, cidr), cidr)


def _filter(rule: Rule, id_: UUID, cidr: str | None) -> Filter:
    return Filter(
        id=id_,
        ingress=rule.direction == "ingress",
        ethertype=rule.ethertype,
        protocol=rule.protocol,
        port_min=rule.port_range_min,
        port_max=rule.port_range_max,
        remote_cidr=cidr,
        remote_group=rule.remote_group_id,
    )
