"""/v3/projects and their tags: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body, Here, Query, converted
from pileus.services.identity.http import (
    Cascade,
    Options,
    api,
    changes,
    divided,
    given,
    listed,
    member,
    removed,
    require,
    sought,
)
from pileus.services.identity.projects import service
from pileus.services.identity.projects.service import Project

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]
Tag = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^,/]*$")]
Tree = dict[str, Any]

TAGS = "/v3/projects/{project_id}/tags"


class CreateProject(msgspec.Struct):
    name: Name
    domain_id: str | None = None
    parent_id: str | None = None
    is_domain: bool = False
    enabled: bool = True
    description: str | None = ""
    options: Options = msgspec.field(default_factory=Options)
    tags: list[Tag] = []


class ChangeProject(msgspec.Struct):
    name: Name | UnsetType = UNSET
    domain_id: str | UnsetType | None = UNSET
    parent_id: str | UnsetType | None = UNSET
    is_domain: bool | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET
    tags: list[Tag] | UnsetType = UNSET


class Tags(Body, frozen=True):
    tags: list[Tag]


def target(project: Project) -> dict[str, Any]:
    return {"target.project.id": project.id, "target.project.domain_id": project.domain_id}


def facts(sent: msgspec.Struct, extra: dict[str, Any]) -> dict[str, Any]:
    """What was sent, as `service.create` and `service.change` take it."""
    said = msgspec.to_builtins(given(sent))
    return {**said, "extra": extra} if extra else said


@api.get("/v3/projects", rule="identity:list_projects")
async def list_projects(ctx: Ctx, query: Query, here: Here) -> Answer:
    own = ctx.caller.domain_id
    require(ctx, {"target.domain_id": own})
    visible = {} if own is None else {"domain_id": own}
    return listed(here, "projects", service.shown, await service.page(ctx, query, **visible))


@api.get("/v3/projects/{project_id}", rule="identity:get_project", wrap="project")
async def show_project(ctx: Ctx, project_id: str, query: Query, here: Here) -> dict[str, Any]:
    project = await sought(ctx, service.get(ctx, project_id), target)
    return {**member(here, "projects", service.shown(project)), **await around(ctx, project, query, here)}


async def around(ctx: Ctx, project: Project, query: Query, here: Here) -> dict[str, Any]:
    """The parents and the subtree, if they are asked for: as projects those in which the caller has a role, or as ids."""
    asked = {name for name, values in query.items() if values[-1] != "0"}
    shown: dict[str, Any] = {}
    for where, line in (("parents", service.above), ("subtree", service.below)):
        if {f"{where}_as_list", f"{where}_as_ids"} <= asked:
            raise BadRequest(f"Cannot use {where}_as_list and {where}_as_ids query params at the same time.")
        if f"{where}_as_ids" in asked:
            shown[where] = NESTED[where](project, await line(ctx, project.id))
        if f"{where}_as_list" in asked:
            found = await line(ctx, project.id)
            shown[where] = await members(ctx, found, here, with_limits="include_limits" in asked)
    return shown


async def members(ctx: Ctx, found: list[Project], here: Here, *, with_limits: bool) -> list[dict[str, Any]]:
    """Those of these projects in which the caller has a role."""
    reached = await service.reach(ctx, ctx.caller.user_id)
    seen = [each for each in found if each.id in reached]
    limits = await service.limits_of(ctx, [each.id for each in seen]) if with_limits else {}

    def shown(project: Project) -> dict[str, Any]:
        document = member(here, "projects", service.shown(project))
        return {**document, "limits": limits.get(project.id, [])} if with_limits else document

    return [{"project": shown(each)} for each in seen]


def nested_up(project: Project, above: Iterable[Project]) -> Tree | None:
    """{parent: {its parent: ... None}}. `above`: the nearest first."""
    tree: Tree | None = None
    for each in reversed(list(above)):
        tree = {each.id: tree}
    return tree


def nested_down(project: Project, below: Iterable[Project]) -> Tree | None:
    """{child: {its child: None}, another: None}."""
    children: dict[str | None, list[str]] = {}
    for each in below:
        children.setdefault(each.parent_id, []).append(each.id)

    def nested(id_: str) -> Tree | None:
        return {child: nested(child) for child in children[id_]} if id_ in children else None

    return nested(project.id)


NESTED = {"parents": nested_up, "subtree": nested_down}


@api.post("/v3/projects", rule="identity:create_project", wrap="project", status=201)
async def create_project(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    sent, extra = divided(body, CreateProject, "project")
    domain_id = None if sent.is_domain else await domain_of(ctx, sent)
    require(ctx, {"target.project.domain_id": domain_id})
    parent_id = sent.parent_id or sent.domain_id
    made = await service.create(ctx, sent.name, parent_id=parent_id, domain_id=domain_id, facts=facts(sent, extra))
    return member(here, "projects", service.shown(made))


async def domain_of(ctx: Ctx, sent: CreateProject) -> str:
    """The domain of a new project: as said, or its parent's, or the caller's, or the default one."""
    if sent.domain_id is not None:
        return sent.domain_id
    parent = await service.find(ctx, sent.parent_id) if sent.parent_id else None
    if parent is not None:
        return parent.domain_id or parent.id
    return ctx.caller.domain_id or ctx.caller.project_domain_id or service.DEFAULT


@api.patch("/v3/projects/{project_id}", rule="identity:update_project", wrap="project")
async def change_project(ctx: Ctx, project_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    await sought(ctx, service.get(ctx, project_id), target)
    sent, extra = changes(body, ChangeProject, "project", project_id)
    return member(here, "projects", service.shown(await service.change(ctx, project_id, facts(sent, extra))))


@api.delete("/v3/projects/{project_id}", rule="identity:delete_project", status=204)
async def delete_project(ctx: Ctx, project_id: str, query: Cascade) -> Answer:
    await sought(ctx, service.get(ctx, project_id), target)
    return await removed(ctx, service, project_id, query)


# tags


def shown_tags(project: Project, here: Here) -> dict[str, Any]:
    return {"tags": project.tags, "links": {"self": here.base + here.again()}}


@api.get(TAGS, rule="identity:list_project_tags")
async def list_tags(ctx: Ctx, project_id: str, here: Here) -> dict[str, Any]:
    return shown_tags(await sought(ctx, service.get(ctx, project_id), target), here)


@api.put(TAGS, rule="identity:update_project_tags")
async def replace_tags(ctx: Ctx, project_id: str, body: Tags, here: Here) -> dict[str, Any]:
    await sought(ctx, service.get(ctx, project_id), target)
    return shown_tags(await service.change(ctx, project_id, {"tags": body.tags}), here)


@api.delete(TAGS, rule="identity:delete_project_tags", status=204)
async def remove_tags(ctx: Ctx, project_id: str) -> None:
    await sought(ctx, service.get(ctx, project_id), target)
    await service.change(ctx, project_id, {"tags": []})


@api.get(TAGS + "/{tag}", rule="identity:get_project_tag", status=204)
async def check_tag(ctx: Ctx, project_id: str, tag: str) -> None:
    project = await sought(ctx, service.get(ctx, project_id), target)
    service.check_tag(project, tag)


@api.put(TAGS + "/{tag}", rule="identity:create_project_tag", status=201)
async def add_tag(ctx: Ctx, project_id: str, tag: str, here: Here) -> Answer:
    await sought(ctx, service.get(ctx, project_id), target)
    await service.add_tag(ctx, project_id, converted(tag, Tag, "tag"))
    return Answer(headers={"Location": here.url(here.path)})


@api.delete(TAGS + "/{tag}", rule="identity:delete_project_tag", status=204)
async def remove_tag(ctx: Ctx, project_id: str, tag: str) -> None:
    await sought(ctx, service.get(ctx, project_id), target)
    await service.remove_tag(ctx, project_id, tag)
