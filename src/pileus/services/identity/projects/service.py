"""Projects and domains: what the rest of Identity and the other services may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, Forbidden, NotFound
from pileus.services.identity.projects import store
from pileus.services.identity.projects.store import Project
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revocations import service as revocations

__all__ = [
    "DEFAULT",
    "Project",
    "ancestor_ids",
    "by_ids",
    "change",
    "create",
    "delete",
    "find",
    "get",
    "ids_below",
    "list_",
    "named",
    "on_delete",
    "shown",
    "shown_domain",
]

DEFAULT = "default"
"""The id of the domain that is always there."""

_deleted: list[Callable[[Ctx, str], Awaitable[None]]] = []


def on_delete(call: Callable[[Ctx, str], Awaitable[None]]) -> Callable[[Ctx, str], Awaitable[None]]:
    """Call this with the id of a project, in the transaction that deletes it. For the nouns and services above."""
    _deleted.append(call)
    return call


async def find(ctx: Ctx, project_id: str) -> Project | None:
    """The project or domain of that id."""
    return (await store.by_ids(ctx, [project_id])).get(project_id)


async def get(ctx: Ctx, project_id: str, *, domain: bool = False) -> Project:
    """The project of that id, or the domain. Raises NotFound. (A domain is found as a project too, as in Keystone.)"""
    found = await find(ctx, project_id)
    if found is None or (domain and not found.is_domain):
        raise NotFound(f"Could not find {'domain' if domain else 'project'}: {project_id}.")
    return found


async def by_ids(ctx: Ctx, ids: Collection[str]) -> dict[str, Project]:
    """Those of them that are there."""
    return await store.by_ids(ctx, sorted(ids))


async def named(ctx: Ctx, name: str, *, domain_id: str | None = None) -> Project | None:
    """The project of that name in the domain; without one, the domain of that name."""
    return await store.named(ctx, name, domain_id=domain_id)


async def list_(ctx: Ctx, columns: Mapping[str, Any], *, ids: Collection[str] | None = None) -> list[Project]:
    """Those with these columns, by id; of `ids`, if given."""
    return await store.list_(ctx, columns, None if ids is None else sorted(ids))


def shown(project: Project) -> dict[str, Any]:
    """The project as the API shows it, but for its links."""
    return {
        **project.extra,
        "id": project.id,
        "name": project.name,
        "domain_id": project.domain_id,
        "description": project.description,
        "enabled": project.enabled,
        "parent_id": project.parent_id,
        "is_domain": project.is_domain,
        "tags": [],
        "options": project.options,
    }


def shown_domain(domain: Project) -> dict[str, Any]:
    """The domain as the API shows it, but for its links."""
    return {
        **domain.extra,
        "id": domain.id,
        "name": domain.name,
        "description": domain.description,
        "enabled": domain.enabled,
        "tags": [],
        "options": domain.options,
    }


async def ancestor_ids(ctx: Ctx, project_id: str) -> list[str]:
    """The ids of all above it, its domain included."""
    return await store.ancestor_ids(ctx, project_id)


async def ids_below(ctx: Ctx, ids: Collection[str]) -> set[str]:
    """The ids of all below any of these, at any depth."""
    return await store.ids_below(ctx, sorted(ids))


async def create(
    ctx: Ctx,
    name: str,
    *,
    project_id: str | None = None,
    parent_id: str | None,
    domain_id: str | None,
    facts: Mapping[str, Any],
) -> Project:
    """A project below `parent_id` (its domain, if None), or a domain if `domain_id` is None.

    `facts`: description, enabled, options, extra. Raises BadRequest, Conflict.
    """
    project = Project(
        id=project_id or ctx.world.ids.hex(),
        name=name.strip(),
        domain_id=domain_id,
        parent_id=parent_id or domain_id,
        is_domain=domain_id is None,
        enabled=facts.get("enabled", True),
        description=facts.get("description") or "",
        options=facts.get("options") or {},
        extra=facts.get("extra") or {},
    )
    async with revision.change(ctx) as ctx:
        await _check_place(ctx, project)
        await _check_name(ctx, project)
        await store.add(ctx, project)
        await changed(ctx, _kind(project), "created", project.id, project_id=project.id)
    return project


async def _check_place(ctx: Ctx, project: Project) -> None:
    if project.is_domain:
        if project.parent_id is not None:
            raise BadRequest("only root projects are allowed to act as domains.")
        return
    assert project.domain_id is not None
    assert project.parent_id is not None
    above = await by_ids(ctx, {project.domain_id, project.parent_id, *await ancestor_ids(ctx, project.parent_id)})
    if project.domain_id not in above or not above[project.domain_id].is_domain:
        raise BadRequest(f"Could not find domain: {project.domain_id}.")
    if project.parent_id not in above:
        raise BadRequest(f"Could not find project: {project.parent_id}.")
    parent = above[project.parent_id]
    if parent.is_domain and parent.id != project.domain_id:
        raise BadRequest(
            f"Cannot create project, the parent ({parent.id}) is acting as a domain, but this project's domain id "
            f"({project.domain_id}) does not match the parent's id."
        )
    if not parent.is_domain and parent.domain_id != project.domain_id:
        raise BadRequest(
            f"Cannot create project, since it specifies its domain_id {project.domain_id}, but specifies a parent in a "
            f"different domain ({parent.domain_id})."
        )
    for each in above.values():
        if not each.enabled:
            raise BadRequest(f"cannot create a project in a branch containing a disabled project: {each.id}")


async def _check_name(ctx: Ctx, project: Project) -> None:
    same = await store.named(ctx, project.name, domain_id=project.domain_id)
    if same is None or same.id == project.id:
        return
    if project.is_domain:
        what = f"it is not permitted to have two projects acting as domains with the same name: {project.name}"
    else:
        what = (
            "it is not permitted to have two projects with either the same name or same id in the same domain: "
            f"name is {project.name}, project id {project.id}"
        )
    raise Conflict(f"Conflict occurred attempting to store project - {what}.")


async def change(ctx: Ctx, project_id: str, wanted: Mapping[str, Any], *, domain: bool = False) -> Project:
    """Write these columns. Disabling one refuses all its tokens, for good. Raises NotFound, BadRequest, Forbidden, Conflict."""
    async with revision.change(ctx) as ctx:
        before = await get(ctx, project_id, domain=domain)
        _check_change(before, wanted)
        after = msgspec.structs.replace(before, **wanted)
        await _check_name(ctx, after)
        if wanted:
            await store.change(ctx, project_id, **wanted)
        if before.enabled and not after.enabled:
            await _disable(ctx, after)
        if after.enabled and not before.enabled and not after.is_domain:
            await _check_parents_enabled(ctx, after)
        await changed(ctx, _kind(after), "updated", project_id, project_id=project_id)
    return after


def _kind(project: Project) -> str:
    return "identity.domain" if project.is_domain else "identity.project"


def _check_change(project: Project, wanted: Mapping[str, Any]) -> None:
    kind = "domain" if project.is_domain else "project"
    if project.options.get("immutable") and (wanted.get("options") or {}).get("immutable", True) is not False:
        raise Forbidden(
            f"The {kind} {project.id} is immutable; it can be changed once its option 'immutable' is false."
        )
    if wanted.get("domain_id", project.domain_id) != project.domain_id:
        raise BadRequest("Cannot change Domain ID")
    if wanted.get("parent_id", project.parent_id) != project.parent_id:
        raise Forbidden("Update of `parent_id` is not allowed.")
    if wanted.get("is_domain", project.is_domain) != project.is_domain:
        raise BadRequest("Update of `is_domain` is not allowed.")


async def _disable(ctx: Ctx, project: Project) -> None:
    if project.is_domain:
        await revocations.add(ctx, domain_id=project.id)
        return
    if await store.has_enabled_children(ctx, project.id):
        raise Forbidden(f"Cannot disable project {project.id} since its subtree contains enabled projects.")
    await revocations.add(ctx, project_id=project.id)


async def _check_parents_enabled(ctx: Ctx, project: Project) -> None:
    above = await by_ids(ctx, await ancestor_ids(ctx, project.id))
    if not all(each.enabled for each in above.values()):
        raise Forbidden(f"Cannot enable project {project.id} since it has disabled parents")


async def delete(ctx: Ctx, project_id: str) -> None:
    """Delete a project without children, and what is its own. Raises NotFound, BadRequest, Forbidden."""
    async with revision.change(ctx) as ctx:
        project = await get(ctx, project_id)
        await _check_delete(ctx, project)
        for call in _deleted:
            await call(ctx, project_id)
        await store.delete(ctx, project_id)
        await changed(ctx, _kind(project), "deleted", project_id, project_id=project_id)


async def _check_delete(ctx: Ctx, project: Project) -> None:
    if project.options.get("immutable"):
        raise Forbidden(
            f"The project {project.id} is immutable; it can be deleted once its option 'immutable' is false."
        )
    if project.is_domain:
        raise BadRequest(f"{project.id} acts as a domain: delete it by DELETE /v3/domains/{project.id}.")
    if await store.has_children(ctx, project.id):
        raise Forbidden(
            f"Cannot delete the project {project.id} since it is not a leaf in the hierarchy. Use the cascade option if "
            "you want to delete a whole subtree."
        )
