"""Routers as the caller may see them, and how they are held and touched."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.services.network.grounds import Seen, require
from pileus.services.network.http import no_such
from pileus.services.network.routers import sagas, store
from pileus.services.network.routers.sagas import Around, look_around
from pileus.services.network.routers.store import Router

KIND = "network.router"


visible = Seen("get_router", store.routers.c.project_id, there=store.is_there)


def missing(router_id: object) -> NotFound:
    return no_such("router", router_id)


async def get(ctx: Ctx, router_id: UUID) -> Router:
    """One that the caller may see. Raises NotFound."""
    found = await store.find(ctx, router_id, visible(ctx))
    if found is None:
        raise missing(router_id)
    return found


async def hold(ctx: Ctx, router_id: UUID) -> None:
    """Who decides on what a router is connected to comes one after the other."""
    await store.hold(ctx, router_id)


async def held(ctx: Ctx, router_id: UUID) -> Around:
    """In the open transaction: a router that the caller may change as the route says, held, with what is around it.

    Raises NotFound, Forbidden.
    """
    await hold(ctx, router_id)
    router = await get(ctx, router_id)
    require(ctx, router.project_id, missing(router_id))
    return await look_around(ctx, router)


async def touch(ctx: Ctx, router: Router, **columns: Any) -> None:
    """Write these columns, and let the overlay hear of what the router is now."""
    await store.change(ctx, router.id, **columns)
    await want(ctx, router.id)
    await changed(ctx, KIND, "updated", router.id, project_id=router.project_id)


async def want(ctx: Ctx, router_id: UUID) -> None:
    """In the open transaction: what the router is connected to, or what stands on it, has changed."""
    await sagas.converge_router.want(ctx, router_id)
