"""/os-security-groups and /os-security-group-rules, which Compute passed on to Networking before 2.36."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Query
from pileus.kernel.http.plan import parse_uuid
from pileus.services.compute.http import api, is_admin, limit, own
from pileus.services.compute.security_groups import service

LIST, ONE = "/v2.1/os-security-groups", "/v2.1/os-security-groups/{security_group_id}"
RULES = "/v2.1/os-security-group-rules"
RULE = "os_compute_api:os-security-groups"

Text = Annotated[str, Meta(max_length=255)]
Port = Annotated[int, Meta(ge=-1, le=65535)] | str | None


class Group(Body, frozen=True):
    name: Text
    description: Text


class NewRule(Body, frozen=True):
    parent_group_id: str
    ip_protocol: str | None = None
    from_port: Port = None
    to_port: Port = None
    cidr: str | None = None
    group_id: str | None = None


def identity(name: str, text: str) -> UUID:
    """Raises BadRequest."""
    try:
        return parse_uuid(text)
    except ValueError:
        raise BadRequest(f"Invalid input for {name}: {text[:80]} is no id.") from None


def port(name: str, value: int | str | None) -> int | None:
    """Raises BadRequest."""
    if isinstance(value, str):
        if not value.removeprefix("-").isdecimal() or len(value) > 6 or not -1 <= int(value) <= 65535:
            raise BadRequest(f"Invalid input for {name}: {value[:80]} is no port.")
        return int(value)
    return value


@api.get(LIST, rule=f"{RULE}:get", until="2.35")
async def list_security_groups(ctx: Ctx, query: Query) -> dict[str, Any]:
    ctx.require(own(ctx))
    everywhere = query.get("all_tenants", ["0"])[-1] not in {"0", "false", "False"} and is_admin(ctx)
    found = await service.page(ctx, everywhere=everywhere)
    first, most = (limit({"limit": query[name][-1]} if name in query else {}) for name in ("offset", "limit"))
    return {"security_groups": found[first or 0 :][:most]}


@api.post(LIST, rule=f"{RULE}:create", until="2.35", wrap="security_group")
async def create_security_group(ctx: Ctx, body: Group) -> dict[str, Any]:
    return await service.create(ctx, body.name, body.description)


@api.get(ONE, rule=f"{RULE}:show", until="2.35", wrap="security_group")
async def show_security_group(ctx: Ctx, security_group_id: UUID) -> dict[str, Any]:
    ctx.require(own(ctx))
    return await service.get(ctx, security_group_id)


@api.put(ONE, rule=f"{RULE}:update", until="2.35", wrap="security_group")
async def change_security_group(ctx: Ctx, security_group_id: UUID, body: Group) -> dict[str, Any]:
    return await service.change(ctx, security_group_id, body.name, body.description)


@api.delete(ONE, rule=f"{RULE}:delete", until="2.35", status=202)
async def delete_security_group(ctx: Ctx, security_group_id: UUID) -> None:
    await service.delete(ctx, security_group_id)


@api.post(RULES, rule=f"{RULE}:rule:create", until="2.35", wrap="security_group_rule")
async def create_security_group_rule(ctx: Ctx, body: NewRule) -> dict[str, Any]:
    rule = service.read_rule(
        ctx,
        parent_id=identity("parent_group_id", body.parent_group_id),
        group_id=identity("group_id", body.group_id) if body.group_id else None,
        protocol=body.ip_protocol,
        ports=(port("from_port", body.from_port), port("to_port", body.to_port)),
        cidr=body.cidr,
    )
    return await service.add_rule(ctx, rule)


@api.delete(f"{RULES}/{{security_group_rule_id}}", rule=f"{RULE}:rule:delete", until="2.35", status=202)
async def delete_security_group_rule(ctx: Ctx, security_group_rule_id: UUID) -> None:
    await service.delete_rule(ctx, security_group_rule_id)
