"""Limits: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden, NotFound
from pileus.kernel.http import Query
from pileus.services.identity.faults import duplicate, expecting
from pileus.services.identity.limits import rules, source, store
from pileus.services.identity.limits.store import Limit
from pileus.services.identity.lists import Found
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Project
from pileus.services.identity.registered_limits import service as registered_limits
from pileus.services.identity.registered_limits.service import RegisteredLimit
from pileus.services.identity.revision import service as revision

__all__ = [
    "Limit",
    "Wanted",
    "change",
    "create",
    "delete",
    "domain_of",
    "get",
    "model",
    "names_of",
    "of_project",
    "page",
    "projects_on",
    "shown",
    "types_of",
]

names_of, types_of = source.names_of, source.types_of

LIMIT = "identity.limit"
MODELS = {
    "flat": "A limit is that of one project; what stands above or below it does not count.",
    source.STRICT: "A limit is that of a project and all below it; projects stand at most two deep below their domain.",
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A limit to make, of a project or of a domain."""

    service_id: str
    resource_name: str
    resource_limit: int
    region_id: str | None = None
    project_id: str | None = None
    domain_id: str | None = None
    description: str | None = None

    @property
    def owner(self) -> str:
        return self.project_id or self.domain_id or ""


def model(ctx: Ctx) -> tuple[str, str]:
    """The name of the model by which limits are enforced, and what it means."""
    name = ctx.world.config.identity.enforcement_model
    return name, MODELS[name]


async def page(ctx: Ctx, query: Query, *, everybody: bool) -> Found[Limit]:
    """The limits that the query string asks for, of everybody, or of the caller's domain or project. Raises BadRequest."""
    if everybody:
        return await store.page(ctx, query)
    if ctx.caller.domain_id is not None:
        return await store.page(ctx, query, store.of_owners(projects.subtree_ids(ctx.caller.domain_id)))
    return await store.page(ctx, query, store.of_owners([ctx.caller.project_id or ""]))


@projects.limited_by
async def of_projects(ctx: Ctx, ids: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Their limits as they are shown, by project."""
    found: dict[str, list[dict[str, Any]]] = {}
    for limit in await store.of_projects(ctx, ids):
        found.setdefault(limit.owner, []).append(shown(limit))
    return found


async def of_project(ctx: Ctx, project_id: str) -> list[Limit]:
    """The limits of a project."""
    return await store.of_projects(ctx, [project_id])


async def projects_on(ctx: Ctx, registered_limit_ids: Collection[str]) -> list[str]:
    """The projects with a limit that rests on one of these, in order."""
    return sorted({owner for _, owner in await store.owners_of(ctx, registered_limit_ids)})


def shown(limit: Limit) -> dict[str, Any]:
    """The limit as the API shows it, but for its links."""
    document = msgspec.structs.asdict(limit)
    del document["registered_limit_id"]
    return document


async def get(ctx: Ctx, id_: str) -> Limit:
    """The limit of that id. Raises NotFound."""
    found = await store.get(ctx, id_)
    if found is None:
        raise NotFound(f"Could not find limit for {id_}.")
    return found


async def domain_of(ctx: Ctx, limit: Limit) -> str:
    """The id of the domain that the owner is in, or is."""
    return (await projects.get(ctx, limit.owner)).domain_id or limit.owner


async def create(ctx: Ctx, wanted: Sequence[Wanted]) -> list[Limit]:
    """Limits, all or none; one of a project that acts as a domain is one of the domain.

    Raises BadRequest, Conflict; Forbidden without a registered limit, or where the tree of projects says no.
    """
    async with revision.turn(ctx) as ctx:
        await registered_limits.check_places(ctx, wanted, "limit")
        owners = await _owners(ctx, wanted)
        registered = {
            each.key: each for each in await registered_limits.of_services(ctx, {w.service_id for w in wanted})
        }
        made = [_made(ctx, each, owners[each.owner], registered) for each in wanted]
        await _check_unique(ctx, made)
        await store.add(ctx, made)
        for each in made:
            await _check_tree(ctx, each)
            await changed(ctx, LIMIT, "created", each.id, project_id=each.project_id)
    return made


async def _owners(ctx: Ctx, wanted: Sequence[Wanted]) -> dict[str, Project]:
    found = await projects.by_ids(ctx, {each.owner for each in wanted})
    for each in wanted:
        if each.owner not in found:
            raise expecting("project_id" if each.project_id else "domain_id", "limit")
        if each.domain_id and not found[each.owner].is_domain:
            raise expecting("domain_id", "limit")
    return found


def _made(
    ctx: Ctx, wanted: Wanted, owner: Project, registered: Mapping[tuple[str, str | None, str], RegisteredLimit]
) -> Limit:
    below = registered.get((wanted.service_id, wanted.region_id, wanted.resource_name))
    if below is None:
        raise Forbidden("Unable to create a limit that has no corresponding registered limit.")
    place = {"project_id": None, "domain_id": owner.id} if owner.is_domain else {"project_id": owner.id}
    columns = {**msgspec.structs.asdict(wanted), "domain_id": None, **place}
    return Limit(id=ctx.world.ids.hex(), registered_limit_id=below.id, **columns)


async def _check_unique(ctx: Ctx, wanted: Sequence[Limit]) -> None:
    taken = await store.owners_of(ctx, {each.registered_limit_id for each in wanted})
    for each in wanted:
        if (each.registered_limit_id, each.owner) in taken:
            raise duplicate("limit")
        taken.add((each.registered_limit_id, each.owner))


async def _check_tree(ctx: Ctx, limit: Limit) -> None:
    """By the strict model no limit is above that of its parent, or below one of those that stand below it."""
    if not source.is_strict(ctx):
        return
    owner = await projects.get(ctx, limit.owner)
    below = await store.values(ctx, limit.registered_limit_id, projects.subtree_ids(owner.id))
    fits = not any(rules.is_above(value, limit.resource_limit) for value in below.values())
    if fits and owner.parent_id is not None:
        default = (await registered_limits.get(ctx, limit.registered_limit_id)).default_limit
        above = await store.values(ctx, limit.registered_limit_id, [owner.parent_id])
        fits = not rules.is_above(limit.resource_limit, above.get(owner.parent_id, default))
    if not fits:
        raise Forbidden(
            f"Invalid resource limit: The resource limit ({'project_id' if limit.project_id else 'domain_id'}: "
            f"{limit.owner}, resource_name: {limit.resource_name}, resource_limit: {limit.resource_limit}, service_id: "
            f"{limit.service_id}, region_id: {limit.region_id}) doesn't satisfy current hierarchy model."
        )


async def change(ctx: Ctx, id_: str, wanted: Mapping[str, Any]) -> Limit:
    """Write `resource_limit` and `description`. Raises NotFound; Forbidden where the tree of projects says no."""
    async with revision.turn(ctx) as ctx:
        after = msgspec.structs.replace(await get(ctx, id_), **wanted)
        if wanted:
            await store.change(ctx, id_, wanted)
        await _check_tree(ctx, after)
        await changed(ctx, LIMIT, "updated", id_, project_id=after.project_id)
    return after


async def delete(ctx: Ctx, id_: str) -> None:
    """Raises NotFound."""
    async with revision.turn(ctx) as ctx:
        limit = await get(ctx, id_)
        await store.delete(ctx, id_)
        await changed(ctx, LIMIT, "deleted", id_, project_id=limit.project_id)


@registered_limits.used_by
async def rests_on(ctx: Ctx, registered_limit_id: str) -> bool:
    return await store.any_on(ctx, registered_limit_id)
