"""Projects and domains: what the rest of Identity and the other services may ask for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, Forbidden, NotFound
from pileus.kernel.facts import facts as known_facts
from pileus.kernel.http import Query
from pileus.kernel.operations import holder, refuse_if_busy
from pileus.services.identity.lists import Found
from pileus.services.identity.projects import checks, owners, removal, sagas, store
from pileus.services.identity.projects.asked import limited_by, limits_of, reach, reached_by
from pileus.services.identity.projects.checks import check_tag
from pileus.services.identity.projects.owners import Owned, owned_by, owner
from pileus.services.identity.projects.removal import Plan, StillOwns, on_delete, on_delete_domain
from pileus.services.identity.projects.store import Project
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revocations import service as revocations

__all__ = [
    "DEFAULT",
    "Owned",
    "Plan",
    "Project",
    "StillOwns",
    "above",
    "add_tag",
    "ancestor_ids",
    "below",
    "below_each",
    "below_ids",
    "by_ids",
    "change",
    "check_tag",
    "create",
    "delete",
    "delete_all",
    "domains_among",
    "domains_page",
    "find",
    "get",
    "hold",
    "ids_below",
    "ids_in",
    "is_enabled",
    "limited_by",
    "limits_of",
    "named",
    "on_delete",
    "on_delete_domain",
    "owned_by",
    "owner",
    "page",
    "page_among",
    "plan",
    "reach",
    "reached_by",
    "remove_tag",
    "shown",
    "shown_domain",
    "subject",
    "subtree_ids",
]

DEFAULT = "default"
"""The id of the domain that is always there."""

MAX_DEPTH: int = known_facts("identity", "quotas")["sizes"]["max_project_tree_depth"]
"""Of projects below each other; the domain above them does not count."""

MAX_DEPTH_BY_MODEL = {"strict_two_level": 2}
"""Where the model by which limits are enforced bounds it further."""

ids_in, subtree_ids, below_ids = store.ids_in, store.subtree_ids, store.below_ids
is_enabled, page_among, domains_among, below_each = (
    store.is_enabled,
    store.page_among,
    store.domains_among,
    store.below_each,
)


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


async def page(ctx: Ctx, query: Query, **visible: Any) -> Found[Project]:
    """The projects that the query string asks for (domains only if it says so), of those with the columns in `visible`."""
    return await store.page(ctx, {"is_domain": ["false"], **query}, visible)


async def domains_page(ctx: Ctx, query: Query, domain_id: str | None) -> Found[Project]:
    """The domains that the query string asks for: of all, or of none but this one. Raises BadRequest."""
    return await store.domains_page(ctx, query, domain_id)


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
        "tags": project.tags,
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
        "tags": domain.tags,
        "options": domain.options,
    }


async def ancestor_ids(ctx: Ctx, project_id: str) -> list[str]:
    """The ids of all above it, its domain included, the nearest first."""
    return await store.ancestor_ids(ctx, project_id)


async def ids_below(ctx: Ctx, ids: Collection[str]) -> set[str]:
    """The ids of all below any of these, at any depth."""
    return set(await store.ids_below(ctx, sorted(ids)))


async def above(ctx: Ctx, project_id: str) -> list[Project]:
    """All above it, its domain included, the nearest first."""
    return await _in_order(ctx, await store.ancestor_ids(ctx, project_id))


async def below(ctx: Ctx, project_id: str) -> list[Project]:
    """All below it, level by level."""
    return await _in_order(ctx, await store.ids_below(ctx, [project_id]))


async def _in_order(ctx: Ctx, ids: list[str]) -> list[Project]:
    found = await store.by_ids(ctx, ids)
    return [found[id_] for id_ in ids if id_ in found]


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

    `facts`: description, enabled, options, tags, extra. Raises BadRequest, Forbidden, Conflict.
    """
    project = Project(
        id=project_id or ctx.world.ids.hex(),
        name=name.strip(),
        domain_id=domain_id,
        parent_id=parent_id or domain_id,
        is_domain=domain_id is None,
        enabled=facts.get("enabled", True),
        description=facts.get("description", ""),
        options=facts.get("options") or {},
        extra=facts.get("extra") or {},
        tags=checks.kept_tags(facts.get("tags") or []),
    )
    async with revision.change(ctx) as ctx:
        await _check_place(ctx, project)
        await _check_name(ctx, project)
        if project_id is not None and await find(ctx, project_id) is not None:
            raise Conflict(f"Conflict occurred attempting to store project - the id {project_id} is taken.")
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
    line = {project.parent_id, *await ancestor_ids(ctx, project.parent_id)}
    found = await by_ids(ctx, {project.domain_id, *line})
    checks.check_place(project, found)
    for each in found.values():
        if not each.enabled:
            raise BadRequest(f"cannot create a project in a branch containing a disabled project: {each.id}")
    if len(line) > MAX_DEPTH_BY_MODEL.get(ctx.world.config.identity.enforcement_model, MAX_DEPTH):
        raise Forbidden(f"Max hierarchy depth reached for {project.parent_id} branch.")


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
    """Write what is wanted: columns, all its tags; of `options` and `extra` those that are named, None takes an option away.

    Disabling one refuses all its tokens, for good. Raises NotFound, BadRequest, Forbidden, Conflict.
    """
    async with revision.change(ctx) as ctx:
        before = await get(ctx, project_id, domain=domain)
        checks.check_change(before, wanted)
        columns = _merged(before, wanted)
        after = msgspec.structs.replace(before, **columns)
        await _check_name(ctx, after)
        await store.change(ctx, project_id, columns)
        if before.enabled and not after.enabled:
            await _disable(ctx, after)
        if after.enabled and not before.enabled:
            await refuse_if_busy(ctx, [subject(project_id)])
            await _check_parents_enabled(ctx, after)
        await changed(ctx, _kind(after), "updated", project_id, project_id=project_id)
    return after


def _merged(before: Project, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The columns to write. Raises BadRequest."""
    columns = dict(wanted)
    if "name" in wanted:
        columns["name"] = wanted["name"].strip()
    if "tags" in wanted:
        columns["tags"] = checks.kept_tags(wanted["tags"])
    if "options" in wanted:
        options = {**before.options, **wanted["options"]}
        columns["options"] = {name: value for name, value in options.items() if value is not None}
    if "extra" in wanted:
        columns["extra"] = {**before.extra, **wanted["extra"]}
    return columns


def _kind(project: Project) -> str:
    return "identity.domain" if project.is_domain else "identity.project"


async def _disable(ctx: Ctx, project: Project) -> None:
    if project.is_domain:
        await revocations.add(ctx, domain_id=project.id)
        return
    if await store.has_enabled_children(ctx, project.id):
        raise Forbidden(f"Cannot disable project {project.id} since its subtree contains enabled projects.")
    await revocations.add(ctx, project_id=project.id)


async def _check_parents_enabled(ctx: Ctx, project: Project) -> None:
    if not all(each.enabled for each in await above(ctx, project.id)):
        raise Forbidden(f"Cannot enable project {project.id} since it has disabled parents")


async def add_tag(ctx: Ctx, project_id: str, tag: str) -> None:
    """Raises NotFound, Forbidden, BadRequest when it is there already, or is one too many."""
    async with revision.change(ctx) as ctx:
        project = await get(ctx, project_id)
        await change(ctx, project_id, {"tags": [*project.tags, tag]})


async def remove_tag(ctx: Ctx, project_id: str, tag: str) -> None:
    """Raises NotFound, Forbidden."""
    async with revision.change(ctx) as ctx:
        project = await get(ctx, project_id)
        check_tag(project, tag)
        await change(ctx, project_id, {"tags": [each for each in project.tags if each != tag]})


async def hold(ctx: Ctx, project_id: str) -> None:
    """See to it that the project stays, and enabled, until this transaction ends: for who gives it something.

    Raises Conflict when it is disabled, being deleted, or not there: whoever asks came by a token from before.
    """
    if not await store.hold(ctx, project_id):
        raise Conflict(f"The project {project_id} is disabled or deleted: nothing can be added to it.")


async def plan(ctx: Ctx, project_id: str, *, domain: bool = False) -> Plan:
    """What goes with the project, or the domain, if all of it is deleted. Raises NotFound."""
    return await removal.plan(ctx, await get(ctx, project_id, domain=domain))


async def delete(ctx: Ctx, project_id: str, *, domain: bool = False) -> None:
    """Delete a project below which there is none, or a disabled domain with its projects; nothing may be owned there.

    Raises NotFound, Forbidden, StillOwns; Conflict when an operation deletes it already.
    """
    async with revision.change(ctx) as ctx:
        project = await _deletable(ctx, project_id, domain=domain)
        await refuse_if_busy(ctx, [subject(project_id)])
        alone = project.is_domain or not await store.has_children(ctx, project_id)
        if alone and not await removal.forget(ctx, project_id):
            return
        raise StillOwns(project, await removal.plan(ctx, project))


async def delete_all(ctx: Ctx, project_id: str, *, domain: bool = False) -> tuple[Plan, UUID | None]:
    """Delete a project, or a disabled domain, with all below it and all that is owned there. May be said again.

    What takes operations takes one that waits for them: the projects are disabled at once and deleted when the last thing
    is gone. Returns what goes, and that operation; None: it is gone already. Raises NotFound, Forbidden, Conflict.
    """
    async with ctx.transaction() as ctx:
        project = await _deletable(ctx, project_id, domain=domain)
        plan = await removal.plan(ctx, project)
        left = plan.deletes
        if owners.all_at_once(left):
            _, left = await removal.empty(ctx, project_id)
        operation_id = None
        if left or await holder(ctx, subject(project_id)):  # its lock comes before the revision's, as in the operation
            memo = {"project_id": project_id, "began": ctx.now()}
            operation_id = await sagas.delete_project.supersede(ctx, subject(project_id), **memo)
        async with revision.change(ctx) as ctx:
            if operation_id is not None:
                await removal.close(ctx, project_id)
                return plan, operation_id
            left = await removal.forget(ctx, project_id)
        if left:
            raise Conflict(f"Something was added to {project_id} meanwhile: send this again.")
        return plan, None


async def _deletable(ctx: Ctx, project_id: str, *, domain: bool) -> Project:
    project = await get(ctx, project_id, domain=domain)
    checks.check_deletable(project)
    if (immutable_id := await store.immutable_below(ctx, project_id)) is not None:
        raise checks.immutable(await get(ctx, immutable_id), "delete")
    return project


def subject(project_id: str) -> UUID:
    """What the operation that deletes a project claims. Ids of ours are UUIDs; others are made into one."""
    return UUID(project_id) if re.fullmatch("[0-9a-f]{32}", project_id) else uuid5(NAMESPACE_OID, project_id)
