"""Who has which role on what: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Forbidden, NotFound
from pileus.kernel.events import Verb
from pileus.kernel.http import Query
from pileus.services.identity.assignments import store
from pileus.services.identity.assignments.store import Assignment
from pileus.services.identity.groups import service as groups
from pileus.services.identity.lists import Found
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Project
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revision.service import Revision
from pileus.services.identity.roles import service as roles
from pileus.services.identity.roles.service import Role
from pileus.services.identity.users import service as users

__all__ = [
    "SYSTEM",
    "Assignment",
    "domains_of",
    "get",
    "grant",
    "may_act",
    "on_system",
    "projects_of",
    "revoke",
    "role_ids_of",
    "roles_granted",
    "roles_of",
]

SYSTEM = "system"
"""The id of the system as a target."""


async def roles_of(ctx: Ctx, user_id: str, target_id: str, at: Revision) -> list[Role]:
    """The roles a user has on a project, a domain or the system, by name: also as a member of groups, implied, inherited."""
    return (await roles.graph(ctx, at)).counting(await role_ids_of(ctx, user_id, target_id, at))


async def role_ids_of(ctx: Ctx, user_id: str, target_id: str, at: Revision) -> set[str]:
    """The ids of these roles, and of a domain's own, which only pass on what they imply."""
    above = await projects.ancestor_ids(ctx, target_id) if target_id != SYSTEM else []
    return (await roles.graph(ctx, at)).reached(await store.role_ids(ctx, user_id, target_id, above))


async def projects_of(ctx: Ctx, user_id: str, query: Query, *, enabled: bool = False) -> Found[Project]:
    """The projects that the query string asks for, of those on which a user has a role, also inherited ones.

    `enabled`: of those that a token can be had for. Raises BadRequest.
    """
    return await projects.page_among(ctx, query, await _places(ctx, user_id, "project"), enabled=enabled)


async def domains_of(ctx: Ctx, user_id: str, query: Query) -> Found[Project]:
    """The enabled domains that the query string asks for, of those on which a user has a role. Raises BadRequest."""
    return await projects.domains_among(ctx, query, await _places(ctx, user_id, "domain"))


async def on_system(ctx: Ctx, user_id: str) -> bool:
    """Whether a user has a role on the system."""
    return bool(await store.ids(ctx, await _places(ctx, user_id, SYSTEM)))


async def _places(ctx: Ctx, user_id: str, target: str) -> sa.Select[Any]:
    known = await roles.graph(ctx, await revision.current(ctx))
    return store.places_of(user_id, target, known.idle())


@projects.reached_by
async def project_ids_of(ctx: Ctx, user_id: str) -> set[str]:
    """The ids of the projects on which a user has a role."""
    return await store.ids(ctx, await _places(ctx, user_id, "project"))


async def may_act(ctx: Ctx, user_id: str, project_id: str) -> bool:
    """Whether a token for the project can be had by the user."""
    if not await projects.is_enabled(ctx, project_id):
        return False
    return bool(await roles_of(ctx, user_id, project_id, await revision.current(ctx)))


async def get(ctx: Ctx, wanted: Assignment) -> Assignment:
    """What was granted exactly so. Raises NotFound."""
    if wanted not in await store.list_(ctx, {"actor_id": wanted.actor_id, "target_id": wanted.target_id}):
        raise NotFound(
            f"Could not find role assignment with role: {wanted.role_id}, user or group: {wanted.actor_id}, "
            f"project, domain, or system: {wanted.target_id}."
        )
    return wanted


async def roles_granted(ctx: Ctx, actor_id: str, target_id: str, *, inherited: bool = False) -> list[Role]:
    """The roles that were granted to a user or group on exactly this target, by id."""
    held = await store.list_(ctx, {"actor_id": actor_id, "target_id": target_id, "inherited": inherited})
    return await roles.by_ids(ctx, {each.role_id for each in held})


async def grant(ctx: Ctx, wanted: Assignment) -> None:
    """Give a role. May be said twice. Raises NotFound, Forbidden, BadRequest."""
    async with revision.change(ctx) as ctx:
        role = await roles.get(ctx, wanted.role_id)
        await (users.get if wanted.actor == "user" else groups.get)(ctx, wanted.actor_id)
        await _check_target(ctx, wanted, role)
        if wanted not in await store.list_(ctx, {"actor_id": wanted.actor_id, "target_id": wanted.target_id}):
            await store.add(ctx, wanted)
            await _tell(ctx, "created", wanted)


async def _check_target(ctx: Ctx, wanted: Assignment, role: Role) -> None:
    """A domain's own role counts in the projects of that domain. Raises NotFound, Forbidden, BadRequest."""
    if wanted.target == SYSTEM:
        if role.domain_id is not None:
            raise BadRequest(
                f"Role {role.id} is a domain-specific role. Unable to use a domain-specific role in a system assignment."
            )
        return
    target = await projects.get(ctx, wanted.target_id, domain=wanted.target == "domain")
    if wanted.target == "project" and role.domain_id not in (None, target.domain_id):
        raise Forbidden(f"Project {target.id} must be in the same domain as the role {role.id} being assigned.")


async def revoke(ctx: Ctx, wanted: Assignment) -> None:
    """Take a role away; the next request of whoever had it is without it. Raises NotFound when it was not granted."""
    async with revision.change(ctx) as ctx:
        await get(ctx, wanted)
        await store.delete(ctx, msgspec.structs.asdict(wanted))
        await _tell(ctx, "deleted", wanted)


async def _tell(ctx: Ctx, verb: Verb, assignment: Assignment) -> None:
    project_id = assignment.target_id if assignment.target == "project" else None
    facts = {"role_id": assignment.role_id, assignment.actor: assignment.actor_id}
    await changed(ctx, "identity.assignment", verb, assignment.target_id, project_id=project_id, facts=facts)


@users.on_delete
async def forget_users(ctx: Ctx, ids: Sequence[str]) -> None:
    await store.delete_of_actors(ctx, ids)


@groups.on_delete
async def forget_group(ctx: Ctx, group_id: str) -> None:
    """As Keystone: who has lost a role by it, loses all tokens."""
    if await store.delete(ctx, {"actor_id": group_id}):
        await groups.refuse_members(ctx, group_id)


@projects.on_delete
async def forget_targets(ctx: Ctx, ids: Sequence[str]) -> None:
    await store.delete_of_targets(ctx, ids)
