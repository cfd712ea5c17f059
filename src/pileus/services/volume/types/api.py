"""/v3/types: volume types."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Here, Query
from pileus.services.volume.http import Key, api, is_admin
from pileus.services.volume.lists import asked, document, last
from pileus.services.volume.types import service
from pileus.services.volume.types.service import Type
from pileus.services.volume.types.specs import shown_specs

ONE = "/v3/types/{type_id}"
ACTION = f"{ONE}/action"

ACCESS = "os-volume-type-access"

TypeName = Annotated[str, Meta(min_length=1, max_length=255)]
Description = Annotated[str, Meta(max_length=255)] | None


class CreateType(Body, frozen=True, rename={"is_public": "os-volume-type-access:is_public"}):
    name: TypeName
    description: Description = None
    extra_specs: dict[Key, Annotated[str, Meta(max_length=255)] | None] | UnsetType = UNSET
    is_public: bool = True


class ChangeType(Body, frozen=True):
    name: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    description: Description | UnsetType = UNSET
    is_public: bool | UnsetType | None = UNSET


class Access(Body, frozen=True):
    project: Annotated[str, Meta(min_length=1, max_length=64)]


def shown(ctx: Ctx, found: Type, specs: dict[str, str]) -> dict[str, Any]:
    """As much of it as the caller may see."""
    allows = ctx.world.policy.allows
    target = {"project_id": ctx.caller.project_id}
    said: dict[str, Any] = {
        "id": found.id,
        "name": found.name,
        "is_public": found.is_public,
        "description": found.description,
    }
    if allows("volume_extension:access_types_extra_specs", ctx.caller, target):
        said["extra_specs"] = shown_specs(ctx, specs)
    if allows("volume_extension:access_types_qos_specs_id", ctx.caller, target):
        said["qos_specs_id"] = found.qos_id
    if allows("volume_extension:volume_type_access", ctx.caller, target):
        said["os-volume-type-access:is_public"] = found.is_public
    return said


async def whole(ctx: Ctx, found: Type) -> dict[str, Any]:
    return shown(ctx, found, await service.specs_of(ctx, found.id))


@api.get("/v3/types", rule="volume_extension:type_get_all")
async def list_types(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    await service.ensure_default(ctx)
    known = {"is_public", "extra_specs", "name"} if ctx.at("3.52") or is_admin(ctx) else {"is_public"}
    wish = asked(ctx, query, known, lenient=is_admin(ctx) or not ctx.at("3.52"))
    public = (last(query, "is_public") or "").lower()
    everything = is_admin(ctx) and public == "none"
    if not is_admin(ctx) or public in {"", "none"}:
        wish.filters.pop("is_public", None)
    if is_admin(ctx) and not public:
        wish.filters["is_public"] = ["true"]
    found = await service.page(ctx, wish, everything=everything or (is_admin(ctx) and bool(public)))
    specs = await service.specs_of_all(ctx, [each.id for each in found.items])
    said = document(here, "volume_types", found, lambda each: shown(ctx, each, specs[each.id]))
    if following := said.pop("volume_types_links", None):
        said["volume_type_links"] = following
    return said


@api.post("/v3/types", rule="volume_extension:type_create", wrap="volume_type", lax=True)
async def create_type(ctx: Ctx, body: CreateType) -> dict[str, Any]:
    if not body.name.strip():
        raise BadRequest("Volume type name can not be empty.")
    new = Type(
        id=ctx.world.ids.uuid(),
        name=body.name.strip(),
        description=body.description,
        is_public=body.is_public,
        created_at=ctx.now(),
    )
    sent = {} if isinstance(body.extra_specs, UnsetType) else body.extra_specs
    specs = {key: value or "" for key, value in sent.items()}
    said = await whole(ctx, await service.create(ctx, new, specs))
    said.pop("qos_specs_id", None)  # a new type has none, and is not shown with any
    return said


@api.get(ONE, rule="volume_extension:type_get", wrap="volume_type")
async def show_type(ctx: Ctx, type_id: UUID) -> dict[str, Any]:
    return await whole(ctx, await service.get(ctx, type_id))


@api.get("/v3/types/default", rule="volume_extension:type_get", wrap="volume_type")
async def show_default_type(ctx: Ctx) -> dict[str, Any]:
    return await whole(ctx, await service.default(ctx))


@api.put(ONE, rule="volume_extension:type_update", wrap="volume_type", lax=True)
async def change_type(ctx: Ctx, type_id: UUID, body: ChangeType) -> dict[str, Any]:
    sent = {"name": body.name, "description": body.description, "is_public": body.is_public}
    columns: dict[str, Any] = {name: value for name, value in sent.items() if value is not UNSET and value is not None}
    if "name" in columns and not columns["name"].strip():
        raise BadRequest("Volume type name can not be empty.")
    if not columns:
        raise BadRequest("Specify volume type name, description, is_public or a combination thereof.")
    said = await whole(ctx, await service.change(ctx, type_id, columns))
    return {name: value for name, value in said.items() if name not in {"qos_specs_id", f"{ACCESS}:is_public"}}


@api.delete(ONE, rule="volume_extension:type_delete", status=202)
async def delete_type(ctx: Ctx, type_id: UUID) -> None:
    await service.delete(ctx, type_id)


@api.action(ACTION, "delete", rule="volume_extension:type_delete")
async def delete_type_by_action(ctx: Ctx, type_id: UUID, body: dict[str, Any] | None = None) -> None:
    await service.delete(ctx, type_id)


@api.get(f"{ONE}/os-volume-type-access", rule="volume_extension:volume_type_access:get_all_for_type")
async def list_access(ctx: Ctx, type_id: UUID) -> dict[str, Any]:
    ids = await service.projects_of(ctx, type_id)
    return {"volume_type_access": [{"volume_type_id": type_id, "project_id": id_} for id_ in ids]}


@api.action(ACTION, "addProjectAccess", rule="volume_extension:volume_type_access:addProjectAccess")
async def add_access(ctx: Ctx, type_id: UUID, body: Access) -> None:
    await service.grant(ctx, type_id, body.project)


@api.action(ACTION, "removeProjectAccess", rule="volume_extension:volume_type_access:removeProjectAccess")
async def remove_access(ctx: Ctx, type_id: UUID, body: Access) -> None:
    await service.revoke(ctx, type_id, body.project)


class DefaultType(Body, frozen=True):
    volume_type: TypeName


def shown_default(project_id: str, type_id: UUID) -> dict[str, Any]:
    return {"project_id": project_id, "volume_type_id": type_id}


@api.get("/v3/default-types", rule="volume_extension:default_get_all", since="3.62", wrap="default_types")
async def list_default_types(ctx: Ctx) -> list[dict[str, Any]]:
    return [shown_default(*each) for each in (await service.defaults(ctx)).items()]


@api.get("/v3/default-types/{project_id}", rule="volume_extension:default_get", since="3.62", wrap="default_type")
async def show_default_type_of(ctx: Ctx, project_id: str) -> dict[str, Any]:
    return shown_default(project_id, await service.default_of(ctx, project_id))


@api.put(
    "/v3/default-types/{project_id}",
    rule="volume_extension:default_set_or_update",
    since="3.62",
    wrap="default_type",
)
async def set_default_type(ctx: Ctx, project_id: str, body: DefaultType) -> dict[str, Any]:
    return shown_default(project_id, (await service.set_default(ctx, project_id, body.volume_type)).id)


@api.delete("/v3/default-types/{project_id}", rule="volume_extension:default_unset", since="3.62", status=204)
async def unset_default_type(ctx: Ctx, project_id: str) -> None:
    await service.unset_default(ctx, project_id)
