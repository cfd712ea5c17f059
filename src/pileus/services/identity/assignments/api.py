"""Grants of roles, and /v3/role_assignments: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotImplementedHere
from pileus.kernel.http import Here, Query
from pileus.services.identity.assignments import service
from pileus.services.identity.assignments.service import SYSTEM, Assignment
from pileus.services.identity.http import api, collection, require

FILTERS = {"user.id": "actor_id", "role.id": "role_id", "scope.project.id": "target_id", "scope.domain.id": "target_id"}
LATER = ("effective", "include_names", "include_subtree", "group.id", "scope.OS-INHERIT:inherited_to")


def shown(held: Assignment, here: Here) -> dict[str, Any]:
    scope: dict[str, Any] = (
        {"system": {"all": True}} if held.target == SYSTEM else {held.target: {"id": held.target_id}}
    )
    if held.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    place = "system" if held.target == SYSTEM else f"{held.target}s/{held.target_id}"
    link = here.url(f"/v3/{place}/{held.actor}s/{held.actor_id}/roles/{held.role_id}")
    return {
        "role": {"id": held.role_id},
        held.actor: {"id": held.actor_id},
        "scope": scope,
        "links": {"assignment": link},
    }


async def permitted(ctx: Ctx, *named: tuple[str, str]) -> None:
    """Raises Forbidden, which reads the same whether what is named is there or not; NotFound only to who may know."""
    facts, missing = await service.facts(ctx, named)
    require(ctx, facts)
    if missing is not None:
        raise missing


def of_user(user_id: str, target: str, target_id: str, role_id: str = "") -> Assignment:
    return Assignment(user_id, target_id, role_id, False, "user", target)


def named(grant: Assignment) -> list[tuple[str, str]]:
    """What a grant names, as (kind, id)."""
    places = [] if grant.target == SYSTEM else [(grant.target, grant.target_id)]
    return [("user", grant.actor_id), *places, *([("role", grant.role_id)] if grant.role_id else [])]


async def create(ctx: Ctx, grant: Assignment) -> None:
    await permitted(ctx, *named(grant))
    await service.grant(ctx, grant)


async def check(ctx: Ctx, grant: Assignment) -> None:
    await permitted(ctx, *named(grant))
    await service.get(ctx, grant)


async def revoke(ctx: Ctx, grant: Assignment) -> None:
    await permitted(ctx, *named(grant))
    await service.revoke(ctx, grant)


async def granted(ctx: Ctx, wanted: Assignment, here: Here) -> dict[str, Any]:
    await permitted(ctx, *named(wanted))
    held = await service.roles_granted(ctx, wanted.actor_id, wanted.target_id)
    return collection(here, "roles", [{"id": each.id, "name": each.name, "domain_id": each.domain_id} for each in held])


def grants(target: str) -> None:
    """Declare the routes of the grants to users on projects, or on domains."""
    every = f"/v3/{target}s/{{target_id}}/users/{{user_id}}/roles"
    one = every + "/{role_id}"

    @api.put(one, rule="identity:create_grant", status=204)
    async def create_grant(ctx: Ctx, target_id: str, user_id: str, role_id: str) -> None:
        await create(ctx, of_user(user_id, target, target_id, role_id))

    @api.get(one, rule="identity:check_grant", status=204)
    async def check_grant(ctx: Ctx, target_id: str, user_id: str, role_id: str) -> None:
        await check(ctx, of_user(user_id, target, target_id, role_id))

    @api.delete(one, rule="identity:revoke_grant", status=204)
    async def revoke_grant(ctx: Ctx, target_id: str, user_id: str, role_id: str) -> None:
        await revoke(ctx, of_user(user_id, target, target_id, role_id))

    @api.get(every, rule="identity:list_grants")
    async def list_grants(ctx: Ctx, target_id: str, user_id: str, here: Here) -> dict[str, Any]:
        return await granted(ctx, of_user(user_id, target, target_id), here)


grants("project")
grants("domain")

ON_SYSTEM = "/v3/system/users/{user_id}/roles"


@api.put(ON_SYSTEM + "/{role_id}", rule="identity:create_system_grant_for_user", status=204)
async def create_system_grant(ctx: Ctx, user_id: str, role_id: str) -> None:
    await create(ctx, of_user(user_id, SYSTEM, SYSTEM, role_id))


@api.get(ON_SYSTEM + "/{role_id}", rule="identity:check_system_grant_for_user", status=204)
async def check_system_grant(ctx: Ctx, user_id: str, role_id: str) -> None:
    await check(ctx, of_user(user_id, SYSTEM, SYSTEM, role_id))


@api.delete(ON_SYSTEM + "/{role_id}", rule="identity:revoke_system_grant_for_user", status=204)
async def revoke_system_grant(ctx: Ctx, user_id: str, role_id: str) -> None:
    await revoke(ctx, of_user(user_id, SYSTEM, SYSTEM, role_id))


@api.get(ON_SYSTEM, rule="identity:list_system_grants_for_user")
async def list_system_grants(ctx: Ctx, user_id: str, here: Here) -> dict[str, Any]:
    return await granted(ctx, of_user(user_id, SYSTEM, SYSTEM), here)


@api.get("/v3/role_assignments", rule="identity:list_role_assignments")
async def list_assignments(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    if ctx.caller.domain_id is not None:
        raise NotImplementedHere("A domain's own list of role assignments is not there yet; ask with a system scope.")
    require(ctx, {})
    if later := [name for name in LATER if name in query]:
        raise NotImplementedHere(f"Role assignments cannot be listed by {', '.join(later)} yet.")
    columns = {column: query[name][-1] for name, column in FILTERS.items() if name in query}
    if "scope.system" in query:
        columns["target_id"] = SYSTEM
    held = await service.list_(ctx, columns)
    links = {"next": None, "self": here.base + here.again(), "previous": None}
    return {"role_assignments": [shown(each, here) for each in held], "links": links}
