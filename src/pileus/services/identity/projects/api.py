"""/v3/projects: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here, Query
from pileus.services.identity.http import api, collection, divided, filters, given, member, require, sought
from pileus.services.identity.projects import service
from pileus.services.identity.projects.service import Project

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]


class Options(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    immutable: bool | UnsetType | None = UNSET


class CreateProject(msgspec.Struct):
    name: Name
    domain_id: str | None = None
    parent_id: str | None = None
    is_domain: bool = False
    enabled: bool = True
    description: str | None = None
    options: Options | UnsetType = UNSET


class ChangeProject(msgspec.Struct):
    name: Name | UnsetType = UNSET
    domain_id: str | UnsetType | None = UNSET
    parent_id: str | UnsetType | None = UNSET
    is_domain: bool | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET


def target(project: Project) -> dict[str, Any]:
    return {"target.project.id": project.id, "target.project.domain_id": project.domain_id}


def columns(changes: msgspec.Struct, extra: dict[str, Any], before: Project) -> dict[str, Any]:
    """The columns that a PATCH writes."""
    wanted = given(changes)
    if "name" in wanted:
        wanted["name"] = wanted["name"].strip()
    if "description" in wanted:
        wanted["description"] = wanted["description"] or ""
    if "options" in wanted:
        sent = {**before.options, **msgspec.to_builtins(wanted["options"])}
        wanted["options"] = {name: value for name, value in sent.items() if value is not None}
    if extra:
        wanted["extra"] = {**before.extra, **extra}
    return wanted


@api.get("/v3/projects", rule="identity:list_projects")
async def list_projects(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    require(ctx, {"target.domain_id": ctx.caller.domain_id})
    wanted = filters(query, ("name", "domain_id", "parent_id"), ("enabled", "is_domain"))
    found = await service.list_(ctx, {"is_domain": False, **wanted})
    own = ctx.caller.domain_id
    return collection(here, "projects", [service.shown(each) for each in found if own in (None, each.domain_id)])


@api.get("/v3/projects/{project_id}", rule="identity:get_project", wrap="project")
async def show_project(ctx: Ctx, project_id: str, here: Here) -> dict[str, Any]:
    return member(here, "projects", service.shown(await sought(ctx, service.get(ctx, project_id), target)))


@api.post("/v3/projects", rule="identity:create_project", wrap="project", status=201)
async def create_project(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    sent, extra = divided(body, CreateProject, "project")
    domain_id = None if sent.is_domain else await domain_of(ctx, sent)
    require(ctx, {"target.project.domain_id": domain_id})
    facts = {"enabled": sent.enabled, "description": sent.description, "extra": extra}
    if sent.options is not UNSET:
        facts["options"] = msgspec.to_builtins(sent.options)
    made = await service.create(ctx, sent.name, parent_id=sent.parent_id, domain_id=domain_id, facts=facts)
    return member(here, "projects", service.shown(made))


async def domain_of(ctx: Ctx, sent: CreateProject) -> str:
    """The domain of a new project: as said, or its parent's, or the caller's."""
    if sent.domain_id is not None:
        return sent.domain_id
    parent = await service.find(ctx, sent.parent_id) if sent.parent_id else None
    if parent is not None:
        return parent.domain_id or parent.id
    return ctx.caller.domain_id or ctx.caller.project_domain_id or service.DEFAULT


@api.patch("/v3/projects/{project_id}", rule="identity:update_project", wrap="project")
async def change_project(ctx: Ctx, project_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    before = await sought(ctx, service.get(ctx, project_id), target)
    sent, extra = divided(body, ChangeProject, "project")
    after = await service.change(ctx, project_id, columns(sent, extra, before))
    return member(here, "projects", service.shown(after))


@api.delete("/v3/projects/{project_id}", rule="identity:delete_project", status=204)
async def delete_project(ctx: Ctx, project_id: str) -> None:
    await sought(ctx, service.get(ctx, project_id), target)
    await service.delete(ctx, project_id)
