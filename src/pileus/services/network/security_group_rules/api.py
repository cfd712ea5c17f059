"""/v2.0/security-group-rules: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Body, Here, Query
from pileus.kernel.http.plan import parse_uuid
from pileus.services.network.address_groups import service as address_groups
from pileus.services.network.http import api, listed, made, only, project_of, wanted
from pileus.services.network.security_group_rules import service
from pileus.services.network.security_group_rules.service import Rule
from pileus.services.network.security_groups import service as groups
from pileus.services.network.security_groups.service import Ruled

ALL, ONE = "/v2.0/security-group-rules", "/v2.0/security-group-rules/{security_group_rule_id}"

Text = Annotated[str, Meta(max_length=255)]


class NewRule(Body, frozen=True):
    security_group_id: Text
    direction: Literal["ingress", "egress"]
    ethertype: Text = "IPv4"
    protocol: str | int | None = None
    port_range_min: str | int | None = None
    port_range_max: str | int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: Text | None = None
    remote_address_group_id: Text | None = None
    description: Text = ""
    project_id: str | UnsetType = UNSET
    tenant_id: str | UnsetType = UNSET


class NewRules(Body, frozen=True):
    security_group_rule: NewRule | UnsetType = UNSET
    security_group_rules: list[NewRule] | UnsetType = UNSET


def rule_of(ctx: Ctx, body: NewRule) -> Rule:
    """Raises BadRequest; NotFound for an id that none can have."""
    remote = None if body.remote_group_id is None else group_id(body.remote_group_id)
    return Rule(
        id=ctx.world.ids.uuid(),
        project_id=project_of(ctx, body.project_id, body.tenant_id),
        security_group_id=group_id(body.security_group_id),
        direction=body.direction,
        ethertype=service.read_ethertype(body.ethertype),
        protocol=service.read_protocol(body.protocol),
        port_range_min=service.read_port(body.port_range_min),
        port_range_max=service.read_port(body.port_range_max),
        remote_ip_prefix=service.read_prefix(body.remote_ip_prefix),
        remote_group_id=remote,
        remote_address_group_id=address_group_id(body.remote_address_group_id),
        description=body.description,
    )


def group_id(text: str) -> UUID:
    try:
        return parse_uuid(text)
    except ValueError:
        raise groups.missing(text) from None


def address_group_id(text: str | None) -> UUID | None:
    try:
        return None if text is None else parse_uuid(text)
    except ValueError:
        raise address_groups.missing(text) from None


def shown(found: Ruled) -> dict[str, Any]:
    return service.shown(found.rule, of_default=found.group.is_default)


@api.post(ALL, rule="create_security_group_rule", status=201)
async def create_rules(ctx: Ctx, body: NewRules) -> dict[str, Any]:
    asked = wanted(body.security_group_rule, body.security_group_rules, "security_group_rule")
    found = await groups.add_rules(ctx, [rule_of(ctx, each) for each in asked])
    return made(body.security_group_rule, "security_group_rule", "security_group_rules", [shown(r) for r in found])


@api.get(ALL, rule="get_security_group_rule")
async def list_rules(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    found, defaults = await groups.page_of_rules(ctx, query)

    def in_list(rule: Rule) -> dict[str, Any]:
        return service.shown(rule, of_default=rule.security_group_id in defaults)

    return listed(here, query, "security_group_rules", found, in_list)


@api.get(ONE, rule="get_security_group_rule", wrap="security_group_rule")
async def show_rule(ctx: Ctx, security_group_rule_id: UUID, query: Query) -> dict[str, Any]:
    return only(query, shown(await groups.get_rule(ctx, security_group_rule_id)))


@api.delete(ONE, rule="delete_security_group_rule", status=204)
async def delete_rule(ctx: Ctx, security_group_rule_id: UUID) -> None:
    await groups.delete_rule(ctx, security_group_rule_id)
