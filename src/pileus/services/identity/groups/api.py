"""/v3/groups, and the groups of a user: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.groups import service
from pileus.services.identity.groups.service import Group
from pileus.services.identity.http import (
    about,
    api,
    changes,
    divided,
    given,
    listed,
    member,
    require,
    sought,
    sought_all,
)
from pileus.services.identity.projects.service import DEFAULT
from pileus.services.identity.users import service as users

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
ID = re.compile(r"[0-9a-f]{32}")


class CreateGroup(msgspec.Struct):
    name: Name
    domain_id: str | None = None
    description: str | None = ""


class ChangeGroup(msgspec.Struct):
    name: Name | UnsetType = UNSET
    domain_id: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


def shown(group: Group) -> dict[str, Any]:
    return {
        **group.extra,
        "id": group.id,
        "name": group.name,
        "domain_id": group.domain_id,
        "description": group.description,
    }


def shown_of_user(group: Group) -> dict[str, Any]:
    return {**shown(group), "membership_expires_at": None}


def target(group: Group) -> dict[str, Any]:
    return about("group", group)


@api.get("/v3/groups", rule="identity:list_groups")
async def list_groups(ctx: Ctx, query: Query, here: Here) -> Answer:
    own = ctx.caller.domain_id
    require(ctx, {"target.group.domain_id": own})
    return listed(here, "groups", shown, await service.page(ctx, query, domain_id=own))


@api.get("/v3/groups/{group_id}", rule="identity:get_group", wrap="group")
async def show_group(ctx: Ctx, group_id: str, here: Here) -> dict[str, Any]:
    return member(here, "groups", shown(await sought(ctx, service.get(ctx, group_id), target)))


@api.post("/v3/groups", rule="identity:create_group", wrap="group", status=201)
async def create_group(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    sent, extra = divided(body, CreateGroup, "group")
    domain_id = sent.domain_id or ctx.caller.domain_id or ctx.caller.project_domain_id or DEFAULT
    require(ctx, {"target.group.domain_id": domain_id})
    facts = {"description": sent.description, "extra": extra}
    return member(here, "groups", shown(await service.create(ctx, sent.name, domain_id, facts=facts)))


@api.patch("/v3/groups/{group_id}", rule="identity:update_group", wrap="group")
async def change_group(ctx: Ctx, group_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    before = await sought(ctx, service.get(ctx, group_id), target)
    sent, extra = changes(body, ChangeGroup, "group", group_id)
    wanted = given(sent)
    if "name" in wanted:
        wanted["name"] = wanted["name"].strip()
    if extra:
        wanted["extra"] = {**before.extra, **extra}
    return member(here, "groups", shown(await service.change(ctx, group_id, wanted)))


@api.delete("/v3/groups/{group_id}", rule="identity:delete_group", status=204, late=True)
async def delete_group(ctx: Ctx, group_id: str) -> None:
    """What can be no id is missing for everybody, as in Keystone; of what could be one, only who may delete it is told."""
    if not ID.fullmatch(group_id):
        raise NotFound(f"Could not find group: {group_id}.")
    await sought(ctx, service.get(ctx, group_id), target)
    await service.delete(ctx, group_id)


@api.get("/v3/groups/{group_id}/users", rule="identity:list_users_in_group")
async def list_members(ctx: Ctx, group_id: str, query: Query, here: Here) -> Answer:
    await sought(ctx, service.get(ctx, group_id), target)
    found = await service.members(ctx, query, group_id, domain_id=ctx.caller.domain_id)
    return listed(here, "users", users.shown, found)


async def permitted(ctx: Ctx, group_id: str, user_id: str) -> None:
    """Raises Forbidden, which reads the same whether group and user are there or not; NotFound only to who may know."""
    await sought_all(ctx, ("group", service.get, group_id), ("user", users.get, user_id))


@api.put("/v3/groups/{group_id}/users/{user_id}", rule="identity:add_user_to_group", status=204)
async def add_member(ctx: Ctx, group_id: str, user_id: str) -> None:
    await permitted(ctx, group_id, user_id)
    await service.join(ctx, group_id, user_id)


@api.get("/v3/groups/{group_id}/users/{user_id}", rule="identity:check_user_in_group", status=204)
async def check_member(ctx: Ctx, group_id: str, user_id: str) -> None:
    await permitted(ctx, group_id, user_id)
    await service.member(ctx, group_id, user_id)


@api.delete("/v3/groups/{group_id}/users/{user_id}", rule="identity:remove_user_from_group", status=204)
async def remove_member(ctx: Ctx, group_id: str, user_id: str) -> None:
    await permitted(ctx, group_id, user_id)
    await service.leave(ctx, group_id, user_id)


@api.get("/v3/users/{user_id}/groups", rule="identity:list_groups_for_user")
async def list_groups_of_user(ctx: Ctx, user_id: str, query: Query, here: Here) -> Answer:
    await sought(ctx, users.get(ctx, user_id), lambda user: {**about("user", user), "user_id": user.id})
    found = await service.page(ctx, query, domain_id=ctx.caller.domain_id, user_id=user_id)
    return listed(here, "groups", shown_of_user, found)
