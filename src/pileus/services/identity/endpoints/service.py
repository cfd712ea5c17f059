"""Endpoints: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.services.identity.endpoints import rules, store
from pileus.services.identity.endpoints.store import Endpoint
from pileus.services.identity.revision import service as revision

__all__ = ["INTERFACES", "Endpoint", "ensure", "get", "list_", "rendered_url", "shown_url"]

INTERFACES = ("public", "internal", "admin")


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


def shown_url(endpoint: Endpoint, cloud: str) -> str:
    """The URL for who looks after it: what is of a token stays a template."""
    return endpoint.url.replace(rules.PUBLIC, cloud)


async def ensure(ctx: Ctx, service_id: str, region_id: str, path: str) -> None:
    """See to it that each interface of a service has an endpoint in the region. One that is there stays as it is.

    `path`: below this cloud's address, as `/compute/v2.1` or `/volume/v3/$(project_id)s`; or a whole URL.
    """
    url = rules.template(path)
    async with revision.change(ctx) as ctx:
        for interface in INTERFACES:
            wanted = Endpoint(ctx.world.ids.hex(), service_id, interface, region_id, url)
            place = {"service_id": service_id, "region_id": region_id, "interface": interface}
            if not await store.list_(ctx, place):
                await store.add(ctx, wanted)
