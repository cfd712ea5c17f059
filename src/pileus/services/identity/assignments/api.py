"""Grants of roles, and /v3/role_assignments: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotImplementedHere
from pileus.kernel.http import Here, Query
from pileus.services.identity.assignments import service
from pileus.services.identity.assignments.service import SYSTEM, Assignment
from pileus.services.identity.groups import service as groups
from pileus.services.identity.http import api, collection, require, sought_all
from pileus.services.identity.projects import service as projects
from pileus.services.identity.roles import service as roles
from pileus.services.identity.users import service as users

FILTERS = {
    "user.id": "actor_id",
    "group.id": "actor_id",
    "role.id": "role_id",
    "scope.project.id": "target_id",
    "scope.domain.id": "target_id",
}
LATER = ("effective", "include_names", "include_subtree", "scope.OS-INHERIT:inherited_to")


def shown(held: Assignment, here: Here) -> dict[str, Any]:
    scope: dict[str, Any] = (
        {"system": {"all": True}} if held.target == SYSTEM else {held.target: {"id": held.target_id}}
    )
    if held.inherited:
        scope["OS-INHERIT:inherited_to"] = "projects"
    place = "system" if held.target == SYSTEM else f"{held.target}s/{held.target_id}"
    grant = f"{place}/{held.actor}s/{held.actor_id}/roles/{held.role_id}"
    link = here.url(f"/v3/OS-INHERIT/{grant}/inherited_to_projects" if held.inherited else f"/v3/{grant}")
    return {
        "role": {"id": held.role_id},
        held.actor: {"id": held.actor_id},
        "scope": scope,
        "links": {"assignment": link},
    }


KINDS: dict[str, Callable[[Ctx, str], Awaitable[Any]]] = {
    "user": users.get,
    "group": groups.get,
    "project": projects.get,
    "domain": partial(projects.get, domain=True),
    "role": roles.get,
}


async def permitted(ctx: Ctx, grant: Assignment) -> None:
    """Raises Forbidden, which reads the same whether what a grant names is there or not; NotFound only to who may know."""
    named = {grant.actor: grant.actor_id, grant.target: grant.target_id, "role": grant.role_id}
    await sought_all(ctx, *((kind, KINDS[kind], id_) for kind, id_ in named.items() if id_ and kind != SYSTEM))


async def create(ctx: Ctx, grant: Assignment) -> None:
    await permitted(ctx, grant)
    await service.grant(ctx, grant)


async def check(ctx: Ctx, grant: Assignment) -> None:
    await permitted(ctx, grant)
    await service.get(ctx, grant)


async def revoke(ctx: Ctx, grant: Assignment) -> None:
    await permitted(ctx, grant)
    await service.revoke(ctx, grant)


async def granted(ctx: Ctx, wanted: Assignment, here: Here) -> dict[str, Any]:
    await permitted(ctx, wanted)
    held = await service.roles_granted(ctx, wanted.actor_id, wanted.target_id, inherited=wanted.inherited)
    return collection(here, "roles", map(roles.shown, held))


def grants(actor: str, target: str, *, inherited: bool) -> None:
    """Declare the routes of the grants to users, or to groups, on projects, or on domains."""
    prefix, end = ("/v3/OS-INHERIT", "/inherited_to_projects") if inherited else ("/v3", "")
    place = f"{prefix}/{target}s/{{target_id}}/{actor}s/{{actor_id}}/roles"

    def named(actor_id: str, target_id: str, role_id: str = "") -> Assignment:
        return Assignment(actor_id, target_id, role_id, inherited, actor, target)

    @api.put(place + "/{role_id}" + end, rule="identity:create_grant", status=204)
    async def create_grant(ctx: Ctx, target_id: str, actor_id: str, role_id: str) -> None:
        await create(ctx, named(actor_id, target_id, role_id))

    @api.get(place + "/{role_id}" + end, rule="identity:check_grant", status=204)
    async def check_grant(ctx: Ctx, target_id: str, actor_id: str, role_id: str) -> None:
        await check(ctx, named(actor_id, target_id, role_id))

    @api.delete(place + "/{role_id}" + end, rule="identity:revoke_grant", status=204)
    async def revoke_grant(ctx: Ctx, target_id: str, actor_id: str, role_id: str) -> None:
        await revoke(ctx, named(actor_id, target_id, role_id))

    @api.get(place + end, rule="identity:list_grants")
    async def list_grants(ctx: Ctx, target_id: str, actor_id: str, here: Here) -> dict[str, Any]:
        return await granted(ctx, named(actor_id, target_id), here)


def system_grants(actor: str) -> None:
    """Declare the routes of the grants to users, or to groups, on the system."""
    place = f"/v3/system/{actor}s/{{actor_id}}/roles"

    def named(actor_id: str, role_id: str = "") -> Assignment:
        return Assignment(actor_id, SYSTEM, role_id, False, actor, SYSTEM)

    @api.put(place + "/{role_id}", rule=f"identity:create_system_grant_for_{actor}", status=204)
    async def create_grant(ctx: Ctx, actor_id: str, role_id: str) -> None:
        await create(ctx, named(actor_id, role_id))

    @api.get(place + "/{role_id}", rule=f"identity:check_system_grant_for_{actor}", status=204)
    async def check_grant(ctx: Ctx, actor_id: str, role_id: str) -> None:
        await check(ctx, named(actor_id, role_id))

    @api.delete(place + "/{role_id}", rule=f"identity:revoke_system_grant_for_{actor}", status=204)
    async def revoke_grant(ctx: Ctx, actor_id: str, role_id: str) -> None:
        await revoke(ctx, named(actor_id, role_id))

    @api.get(place, rule=f"identity:list_system_grants_for_{actor}")
    async def list_grants(ctx: Ctx, actor_id: str, here: Here) -> dict[str, Any]:
        return await granted(ctx, named(actor_id), here)


for actor in ("user", "group"):
    system_grants(actor)
    for target in ("project", "domain"):
        grants(actor, target, inherited=False)
        grants(actor, target, inherited=True)


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
