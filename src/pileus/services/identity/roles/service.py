"""Roles and what they imply: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, Forbidden, NotFound
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revision.service import Revision
from pileus.services.identity.roles import store
from pileus.services.identity.roles.store import Role

__all__ = ["Role", "by_ids", "change", "create", "delete", "expanded", "get", "imply", "list_", "named"]

ROLE = "identity.role"


class Graph(msgspec.Struct, frozen=True):
    """All roles and implications, as they were at one revision."""

    revision: Revision
    roles: dict[str, Role]
    implied: dict[str, list[str]]


async def get(ctx: Ctx, role_id: str) -> Role:
    """The role of that id. Raises NotFound."""
    found = await store.list_(ctx, {"id": role_id})
    if not found:
        raise NotFound(f"Could not find role: {role_id}.")
    return found[0]


async def by_ids(ctx: Ctx, ids: Collection[str]) -> list[Role]:
    """Those of them that are there, by id."""
    return await store.by_ids(ctx, sorted(ids))


async def named(ctx: Ctx, name: str, *, domain_id: str | None = None) -> Role | None:
    """The role of that name in the domain; without one, the role of that name that every domain knows."""
    found = await store.list_(ctx, {"name": name, "domain_id": domain_id})
    return found[0] if found else None


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[Role]:
    """Those with these columns, by id."""
    return await store.list_(ctx, columns)


async def expanded(ctx: Ctx, role_ids: Iterable[str], at: Revision) -> list[Role]:
    """These roles and all that they imply, by name; a domain's own roles only pass on what they imply."""
    graph: Graph | None = ctx.world.memory.get(Graph)
    if graph is None or graph.revision != at:
        graph = ctx.world.memory[Graph] = await _graph(ctx, at)
    seen: set[str] = set()
    left = list(role_ids)
    while left:
        role_id = left.pop()
        if role_id not in seen:
            seen.add(role_id)
            left += graph.implied.get(role_id, ())
    found = (graph.roles[role_id] for role_id in seen if role_id in graph.roles)
    return sorted((role for role in found if role.domain_id is None), key=lambda role: role.name)


async def _graph(ctx: Ctx, at: Revision) -> Graph:
    roles = {role.id: role for role in await store.list_(ctx, {})}
    implied: dict[str, list[str]] = {}
    for prior, role in await store.implied(ctx):
        implied.setdefault(prior, []).append(role)
    return Graph(at, roles, implied)


async def create(
    ctx: Ctx, name: str, *, role_id: str | None = None, domain_id: str | None = None, facts: Mapping[str, Any]
) -> Role:
    """A role. `facts`: description, options, extra. Raises BadRequest, Conflict."""
    role = Role(
        id=role_id or ctx.world.ids.hex(),
        name=name,
        domain_id=domain_id,
        description=facts.get("description"),
        options=facts.get("options") or {},
        extra=facts.get("extra") or {},
    )
    async with revision.change(ctx) as ctx:
        if domain_id is not None and not await _is_domain(ctx, domain_id):
            raise BadRequest(f"Could not find domain: {domain_id}.")
        await _check_name(ctx, role)
        await store.add(ctx, role)
        await changed(ctx, ROLE, "created", role.id, project_id=None)
    return role


async def _is_domain(ctx: Ctx, domain_id: str) -> bool:
    found = await projects.find(ctx, domain_id)
    return found is not None and found.is_domain


async def _check_name(ctx: Ctx, role: Role) -> None:
    same = await named(ctx, role.name, domain_id=role.domain_id)
    if same is not None and same.id != role.id:
        raise Conflict(f"Conflict occurred attempting to store role - Duplicate entry found with name {role.name}.")


async def change(ctx: Ctx, role_id: str, wanted: Mapping[str, Any]) -> Role:
    """Write these columns. Raises NotFound, BadRequest, Forbidden, Conflict."""
    async with revision.change(ctx) as ctx:
        before = await get(ctx, role_id)
        if before.options.get("immutable") and (wanted.get("options") or {}).get("immutable", True) is not False:
            raise Forbidden(f"The role {role_id} is immutable; it can be changed once its option 'immutable' is false.")
        after = msgspec.structs.replace(before, **wanted)
        if after.domain_id != before.domain_id:
            raise BadRequest("Update of `domain_id` is not allowed.")
        await _check_name(ctx, after)
        if wanted:
            await store.change(ctx, role_id, **wanted)
        await changed(ctx, ROLE, "updated", role_id, project_id=None)
    return after


async def imply(ctx: Ctx, prior_id: str, implied_id: str) -> None:
    """Whoever has the one role has the other too. May be said twice. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        for role_id in (prior_id, implied_id):
            await get(ctx, role_id)
        if (prior_id, implied_id) not in await store.implied(ctx):
            await store.imply(ctx, prior_id, implied_id)


async def delete(ctx: Ctx, role_id: str) -> None:
    """Delete a role with its assignments; nobody has it from the next request on. Raises NotFound, Forbidden."""
    async with revision.change(ctx) as ctx:
        role = await get(ctx, role_id)
        if role.options.get("immutable"):
            raise Forbidden(f"The role {role_id} is immutable; it can be deleted once its option 'immutable' is false.")
        await store.delete(ctx, role_id)
        await changed(ctx, ROLE, "deleted", role_id, project_id=None)


@projects.on_delete_domain
async def forget_domain(ctx: Ctx, domain_id: str) -> None:
    for role in await store.list_(ctx, {"domain_id": domain_id}):
        await store.delete(ctx, role.id)
        await changed(ctx, ROLE, "deleted", role.id, project_id=None)
