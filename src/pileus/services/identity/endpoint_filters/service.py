"""Endpoint filters: which endpoints a project is shown.

A project that is given endpoints, one by one or by groups, sees only those in its catalogue; one that is given none sees
all, or none (`identity.return_all_endpoints_if_no_filter`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.services.identity.endpoint_filters import rules, store
from pileus.services.identity.endpoint_filters.store import Group
from pileus.services.identity.endpoints import service as endpoints
from pileus.services.identity.endpoints.service import Endpoint
from pileus.services.identity.faults import duplicate
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Project
from pileus.services.identity.revision import service as revision

__all__ = [
    "ENDPOINTS",
    "GROUPS",
    "Group",
    "Shared",
    "any_share",
    "change",
    "check",
    "create",
    "delete",
    "endpoints_of_group",
    "endpoints_of_project",
    "get",
    "groups_of_project",
    "page",
    "projects_with",
    "share",
    "unshare",
    "visible",
]

GROUP = "identity.endpoint_group"

page = store.page
any_share = store.any_share


# Groups


async def get(ctx: Ctx, group_id: str) -> Group:
    """The endpoint group of that id. Raises NotFound."""
    found = await store.get(ctx, group_id)
    if found is None:
        raise NotFound(f"Could not find Endpoint Group: {group_id}.")
    return found


async def create(ctx: Ctx, name: str, description: str | None, filters: Mapping[str, Any]) -> Group:
    """A group of the endpoints that are as the filters say."""
    group = Group(ctx.world.ids.hex(), name, description, dict(filters))
    async with revision.change(ctx) as ctx:
        await store.add(ctx, group)
        await changed(ctx, GROUP, "created", group.id, project_id=None)
    return group


async def change(ctx: Ctx, group_id: str, wanted: Mapping[str, Any]) -> Group:
    """Write these columns. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        before = await get(ctx, group_id)
        await store.change(ctx, group_id, wanted)
        await changed(ctx, GROUP, "updated", group_id, project_id=None)
    return msgspec.structs.replace(before, **wanted)


async def delete(ctx: Ctx, group_id: str) -> None:
    """Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, group_id)
        await store.delete(ctx, group_id)
        await changed(ctx, GROUP, "deleted", group_id, project_id=None)


async def endpoints_of_group(ctx: Ctx, group_id: str) -> list[Endpoint]:
    """By id. Raises NotFound."""
    async with ctx.read() as ctx:
        group = await get(ctx, group_id)
        return [each for each in await endpoints.list_(ctx, {}) if rules.matches(group.filters, each)]


# What projects are given


class Shared(NamedTuple):
    """A kind of thing that projects are given: its shares, which of their columns names it, and how it is found."""

    table: sa.Table
    column: str
    get: Callable[[Ctx, str], Awaitable[object]]
    name: str


ENDPOINTS = Shared(store.project_endpoints, "endpoint_id", endpoints.get, "project_endpoint")
GROUPS = Shared(store.project_groups, "group_id", get, "project_endpoint_group")


async def share(ctx: Ctx, kind: Shared, project_id: str, thing_id: str) -> None:
    """Give it to the project. Raises NotFound, Conflict when the project has it."""
    async with revision.change(ctx) as ctx:
        row = await _row(ctx, kind, project_id, thing_id)
        if await store.has(ctx, kind.table, row):
            raise duplicate(kind.name)
        await store.share(ctx, kind.table, row)
        await _tell(ctx, kind, row)


async def check(ctx: Ctx, kind: Shared, project_id: str, thing_id: str) -> dict[str, str]:
    """The share. Raises NotFound, also for what it would be of."""
    async with ctx.read() as ctx:
        row = await _row(ctx, kind, project_id, thing_id)
        if not await store.has(ctx, kind.table, row):
            raise NotFound(f"Could not find {kind.name}: project {project_id} is not given {thing_id}.")
        return row


async def unshare(ctx: Ctx, kind: Shared, project_id: str, thing_id: str) -> None:
    """Raises NotFound."""
    async with revision.change(ctx) as ctx:
        row = await check(ctx, kind, project_id, thing_id)
        await store.unshare(ctx, kind.table, row)
        await _tell(ctx, kind, row)


async def _row(ctx: Ctx, kind: Shared, project_id: str, thing_id: str) -> dict[str, str]:
    await kind.get(ctx, thing_id)
    await projects.get(ctx, project_id)
    return {"project_id": project_id, kind.column: thing_id}


async def _tell(ctx: Ctx, kind: Shared, row: Mapping[str, str]) -> None:
    await changed(ctx, f"identity.{kind.name}", "updated", row["project_id"], project_id=None, facts=row)


async def projects_with(ctx: Ctx, kind: Shared, thing_id: str) -> list[Project]:
    """To whom it is given, by id. Raises NotFound."""
    async with ctx.read() as ctx:
        await kind.get(ctx, thing_id)
        ids = await store.project_ids_with(ctx, kind.table, kind.column, thing_id)
        found = await projects.by_ids(ctx, ids)
    return [found[project_id] for project_id in ids]


async def groups_of_project(ctx: Ctx, project_id: str) -> list[Group]:
    """The groups that the project is given, by id. Raises NotFound."""
    async with ctx.read() as ctx:
        await projects.get(ctx, project_id)
        return await store.groups_of(ctx, project_id)


async def endpoints_of_project(ctx: Ctx, project_id: str) -> list[Endpoint]:
    """The endpoints that the project is given, by groups too. By id. Raises NotFound."""
    async with ctx.read() as ctx:
        await projects.get(ctx, project_id)
        return await _endpoints_of_project(ctx, project_id)


async def visible(ctx: Ctx, project_id: str) -> frozenset[str] | None:
    """The ids of the endpoints that the project is given; None when it is given none, and so nothing is filtered."""
    async with ctx.read() as ctx:
        return frozenset(endpoint.id for endpoint in await _endpoints_of_project(ctx, project_id)) or None


async def _endpoints_of_project(ctx: Ctx, project_id: str) -> list[Endpoint]:
    own = await store.endpoint_ids_of(ctx, project_id)
    groups = await store.groups_of(ctx, project_id)
    if not own and not groups:
        return []
    return [
        endpoint
        for endpoint in await endpoints.list_(ctx, {})
        if endpoint.id in own or any(rules.matches(group.filters, endpoint) for group in groups)
    ]
