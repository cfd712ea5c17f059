"""/os-aggregates/{aggregate_id}: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Query
from pileus.services.compute.aggregates import service
from pileus.services.compute.aggregates.service import Aggregate
from pileus.services.compute.http import Name, api, asked, check_printable, long_stamp

LIST = "/v2.1/os-aggregates"
ONE = "/v2.1/os-aggregates/{aggregate_id}"
ACTION = f"{ONE}/action"
RULES = "os_compute_api:os-aggregates"
KEY = re.compile(r"[a-zA-Z0-9_:. -]{1,255}")

Value = Annotated[str, Meta(max_length=255)]
HostName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\A[a-zA-Z0-9._-]*\Z")]


class CreateAggregate(Body, frozen=True):
    name: Name
    availability_zone: Name | None = None


class ChangeAggregate(Body, frozen=True):
    name: Name | UnsetType = UNSET
    availability_zone: Name | UnsetType | None = UNSET


class OfHost(Body, frozen=True):
    host: HostName


class SetMetadata(Body, frozen=True):
    metadata: dict[str, Value | None]


class CachedImage(Body, frozen=True):
    id: UUID


class CacheImages(Body, frozen=True):
    cache: Annotated[list[CachedImage], Meta(min_length=1)]


def shown(ctx: Ctx, aggregate: Aggregate) -> dict[str, Any]:
    document = {
        "id": aggregate.id,
        "name": aggregate.name,
        "availability_zone": aggregate.zone,
        "created_at": long_stamp(aggregate.made_at),
        "updated_at": long_stamp(aggregate.changed_at),
        "deleted": False,
        "deleted_at": None,
        "hosts": aggregate.hosts,
        "metadata": aggregate.metadata,
    }
    return {**document, "uuid": aggregate.uuid} if ctx.at("2.41") else document


def numbered(text: str) -> int:
    """The id. Raises BadRequest for what is no number."""
    if re.fullmatch(r"-?[0-9]{1,18}", text) is None:
        raise BadRequest(f"Invalid input received: id must be an integer, not {text[:80]!r}")
    return int(text)


def check_zone(zone: str | UnsetType | None) -> None:
    if isinstance(zone, str) and ":" in check_printable("availability_zone", zone):
        raise BadRequest(f"Invalid input for field/attribute availability_zone. Value: {zone[:80]}. It has a colon.")


@api.get(LIST, rule=f"{RULES}:index", wrap="aggregates")
async def list_aggregates(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    asked(ctx, query, strict_from="2.102")
    return [shown(ctx, aggregate) for aggregate in await service.list_(ctx)]


@api.post(LIST, rule=f"{RULES}:create", wrap="aggregate")
async def create_aggregate(ctx: Ctx, body: CreateAggregate) -> dict[str, Any]:
    check_zone(body.availability_zone)
    made = shown(ctx, await service.create(ctx, check_printable("name", body.name), body.availability_zone))
    return {name: value for name, value in made.items() if name not in {"hosts", "metadata"}}


@api.get(ONE, rule=f"{RULES}:show", wrap="aggregate")
async def show_aggregate(ctx: Ctx, aggregate_id: str, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    return shown(ctx, await service.get(ctx, numbered(aggregate_id)))


@api.put(ONE, rule=f"{RULES}:update", wrap="aggregate")
async def change_aggregate(ctx: Ctx, aggregate_id: str, body: ChangeAggregate) -> dict[str, Any]:
    wanted: dict[str, str | None] = {}
    if body.name is not UNSET:
        wanted["name"] = check_printable("name", body.name, trimmed=False).strip()
    if body.availability_zone is not UNSET:
        check_zone(body.availability_zone)
        wanted["availability_zone"] = body.availability_zone
    if not wanted:
        raise BadRequest("Invalid input for field/attribute aggregate: it names neither name nor availability_zone.")
    return shown(ctx, await service.change(ctx, numbered(aggregate_id), wanted))


@api.delete(ONE, rule=f"{RULES}:delete")
async def delete_aggregate(ctx: Ctx, aggregate_id: str) -> None:
    await service.delete(ctx, numbered(aggregate_id))


@api.action(ACTION, "add_host", rule=f"{RULES}:add_host", wrap="aggregate", status=200)
async def add_host(ctx: Ctx, aggregate_id: str, body: OfHost) -> dict[str, Any]:
    return shown(ctx, await service.add_host(ctx, numbered(aggregate_id), body.host))


@api.action(ACTION, "remove_host", rule=f"{RULES}:remove_host", wrap="aggregate", status=200)
async def remove_host(ctx: Ctx, aggregate_id: str, body: OfHost) -> dict[str, Any]:
    return shown(ctx, await service.remove_host(ctx, numbered(aggregate_id), body.host))


@api.action(ACTION, "set_metadata", rule=f"{RULES}:set_metadata", wrap="aggregate", status=200)
async def set_metadata(ctx: Ctx, aggregate_id: str, body: SetMetadata) -> dict[str, Any]:
    for name in body.metadata:
        if KEY.fullmatch(name) is None:
            raise BadRequest(
                f"Invalid input for field/attribute metadata. Key {name[:80]!r} may have letters, digits, spaces and . - _ :"
            )
    zone = body.metadata.get("availability_zone")
    if zone:
        check_zone(zone)
    return shown(ctx, await service.set_metadata(ctx, numbered(aggregate_id), body.metadata))


@api.post(f"{ONE}/images", rule="compute:aggregates:images", since="2.81", status=202)
async def cache_images(ctx: Ctx, aggregate_id: str, body: CacheImages) -> None:
    """A hint, and taken as one: a host fetches an image when its first guest needs it, and keeps it."""
    ids = [image.id for image in body.cache]
    if len(ids) != len(set(ids)):
        raise BadRequest("Duplicate images in request")
    await service.get(ctx, numbered(aggregate_id))
