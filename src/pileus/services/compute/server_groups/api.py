"""/os-server-groups/{server_group_id}: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Query
from pileus.services.compute.http import Name, Positive, api, asked, check_printable, is_admin, limit, own
from pileus.services.compute.server_groups import service
from pileus.services.compute.server_groups.service import Group

LIST = "/v2.1/os-server-groups"
ONE = "/v2.1/os-server-groups/{server_group_id}"
RULES = "os_compute_api:os-server-groups"
MOST = 1000

Hard = Literal["anti-affinity", "affinity"]
Policy = Literal["anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity"]


class FirstGroup(Body, frozen=True):
    name: Name
    policies: Annotated[list[Hard], Meta(min_length=1, max_length=1)]


class SoftGroup(Body, frozen=True):
    """From 2.15 on."""

    name: Name
    policies: Annotated[list[Policy], Meta(min_length=1, max_length=1)]


class Rules(Body, frozen=True):
    max_server_per_host: Positive | UnsetType = UNSET


class RuledGroup(Body, frozen=True):
    """From 2.64 on."""

    name: Name
    policy: Policy
    rules: Rules = Rules()


def shown(ctx: Ctx, group: Group, members: Collection[UUID]) -> dict[str, Any]:
    document: dict[str, Any] = {"id": group.id, "name": group.name, "members": members}
    if ctx.at("2.13"):
        document |= {"project_id": group.project_id, "user_id": group.user_id}
    if ctx.at("2.64"):
        rules = {"max_server_per_host": group.most_on_host} if group.most_on_host is not None else {}
        return {**document, "policy": group.policy, "rules": rules}
    return {**document, "policies": [group.policy], "metadata": {}}


async def created(ctx: Ctx, name: str, policy: str, most_on_host: int | None = None) -> dict[str, Any]:
    ctx.require(own(ctx))
    return shown(ctx, await service.create(ctx, check_printable("name", name), policy, most_on_host), ())


@api.post(LIST, rule=f"{RULES}:create", wrap="server_group", until="2.14")
async def create_first_group(ctx: Ctx, body: FirstGroup) -> dict[str, Any]:
    return await created(ctx, body.name, body.policies[0])


@api.post(LIST, rule=f"{RULES}:create", wrap="server_group", since="2.15", until="2.63")
async def create_soft_group(ctx: Ctx, body: SoftGroup) -> dict[str, Any]:
    return await created(ctx, body.name, body.policies[0])


@api.post(LIST, rule=f"{RULES}:create", wrap="server_group", since="2.64", lax=True)
async def create_ruled_group(ctx: Ctx, body: RuledGroup) -> dict[str, Any]:
    most = body.rules.max_server_per_host
    if most is not UNSET and body.policy != "anti-affinity":
        raise BadRequest("Only anti-affinity policy supports rules.")
    return await created(ctx, body.name, body.policy, None if most is UNSET else most)


@api.get(LIST, rule=f"{RULES}:index", wrap="server_groups")
async def list_groups(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    given = asked(ctx, query, ("all_projects", "limit", "offset"))
    ctx.require(own(ctx))
    everywhere = "all_projects" in given and is_admin(ctx)
    if everywhere:
        ctx.world.policy.check(f"{RULES}:index:all_projects", ctx.caller, own(ctx))
    most = limit(given)
    async with ctx.read() as ctx:
        found = await service.list_(
            ctx, everywhere=everywhere, offset=offset(given), limit=min(MOST if most is None else most, MOST)
        )
        members = await service.members_of(ctx, [group.id for group in found])
    return [shown(ctx, group, members[group.id]) for group in found]


def offset(given: dict[str, str]) -> int:
    """How many are left out at the beginning. Raises BadRequest."""
    text = given.get("offset", "0")
    if re.fullmatch("[0-9]{1,18}", text) is None:
        raise BadRequest(f"Invalid input for query parameters offset. Value: {text[:80]}. It is no number from 0 on.")
    return int(text)


@api.get(ONE, rule=f"{RULES}:show", wrap="server_group")
async def show_group(ctx: Ctx, server_group_id: UUID, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    async with ctx.read() as ctx:
        group = await service.get(ctx, server_group_id)
        return shown(ctx, group, (await service.members_of(ctx, [group.id]))[group.id])


@api.delete(ONE, rule=f"{RULES}:delete", status=204)
async def delete_group(ctx: Ctx, server_group_id: UUID) -> None:
    await service.delete(ctx, server_group_id)
