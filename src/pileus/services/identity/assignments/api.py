"""Grants of roles, and /v3/role_assignments: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.assignments import listing, service
from pileus.services.identity.assignments.listing import Wanted
from pileus.services.identity.assignments.rules import Entry
from pileus.services.identity.assignments.service import SYSTEM, Assignment
from pileus.services.identity.groups import service as groups
from pileus.services.identity.http import about, api, collection, listed, onward, require, sought, sought_all
from pileus.services.identity.lists import asked_page, last
from pileus.services.identity.projects import service as projects
from pileus.services.identity.roles import service as roles
from pileus.services.identity.users import service as users


@api.get("/v3/users/{user_id}/projects", rule="identity:list_user_projects")
async def list_projects_of_user(ctx: Ctx, user_id: str, query: Query, here: Here) -> Answer:
    await sought(ctx, users.get(ctx, user_id), partial(about, "user"))
    return listed(here, "projects", projects.shown, await service.projects_of(ctx, user_id, query))


INHERITED = "scope.OS-INHERIT:inherited_to"
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


NAMED = ("user.id", "group.id", "role.id", "scope.project.id", "scope.domain.id", "scope.system", INHERITED)
NOT_BOTH = {
    ("scope.domain.id", "scope.project.id"): "Specify a domain or project, not both",
    ("scope.system", "scope.domain.id"): "Specify system or domain, not both",
    ("scope.system", "scope.project.id"): "Specify system or project, not both",
    ("user.id", "group.id"): "Specify a user or group, not both",
    ("effective", "group.id"): "Combining effective and group filter will always result in an empty list.",
}


def asked(query: Query, within: str | None) -> Wanted:
    """Which assignments the query string asks for. Raises BadRequest for what contradicts itself."""
    told = {name: last(query, name) or None for name in NAMED}
    effective = said(query, "effective")
    for (one, other), words in NOT_BOTH.items():
        if (effective if one == "effective" else told[one]) and told[other]:
            raise BadRequest(words)
    inherited = told[INHERITED] == "projects" if INHERITED in query else None
    if effective and inherited and told["scope.domain.id"]:
        raise BadRequest("Combining effective, domain and inherited filters will always result in an empty list.")
    return Wanted(
        user_id=told["user.id"],
        group_id=told["group.id"],
        role_id=told["role.id"],
        project_id=told["scope.project.id"],
        domain_id=told["scope.domain.id"],
        system=told["scope.system"] == "all",
        inherited=inherited,
        subtree=said(query, "include_subtree"),
        within=within,
        effective=effective,
    )


def said(query: Query, name: str) -> bool:
    """`?effective`, with any value but 0."""
    return last(query, name) not in (None, "0")


def shown(entry: Entry, here: Here, names: Mapping[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    """The links are Keystone's, who says by which grant it is so (and swaps the roles of `prior_role`)."""

    def label(kind: str, id_: str) -> dict[str, Any]:
        return names.get((kind, id_), {"id": id_})

    held = entry.holding
    scope = {"system": {"all": True}} if held.target == SYSTEM else {entry.target: label(entry.target, entry.target_id)}
    place = SYSTEM if held.target == SYSTEM else f"{held.target}s/{held.target_id}"
    grant = f"{place}/{held.actor}s/{held.actor_id}/roles/{entry.prior_id or entry.role_id}"
    links = {"assignment": here.url(f"/v3/{grant}")}
    if held.inherited:
        scope[INHERITED.removeprefix("scope.")] = "projects"  # type: ignore[assignment]
        links["assignment"] = here.url(f"/v3/OS-INHERIT/{grant}/inherited_to_projects")
    if entry.by_membership:
        links["membership"] = here.url(f"/v3/groups/{held.actor_id}/users/{entry.actor_id}")
    if entry.prior_id:
        links["prior_role"] = here.url(f"/v3/prior_role/{entry.role_id}/implies/{entry.prior_id}")
    who = {entry.actor: label(entry.actor, entry.actor_id)}
    return {"role": label("role", entry.role_id), **who, "scope": scope, "links": links}


async def permitted_list(ctx: Ctx, query: Query) -> None:
    """Raises Forbidden, also for the tree of a project outside of the caller's domain; BadRequest for a tree of nothing."""
    if not said(query, "include_subtree"):
        require(ctx, {"target.domain_id": ctx.caller.domain_id})
        return
    top = last(query, "scope.project.id")
    project = await projects.find(ctx, top) if top else None
    target = {} if project is None else {**about("project", project), "target.domain_id": project.domain_id}
    require(ctx, target, rule="identity:list_role_assignments_for_tree")
    if not top:
        raise BadRequest("scope.project.id must be specified if include_subtree is also specified")


@api.get("/v3/role_assignments", rule="identity:list_role_assignments", late=True)
async def list_assignments(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    await permitted_list(ctx, query)
    found = await listing.page(ctx, asked(query, ctx.caller.domain_id), asked_page(ctx, query))
    names = await listing.names(ctx, found.items) if said(query, "include_names") else {}
    return {"role_assignments": [shown(each, here, names) for each in found.items], **onward(here, found.page)}
