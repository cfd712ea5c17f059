"""/resource_classes: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Body, Here
from pileus.services.placement.http import api, dated, latest, link
from pileus.services.placement.resource_classes import service
from pileus.services.placement.resource_classes.service import Name

ALL, ONE = "/resource_classes", "/resource_classes/{resource_class}"


class NameOfClass(Body, frozen=True):
    name: str


def shown(here: Here, name: str) -> dict[str, Any]:
    return {"name": name, "links": [{"rel": "self", "href": link(here, f"{ALL}/{name}")}]}


def url(here: Here, name: str) -> str:
    return here.url(f"{ALL}/{name}")


def when(names: list[Name]) -> float | None:
    """When the last of the custom ones was made or renamed; nobody knows for standard ones."""
    return latest([each.updated_at for each in names if each.updated_at is not None])


@api.get(ALL, rule="placement:resource_classes:list", since="1.2")
async def list_resource_classes(ctx: Ctx, here: Here) -> Answer:
    found = await service.list_(ctx)
    return dated(ctx, {"resource_classes": [shown(here, each.name) for each in found]}, when(found))


@api.post(ALL, rule="placement:resource_classes:create", since="1.2", status=201)
async def create_resource_class(ctx: Ctx, body: NameOfClass, here: Here) -> Answer:
    await service.create(ctx, body.name)
    return Answer(headers={"Location": url(here, body.name)})


@api.get(ONE, rule="placement:resource_classes:show", since="1.2")
async def show_resource_class(ctx: Ctx, resource_class: str, here: Here) -> Answer:
    found = await service.get(ctx, resource_class)
    return dated(ctx, shown(here, found.name), found.updated_at)


@api.put(ONE, rule="placement:resource_classes:update", since="1.2", until="1.6")
async def rename_resource_class(ctx: Ctx, resource_class: str, body: NameOfClass, here: Here) -> dict[str, Any]:
    return shown(here, (await service.rename(ctx, resource_class, body.name)).name)


@api.put(ONE, rule="placement:resource_classes:update", since="1.7", status=204)
async def ensure_resource_class(ctx: Ctx, resource_class: str, here: Here) -> Answer:
    new = await service.ensure(ctx, resource_class)
    return Answer(status=201 if new else 204, headers={"Location": url(here, resource_class)})


@api.delete(ONE, rule="placement:resource_classes:delete", since="1.2", status=204)
async def delete_resource_class(ctx: Ctx, resource_class: str) -> None:
    await service.delete(ctx, resource_class)
