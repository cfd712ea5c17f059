"""/v2.0/default-security-group-rules: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Body, Here, Query
from pileus.services.network.default_group_rules import service
from pileus.services.network.default_group_rules.service import DefaultRule
from pileus.services.network.http import api, listed, made, only, wanted
from pileus.services.network.security_group_rules import service as rules

ALL, ONE = "/v2.0/default-security-group-rules", "/v2.0/default-security-group-rules/{default_security_group_rule_id}"
PARENT = "PARENT"
"""In place of a remote group: the group that the rule will be of."""

GROUP = f"^({PARENT}|[0-9a-fA-F]{{8}}(-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}})$"
Text = Annotated[str, Meta(max_length=255)]


class NewRule(Body, frozen=True):
    direction: Literal["ingress", "egress"]
    ethertype: Text = "IPv4"
    protocol: str | int | None = None
    port_range_min: str | int | None = None
    port_range_max: str | int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: Annotated[str, Meta(pattern=GROUP)] | None = None  # of a group, or PARENT
    remote_address_group_id: UUID | None = None
    description: Text = ""
    used_in_default_sg: bool = False
    used_in_non_default_sg: bool = True
    project_id: Text | UnsetType = UNSET
    tenant_id: Text | UnsetType = UNSET


class NewRules(Body, frozen=True):
    default_security_group_rule: NewRule | UnsetType = UNSET
    default_security_group_rules: list[NewRule] | UnsetType = UNSET


def rule_of(ctx: Ctx, body: NewRule) -> DefaultRule:
    """Raises BadRequest."""
    return DefaultRule(
        id=ctx.world.ids.uuid(),
        direction=body.direction,
        ethertype=rules.read_ethertype(body.ethertype),
        protocol=rules.read_protocol(body.protocol),
        port_range_min=rules.read_port(body.port_range_min),
        port_range_max=rules.read_port(body.port_range_max),
        remote_ip_prefix=rules.read_prefix(body.remote_ip_prefix),
        remote_group_id=None if body.remote_group_id in (None, PARENT) else UUID(body.remote_group_id),
        remote_address_group_id=body.remote_address_group_id,
        of_itself=body.remote_group_id == PARENT,
        in_default=body.used_in_default_sg,
        in_others=body.used_in_non_default_sg,
        description=body.description,
    )


def shown(rule: DefaultRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix,
        "remote_group_id": PARENT if rule.of_itself else rule.remote_group_id,
        "remote_address_group_id": rule.remote_address_group_id,
        "description": rule.description,
        "used_in_default_sg": rule.in_default,
        "used_in_non_default_sg": rule.in_others,
    }


@api.post(ALL, rule="create_default_security_group_rule", status=201)
async def create_rules(ctx: Ctx, body: NewRules) -> dict[str, Any]:
    one, many = body.default_security_group_rule, body.default_security_group_rules
    asked = wanted(one, many, "default_security_group_rule")
    found = await service.create(ctx, [rule_of(ctx, each) for each in asked])
    names = ("default_security_group_rule", "default_security_group_rules")
    return made(one, *names, [shown(each) for each in found])


@api.get(ALL, rule="get_default_security_group_rule")
async def list_rules(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return listed(here, query, "default_security_group_rules", await service.page(ctx, query), shown)


@api.get(ONE, rule="get_default_security_group_rule", wrap="default_security_group_rule")
async def show_rule(ctx: Ctx, default_security_group_rule_id: UUID, query: Query) -> dict[str, Any]:
    return only(query, shown(await service.get(ctx, default_security_group_rule_id)))


@api.delete(ONE, rule="delete_default_security_group_rule", status=204)
async def delete_rule(ctx: Ctx, default_security_group_rule_id: UUID) -> None:
    await service.delete(ctx, default_security_group_rule_id)
