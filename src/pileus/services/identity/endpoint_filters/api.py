"""/v3/OS-EP-FILTER: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.identity.endpoint_filters import service
from pileus.services.identity.endpoint_filters.service import ENDPOINTS, GROUPS, Group
from pileus.services.identity.endpoints import service as endpoints
from pileus.services.identity.http import api, by_id, cloud, collection, given, listed, member, require
from pileus.services.identity.projects import service as projects

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]

AT_GROUPS = "OS-EP-FILTER/endpoint_groups"
ALL_GROUPS = "/v3/OS-EP-FILTER/endpoint_groups"
ONE_GROUP = ALL_GROUPS + "/{endpoint_group_id}"
GROUP_IN_PROJECT = ONE_GROUP + "/projects/{project_id}"
OF_PROJECT = "/v3/OS-EP-FILTER/projects/{project_id}"
IN_PROJECT = OF_PROJECT + "/endpoints/{endpoint_id}"


class Filters(Body, frozen=True):
    service_id: str | UnsetType = UNSET
    region_id: str | UnsetType | None = UNSET
    interface: Literal["public", "internal", "admin"] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class CreateGroup(Body, frozen=True):
    name: Name
    filters: Filters
    description: str | None = None


class ChangeGroup(Body, frozen=True):
    """A name or filters of null change nothing: openstackclient sends what it was not told so."""

    name: Name | UnsetType | None = UNSET
    filters: Filters | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET


def shown(group: Group) -> dict[str, Any]:
    return {"id": group.id, "name": group.name, "description": group.description, "filters": group.filters}


def document(here: Here, group: Group) -> dict[str, Any]:
    return member(here, AT_GROUPS, shown(group))


# Groups


@api.get(ALL_GROUPS, rule="identity:list_endpoint_groups")
async def list_groups(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    return listed(here, AT_GROUPS, shown, await service.page(ctx, query))


@api.post(ALL_GROUPS, rule="identity:create_endpoint_group", wrap="endpoint_group", status=201)
async def create_group(ctx: Ctx, body: CreateGroup, here: Here) -> dict[str, Any]:
    require(ctx, {})
    filters = given(body.filters)
    if not filters:
        raise BadRequest("filters field is required and cannot be empty")
    return document(here, await service.create(ctx, body.name, body.description, filters))


@api.get(ONE_GROUP, rule="identity:get_endpoint_group", wrap="endpoint_group")
async def show_group(ctx: Ctx, endpoint_group_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(endpoint_group=endpoint_group_id))
    return document(here, await service.get(ctx, endpoint_group_id))


@api.patch(ONE_GROUP, rule="identity:update_endpoint_group", wrap="endpoint_group")
async def change_group(ctx: Ctx, endpoint_group_id: str, body: ChangeGroup, here: Here) -> dict[str, Any]:
    require(ctx, by_id(endpoint_group=endpoint_group_id))
    wanted = {name: value for name, value in given(body).items() if value is not None or name == "description"}
    if not wanted:
        raise BadRequest("Invalid input for endpoint_group: it names nothing that shall change.")
    if "filters" in wanted:
        wanted["filters"] = given(wanted["filters"])
    return document(here, await service.change(ctx, endpoint_group_id, wanted))


@api.delete(ONE_GROUP, rule="identity:delete_endpoint_group", status=204)
async def delete_group(ctx: Ctx, endpoint_group_id: str) -> None:
    require(ctx, by_id(endpoint_group=endpoint_group_id))
    await service.delete(ctx, endpoint_group_id)


@api.get(ONE_GROUP + "/endpoints", rule="identity:list_endpoints_associated_with_endpoint_group")
async def list_endpoints_of_group(ctx: Ctx, endpoint_group_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(endpoint_group=endpoint_group_id))
    found = await service.endpoints_of_group(ctx, endpoint_group_id)
    return collection(here, "endpoints", [endpoints.shown(each, cloud(here)) for each in found])


@api.get(ONE_GROUP + "/projects", rule="identity:list_projects_associated_with_endpoint_group")
async def list_projects_of_group(ctx: Ctx, endpoint_group_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(endpoint_group=endpoint_group_id))
    found = await service.projects_with(ctx, GROUPS, endpoint_group_id)
    return collection(here, "projects", map(projects.shown, found))


# What projects are given


@api.get(GROUP_IN_PROJECT, rule="identity:get_endpoint_group_in_project", wrap="project_endpoint_group")
async def show_group_in_project(ctx: Ctx, endpoint_group_id: str, project_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(endpoint_group=endpoint_group_id, project=project_id))
    await service.check(ctx, GROUPS, project_id, endpoint_group_id)
    link = here.url(f"{ALL_GROUPS}/{endpoint_group_id}/projects/{project_id}")
    return {"endpoint_group_id": endpoint_group_id, "project_id": project_id, "links": {"self": link}}


@api.put(GROUP_IN_PROJECT, rule="identity:add_endpoint_group_to_project", status=204)
async def add_group_to_project(ctx: Ctx, endpoint_group_id: str, project_id: str) -> None:
    require(ctx, by_id(endpoint_group=endpoint_group_id, project=project_id))
    await service.share(ctx, GROUPS, project_id, endpoint_group_id)


@api.delete(GROUP_IN_PROJECT, rule="identity:remove_endpoint_group_from_project", status=204)
async def remove_group_from_project(ctx: Ctx, endpoint_group_id: str, project_id: str) -> None:
    require(ctx, by_id(endpoint_group=endpoint_group_id, project=project_id))
    await service.unshare(ctx, GROUPS, project_id, endpoint_group_id)


@api.get(IN_PROJECT, rule="identity:check_endpoint_in_project", status=204)
async def check_endpoint_in_project(ctx: Ctx, project_id: str, endpoint_id: str) -> None:
    require(ctx, by_id(project=project_id, endpoint=endpoint_id))
    await service.check(ctx, ENDPOINTS, project_id, endpoint_id)


@api.put(IN_PROJECT, rule="identity:add_endpoint_to_project", status=204)
async def add_endpoint_to_project(ctx: Ctx, project_id: str, endpoint_id: str) -> None:
    require(ctx, by_id(project=project_id, endpoint=endpoint_id))
    await service.share(ctx, ENDPOINTS, project_id, endpoint_id)


@api.delete(IN_PROJECT, rule="identity:remove_endpoint_from_project", status=204)
async def remove_endpoint_from_project(ctx: Ctx, project_id: str, endpoint_id: str) -> None:
    require(ctx, by_id(project=project_id, endpoint=endpoint_id))
    await service.unshare(ctx, ENDPOINTS, project_id, endpoint_id)


@api.get(OF_PROJECT + "/endpoints", rule="identity:list_endpoints_for_project")
async def list_endpoints_of_project(ctx: Ctx, project_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(project=project_id))
    found = await service.endpoints_of_project(ctx, project_id)
    return collection(here, "endpoints", [endpoints.shown(each, cloud(here)) for each in found])


@api.get(OF_PROJECT + "/endpoint_groups", rule="identity:list_endpoint_groups_for_project")
async def list_groups_of_project(ctx: Ctx, project_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(project=project_id))
    return collection(here, AT_GROUPS, map(shown, await service.groups_of_project(ctx, project_id)))


@api.get("/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects", rule="identity:list_projects_for_endpoint")
async def list_projects_of_endpoint(ctx: Ctx, endpoint_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(endpoint=endpoint_id))
    found = await service.projects_with(ctx, ENDPOINTS, endpoint_id)
    return collection(here, "projects", map(projects.shown, found))
