"""Endpoints: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Forbidden, NotFound
from pileus.services.identity.endpoints import rules, store
from pileus.services.identity.endpoints.store import Endpoint
from pileus.services.identity.faults import expecting
from pileus.services.identity.regions import service as regions
from pileus.services.identity.revision import service as revision
from pileus.services.identity.services import service as services

__all__ = [
    "INTERFACES",
    "Endpoint",
    "change",
    "create",
    "delete",
    "ensure",
    "get",
    "list_",
    "page",
    "rendered_url",
    "shown",
]

INTERFACES = ("public", "internal", "admin")
ENDPOINT = "identity.endpoint"

page = store.page


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[Endpoint]:
    """Those with these columns, by id."""
    return await store.list_(ctx, columns)


async def get(ctx: Ctx, endpoint_id: str) -> Endpoint:
    """The endpoint of that id. Raises NotFound."""
    found = await store.list_(ctx, {"id": endpoint_id})
    if not found:
        raise NotFound(f"Could not find endpoint: {endpoint_id}.")
    return found[0]


def rendered_url(endpoint: Endpoint, values: Mapping[str, str]) -> str | None:
    """The URL with these values; None when it asks for another one."""
    return rules.rendered(endpoint.url, values)


def shown(endpoint: Endpoint, cloud: str) -> dict[str, Any]:
    """The endpoint as the API of the cloud at that address shows it, but for its links."""
    return {
        **endpoint.extra,
        "id": endpoint.id,
        "interface": endpoint.interface,
        "region": endpoint.region_id,
        "region_id": endpoint.region_id,
        "service_id": endpoint.service_id,
        "url": rules.shown(endpoint.url, cloud),
        "enabled": endpoint.enabled,
    }


async def create(ctx: Ctx, wanted: Mapping[str, Any], extra: Mapping[str, Any]) -> Endpoint:
    """An endpoint of these columns. `region`, the older name of `region_id`, makes a region that is not there.

    Raises BadRequest for a service or region that is not there, and for a URL that is none.
    """
    async with revision.change(ctx) as ctx:
        columns = await _checked(ctx, wanted)
        endpoint = Endpoint(id=ctx.world.ids.hex(), extra=dict(extra), **{"region_id": None, **columns})
        await store.add(ctx, endpoint)
        await changed(ctx, ENDPOINT, "created", endpoint.id, project_id=None)
    return endpoint


async def change(ctx: Ctx, endpoint_id: str, wanted: Mapping[str, Any], extra: Mapping[str, Any]) -> Endpoint:
    """Write these columns, as `create` takes them, and add what callers keep. Raises NotFound, BadRequest."""
    async with revision.change(ctx) as ctx:
        before = await get(ctx, endpoint_id)
        columns = {**await _checked(ctx, wanted), "extra": {**before.extra, **extra}}
        await store.change(ctx, endpoint_id, columns)
        await changed(ctx, ENDPOINT, "updated", endpoint_id, project_id=None)
    return msgspec.structs.replace(before, **columns)


async def _checked(ctx: Ctx, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The columns, when what they name is there."""
    columns = dict(wanted)
    region = columns.pop("region", None)
    if "url" in columns and not rules.is_template(columns["url"]):
        raise BadRequest(f"Cannot create an endpoint with an invalid URL: {columns['url']}.")
    if "service_id" in columns and not await services.list_(ctx, {"id": columns["service_id"]}):
        raise expecting("endpoint service_id", "service table")
    if columns.get("region_id") is not None:
        if await regions.find(ctx, columns["region_id"]) is None:
            raise expecting("endpoint region_id", "region table")
    elif region is not None:
        await regions.ensure(ctx, region)
        columns["region_id"] = region
    return columns


async def ensure(ctx: Ctx, service_id: str, region_id: str, path: str) -> None:
    """See to it that each interface of a service has an endpoint in the region. One that is there stays as it is.

    `path`: below this cloud's address, as `/compute/v2.1` or `/volume/v3/$(project_id)s`; or a whole URL.
    """
    url = rules.template(path)
    async with revision.change(ctx) as ctx:
        for interface in INTERFACES:
            place = {"service_id": service_id, "region_id": region_id, "interface": interface}
            if not await store.list_(ctx, place):
                await create(ctx, {**place, "url": url}, {})


async def delete(ctx: Ctx, endpoint_id: str) -> None:
    """Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, endpoint_id)
        await store.delete(ctx, endpoint_id)
        await changed(ctx, ENDPOINT, "deleted", endpoint_id, project_id=None)


@regions.on_delete
async def keep_regions_in_use(ctx: Ctx, region_id: str, going: Sequence[str]) -> None:
    if await store.any_in(ctx, going):
        raise Forbidden(
            f"Unable to delete region {region_id} because it or its child regions have associated endpoints."
        )
