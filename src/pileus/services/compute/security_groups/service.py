"""Networking's security groups in the words that Compute had for them: what comes in, by protocol, ports and origin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.services.network.security_group_rules import service as rules
from pileus.services.network.security_group_rules.service import Rule
from pileus.services.network.security_groups import service as groups
from pileus.services.network.security_groups.service import SecurityGroup, Whole

EVERYWHERE = {"IPv4": "0.0.0.0/0", "IPv6": "::/0"}
ALL_PORTS = {"tcp": (1, 65535), "udp": (1, 65535)}
PROTOCOLS = ("tcp", "udp", "icmp")


# as they are shown


async def shown(ctx: Ctx, several: Sequence[Whole]) -> list[dict[str, Any]]:
    """With the names of the groups that their rules name. The number of queries does not depend on how many they are."""
    named = {rule.remote_group_id for whole in several for rule in whole.rules if rule.remote_group_id}
    known = await groups.by_ids(ctx, named) | {whole.group.id: whole.group for whole in several}
    return [
        {
            "id": whole.group.id,
            "name": whole.group.name,
            "description": whole.group.description,
            "tenant_id": whole.group.project_id,
            "rules": [rule_shown(rule, known) for rule in whole.rules if rule.direction == "ingress"],
        }
        for whole in several
    ]


def rule_shown(rule: Rule, known: dict[UUID, SecurityGroup]) -> dict[str, Any]:
    first, last = rule.port_range_min, rule.port_range_max
    if rule.protocol is not None and first is None and last is None:
        first, last = ALL_PORTS.get(rule.protocol, (-1, -1))
    from_group = known.get(rule.remote_group_id) if rule.remote_group_id else None
    prefix = rule.remote_ip_prefix or (None if rule.remote_group_id else EVERYWHERE[rule.ethertype])
    return {
        "id": rule.id,
        "parent_group_id": rule.security_group_id,
        "ip_protocol": rule.protocol,
        "from_port": first,
        "to_port": last,
        "ip_range": {"cidr": str(prefix)} if prefix else {},
        "group": {"name": from_group.name, "tenant_id": from_group.project_id} if from_group else {},
    }


# as they are changed


@contextmanager
def in_its_words(noun: str = "Security group") -> Iterator[None]:
    """What is in the way of a change was a bad request here."""
    try:
        yield
    except NotFound:
        raise NotFound(f"{noun} not found.") from None
    except Conflict as e:
        raise BadRequest(e.message) from None


async def get(ctx: Ctx, group_id: UUID) -> dict[str, Any]:
    """Raises NotFound."""
    with in_its_words():
        return (await shown(ctx, [await groups.show(ctx, group_id)]))[0]


async def page(ctx: Ctx, *, everywhere: bool) -> list[dict[str, Any]]:
    """Those of the caller's project, or of all."""
    query = {} if everywhere else {"project_id": [ctx.caller.project_id or ""]}
    return await shown(ctx, (await groups.page(ctx, query)).items)


async def create(ctx: Ctx, name: str, description: str) -> dict[str, Any]:
    """Raises BadRequest, Forbidden, OverQuota."""
    new = SecurityGroup(
        id=ctx.world.ids.uuid(),
        project_id=ctx.caller.project_id or "",
        name=name,
        description=description,
        created_at=ctx.now(),
        updated_at=ctx.now(),
    )
    with in_its_words():
        return (await shown(ctx, await groups.create(ctx, [new])))[0]


async def change(ctx: Ctx, group_id: UUID, name: str, description: str) -> dict[str, Any]:
    """Raises NotFound, BadRequest, Forbidden."""
    with in_its_words():
        return (await shown(ctx, [await groups.change(ctx, group_id, {"name": name, "description": description})]))[0]


async def delete(ctx: Ctx, group_id: UUID) -> None:
    """Raises NotFound, BadRequest, Forbidden."""
    with in_its_words():
        await groups.delete(ctx, group_id)


# rules


def read_rule(
    ctx: Ctx,
    *,
    parent_id: UUID,
    group_id: UUID | None,
    protocol: str | None,
    ports: tuple[int | None, int | None],
    cidr: str | None,
) -> Rule:
    """Raises BadRequest."""
    protocol = protocol.lower() if protocol else None
    if protocol is None and group_id is None:
        raise BadRequest("Not enough parameters to build a valid rule.")
    if protocol not in {None, *PROTOCOLS}:
        raise BadRequest(f"Invalid IP protocol {protocol[:80] if protocol else protocol}.")
    first, last = (None if port == -1 else port for port in ports)
    prefix = None if group_id else rules.read_prefix(cidr or EVERYWHERE["IPv4"])
    return Rule(
        id=ctx.world.ids.uuid(),
        project_id=ctx.caller.project_id or "",
        security_group_id=parent_id,
        direction="ingress",
        ethertype="IPv6" if prefix and ":" in prefix else "IPv4",
        protocol=protocol,
        port_range_min=rules.read_port(first),
        port_range_max=rules.read_port(last),
        remote_ip_prefix=prefix,
        remote_group_id=group_id,
    )


async def add_rule(ctx: Ctx, rule: Rule) -> dict[str, Any]:
    """Raises NotFound, BadRequest, Forbidden, OverQuota."""
    with in_its_words():
        (made,) = await groups.add_rules(ctx, [rule])
    known = await groups.by_ids(ctx, [rule.remote_group_id]) if rule.remote_group_id else {}
    return rule_shown(made.rule, known)


async def delete_rule(ctx: Ctx, rule_id: UUID) -> None:
    """Raises NotFound, Forbidden."""
    with in_its_words("Security group rule"):
        if (await groups.get_rule(ctx, rule_id)).rule.direction != "ingress":
            raise NotFound("What goes out was none of Compute's.")
        await groups.delete_rule(ctx, rule_id)
