"""/v2.0/security-groups: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Body, Here, Query
from pileus.services.network.http import api, ending, given, listed, made, only, project_of, wanted
from pileus.services.network.security_group_rules import service as rules
from pileus.services.network.security_groups import service
from pileus.services.network.security_groups.service import SecurityGroup, Whole

ALL, ONE = "/v2.0/security-groups", "/v2.0/security-groups/{security_group_id}"

Name = Annotated[str, Meta(max_length=255)]


class NewGroup(Body, frozen=True):
    name: Name = ""
    description: Name = ""
    stateful: bool = True
    project_id: str | UnsetType = UNSET
    tenant_id: str | UnsetType = UNSET


class OneOfSeveral(NewGroup, frozen=True):
    """A group, bare or, as Neutron reads it too, wrapped once more."""

    security_group: NewGroup | UnsetType = UNSET


class NewGroups(Body, frozen=True):
    security_group: NewGroup | UnsetType = UNSET
    security_groups: list[OneOfSeveral] | UnsetType = UNSET


class Change(Body, frozen=True):
    name: Name | UnsetType = UNSET
    description: Name | UnsetType = UNSET
    stateful: bool | UnsetType = UNSET


def group_of(ctx: Ctx, body: NewGroup) -> SecurityGroup:
    return SecurityGroup(
        id=ctx.world.ids.uuid(),
        project_id=project_of(ctx, body.project_id, body.tenant_id),
        name=body.name,
        description=body.description,
        stateful=body.stateful,
    )


def unwrapped(body: OneOfSeveral) -> NewGroup:
    return body if isinstance(body.security_group, UnsetType) else body.security_group


def shown(found: Whole) -> dict[str, Any]:
    return {
        "id": found.group.id,
        "name": found.group.name,
        "stateful": found.group.stateful,
        "shared": found.shared,
        "security_group_rules": [rules.shown(each, of_default=found.group.is_default) for each in found.rules],
        **ending(found.group, found.tags),
    }


@api.post(ALL, rule="create_security_group", status=201, lax=True)
async def create_groups(ctx: Ctx, body: NewGroups) -> dict[str, Any]:
    several = UNSET if isinstance(body.security_groups, UnsetType) else [*map(unwrapped, body.security_groups)]
    asked = wanted(body.security_group, several, "security_group")
    found = await service.create(ctx, [group_of(ctx, each) for each in asked])
    return made(body.security_group, "security_group", "security_groups", [shown(each) for each in found])


@api.get(ALL, rule="get_security_group")
async def list_groups(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return listed(here, query, "security_groups", await service.page(ctx, query), shown)


@api.get(ONE, rule="get_security_group", wrap="security_group")
async def show_group(ctx: Ctx, security_group_id: UUID, query: Query) -> dict[str, Any]:
    return only(query, shown(await service.show(ctx, security_group_id)))


@api.put(ONE, rule="update_security_group", wrap="security_group", lax=True)
async def change_group(ctx: Ctx, security_group_id: UUID, body: Change) -> dict[str, Any]:
    return shown(await service.change(ctx, security_group_id, given(body)))


@api.delete(ONE, rule="delete_security_group", status=204)
async def delete_group(ctx: Ctx, security_group_id: UUID) -> None:
    await service.delete(ctx, security_group_id)
