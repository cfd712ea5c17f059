"""Policies: what the rest of Identity may ask for. This cloud keeps them for others and does not read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.services.identity.endpoints import service as endpoints
from pileus.services.identity.endpoints.service import Endpoint
from pileus.services.identity.policies import rules, store
from pileus.services.identity.policies.rules import Place
from pileus.services.identity.policies.store import Policy
from pileus.services.identity.regions import service as regions
from pileus.services.identity.revision import service as revision
from pileus.services.identity.services import service as services

__all__ = [
    "Place",
    "Policy",
    "associate",
    "change",
    "check",
    "create",
    "delete",
    "dissociate",
    "endpoints_of",
    "get",
    "of_endpoint",
    "page",
]

POLICY = "identity.policy"

page = store.page


async def get(ctx: Ctx, policy_id: str) -> Policy:
    """The policy of that id. Raises NotFound."""
    found = await store.get(ctx, policy_id)
    if found is None:
        raise NotFound(f"Could not find policy: {policy_id}.")
    return found


async def create(ctx: Ctx, type_: str, blob: str, extra: Mapping[str, Any]) -> Policy:
    """A policy: a text, and of what kind it is."""
    policy = Policy(ctx.world.ids.hex(), type_, blob, dict(extra))
    async with revision.turn(ctx) as ctx:
        await store.add(ctx, policy)
        await changed(ctx, POLICY, "created", policy.id, project_id=None)
    return policy


async def change(ctx: Ctx, policy_id: str, wanted: Mapping[str, Any], extra: Mapping[str, Any]) -> Policy:
    """Write these columns, and add what callers keep. Raises NotFound."""
    async with revision.turn(ctx) as ctx:
        before = await get(ctx, policy_id)
        wanted = {**wanted, "extra": {**before.extra, **extra}}
        await store.change(ctx, policy_id, wanted)
        await changed(ctx, POLICY, "updated", policy_id, project_id=None)
    return msgspec.structs.replace(before, **wanted)


async def delete(ctx: Ctx, policy_id: str) -> None:
    """Raises NotFound."""
    async with revision.turn(ctx) as ctx:
        await get(ctx, policy_id)
        await store.delete(ctx, policy_id)
        await changed(ctx, POLICY, "deleted", policy_id, project_id=None)


async def associate(ctx: Ctx, policy_id: str, place: Place) -> None:
    """Make it the policy for that place, instead of another. Raises NotFound."""
    async with revision.turn(ctx) as ctx:
        await _check_there(ctx, policy_id, place)
        await store.associate(ctx, policy_id, place)
        await changed(ctx, POLICY, "updated", policy_id, project_id=None)


async def check(ctx: Ctx, policy_id: str, place: Place) -> None:
    """Raises NotFound when it is not the policy for that place."""
    async with ctx.read() as ctx:
        await _check_there(ctx, policy_id, place)
        found = await store.policy_ids_at(ctx, [place])
    if found.get(place.key) != policy_id:
        raise NotFound("Could not find policy association.")


async def dissociate(ctx: Ctx, policy_id: str, place: Place) -> None:
    """It is not the policy for that place any more. May be said twice. Raises NotFound."""
    async with revision.turn(ctx) as ctx:
        await _check_there(ctx, policy_id, place)
        await store.dissociate(ctx, policy_id, place)
        await changed(ctx, POLICY, "updated", policy_id, project_id=None)


async def _check_there(ctx: Ctx, policy_id: str, place: Place) -> None:
    await get(ctx, policy_id)
    if place.endpoint_id is not None:
        await endpoints.get(ctx, place.endpoint_id)
    if place.service_id is not None:
        await services.get(ctx, place.service_id)
    if place.region_id is not None:
        await regions.get(ctx, place.region_id)


async def of_endpoint(ctx: Ctx, endpoint_id: str) -> Policy:
    """The policy for an endpoint: its own; else of its service in its region or the nearest above; else of its service.

    Raises NotFound.
    """
    async with ctx.read() as ctx:
        endpoint = await endpoints.get(ctx, endpoint_id)
        places = rules.places_of(endpoint, await regions.parents(ctx))
        found = await store.policy_ids_at(ctx, places)
        for place in places:
            if place.key in found:
                return await get(ctx, found[place.key])
        raise NotFound(f"No policy is associated with endpoint {endpoint_id}.")


async def endpoints_of(ctx: Ctx, policy_id: str) -> list[Endpoint]:
    """The endpoints in a place of the policy, by id, whatever other policies say of them. Raises NotFound."""
    async with ctx.read() as ctx:
        await get(ctx, policy_id)
        places = await store.places_of(ctx, policy_id)
        parents = await regions.parents(ctx)
        every = await endpoints.list_(ctx, {})
        return [each for each in every if not places.isdisjoint(rules.places_of(each, parents))]
