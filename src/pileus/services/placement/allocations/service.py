"""Allocations: what the rest of Placement, and the services above, may ask for.

    await replace(ctx, {server_id: Claim(resources={host_id: {"VCPU": 2}}, project_id=..., user_id=..., generation=None)})

claims, moves and releases, for many consumers at once, all or nothing: in the transaction that needs it, or in one of its own.
A transaction asks once for all its consumers, because their locks have one order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.services.placement.allocations import store
from pileus.services.placement.allocations.rules import Level, Place, refusal
from pileus.services.placement.allocations.store import Allocation, Consumer
from pileus.services.placement.inventories import service as inventories
from pileus.services.placement.resource_classes import service as resource_classes
from pileus.services.placement.resource_providers import service as providers
from pileus.services.placement.resource_providers.service import Provider

__all__ = [
    "Allocation",
    "Claim",
    "Consumer",
    "consumers_of",
    "count_by",
    "delete",
    "find",
    "hold",
    "move",
    "of_consumer",
    "of_consumers",
    "of_provider",
    "release",
    "replace",
    "used",
    "used_by",
]

KIND = "placement.allocations"

Resources = Mapping[str, Mapping[str, int]]
"""How much, by provider and class."""

of_provider = store.of_provider
of_consumers = store.of_consumers
consumers_of = store.consumers_of
used = store.used
used_by = store.used_by
count_by = store.count_by


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer shall use from now on, instead of what it used; nothing: it is none any more.

    `generation`: what the caller believes; None: that there is no such consumer yet; UNSET: does not matter.
    """

    resources: Resources
    project_id: str
    user_id: str
    consumer_type: str | None = None  # None: as it is
    generation: int | UnsetType | None = UNSET


async def find(ctx: Ctx, consumer_id: str) -> Consumer | None:
    return (await store.by_ids(ctx, [consumer_id])).get(consumer_id)


async def of_consumer(ctx: Ctx, consumer_id: str) -> list[Allocation]:
    """What it uses, in the order of providers and classes."""
    return await store.of_consumers(ctx, [consumer_id])


def wanted_of(claims: Mapping[str, Claim]) -> set[str]:
    """The providers that are claimed of."""
    return {provider_id for claim in claims.values() for provider_id in claim.resources}


async def hold(ctx: Ctx, claims: Mapping[str, Claim], also: Iterable[str] = ()) -> list[Allocation]:
    """Hold others off who decide on these consumers, on the providers they use or claim of, and on those beside.

    Returns what the consumers use. For who will `replace` and has to do with providers besides.
    """
    await _hold(ctx, claims)
    before = await store.of_consumers(ctx, claims)
    await providers.hold(ctx, wanted_of(claims) | {row.provider_id for row in before} | set(also))
    return before


async def replace(ctx: Ctx, claims: Mapping[str, Claim]) -> None:
    """Let each consumer use what it claims instead of what it used: all of them, or none.

    Raises BadRequest for a provider or class that there is not; Conflict when a generation is another, or when a provider
    has not got it.
    """
    async with ctx.transaction() as ctx:
        before = await hold(ctx, claims)
        known = await store.by_ids(ctx, claims)
        for consumer_id, claim in claims.items():
            _check_generation(known.get(consumer_id), claim)
        wanted = wanted_of(claims)
        if unknown := sorted(wanted - (await providers.by_ids(ctx, sorted(wanted))).keys()):
            raise BadRequest(f"Allocation for resource provider '{', '.join(unknown)}' that does not exist.")
        await _check_room(ctx, claims, wanted, before)
        await _write(ctx, claims, known)
        ending = {each.consumer_id for each in before if not claims[each.consumer_id].resources}
        seen = wanted | {row.provider_id for row in before if row.consumer_id in ending}
        await providers.renew(ctx, seen)
        await providers.renew(ctx, {row.provider_id for row in before} - seen, steps=0)


async def move(ctx: Ctx, consumer_id: str, to_id: str, *, consumer_type: str) -> None:
    """Let another consumer, which is new, have what this one uses. Raises NotFound, Conflict."""
    async with ctx.transaction() as ctx:
        await _hold(ctx, [consumer_id, to_id])
        consumer = await find(ctx, consumer_id)
        if consumer is None:
            raise _unused(consumer_id)
        held: dict[str, dict[str, int]] = {}
        for row in await of_consumer(ctx, consumer_id):
            held.setdefault(row.provider_id, {})[row.resource_class] = row.used
        leaving = Claim(resources={}, project_id=consumer.project_id, user_id=consumer.user_id)
        taking = msgspec.structs.replace(leaving, resources=held, consumer_type=consumer_type, generation=None)
        await replace(ctx, {consumer_id: leaving, to_id: taking})


async def release(ctx: Ctx, consumer_ids: Collection[str]) -> bool:
    """Free all that these use. Returns whether it was anything: may be repeated."""
    async with ctx.transaction() as ctx:
        await _hold(ctx, consumer_ids)
        before = await store.of_consumers(ctx, consumer_ids)
        if before:
            losing = {row.provider_id for row in before}
            await providers.hold(ctx, losing)
            await store.remove(ctx, consumer_ids)
            await providers.renew(ctx, losing, steps=0)
            for consumer_id in sorted({row.consumer_id for row in before}):
                await changed(ctx, KIND, "deleted", consumer_id, project_id=None)
    return bool(before)


def _unused(consumer_id: str) -> NotFound:
    return NotFound(f"No allocations for consumer '{consumer_id}'")


async def delete(ctx: Ctx, consumer_id: str) -> None:
    """Free all that it uses. Raises NotFound when that is nothing."""
    if not await release(ctx, [consumer_id]):
        raise _unused(consumer_id)


async def _hold(ctx: Ctx, consumer_ids: Iterable[str]) -> None:
    for consumer_id in sorted(set(consumer_ids)):
        await ctx.lock("consumer", consumer_id)


def _check_generation(consumer: Consumer | None, claim: Claim) -> None:
    actual = None if consumer is None else consumer.generation
    if claim.generation is not UNSET and claim.generation != actual:
        raise providers.conflict(
            f"consumer generation conflict - expected {said(actual)} but got {said(claim.generation)}"
        )


def said(generation: int | UnsetType | None) -> str:
    return "null" if generation is None else str(generation)


async def _check_room(ctx: Ctx, claims: Mapping[str, Claim], wanted: set[str], before: Collection[Allocation]) -> None:
    """Raises BadRequest for a class that there is not, Conflict when there is not so much left."""
    portions = [
        (Place(provider_id, name), amount)
        for claim in claims.values()
        for provider_id, amounts in claim.resources.items()
        for name, amount in amounts.items()
    ]
    if unknown := await resource_classes.missing(ctx, {place.resource_class for place, _ in portions}):
        raise BadRequest(f"Unable to allocate inventory: No such resource class {', '.join(unknown)}.")
    others = {Place(row[0], row[1]): row[2] for row in await store.used(ctx, wanted, without=claims.keys())}
    own: dict[Place, int] = {}
    for row in before:
        place = Place(row.provider_id, row.resource_class)
        own[place] = own.get(place, 0) + row.used
    levels = {
        (place := Place(row[0], row[1])): Level(inventories.inventory(row), others.get(place, 0), own.get(place, 0))
        for row in await inventories.rows(ctx, wanted)
    }
    if why := refusal(portions, levels):
        raise Conflict(f"Unable to allocate inventory: {why}")


async def _write(ctx: Ctx, claims: Mapping[str, Claim], known: Mapping[str, Consumer]) -> None:
    await store.clear(ctx, known)
    rows = []
    for consumer_id, claim in claims.items():
        old = known.get(consumer_id)
        if not claim.resources:
            continue
        kept_type = old.consumer_type if old is not None else None
        generation = old.generation + 1 if old is not None else 1
        consumer = Consumer(consumer_id, claim.project_id, claim.user_id, claim.consumer_type or kept_type, generation)
        await store.save(ctx, consumer, new=old is None)
        await changed(ctx, KIND, "created" if old is None else "updated", consumer_id, project_id=None)
        rows += [
            Allocation(consumer_id, provider_id, name, amount, ctx.now())
            for provider_id, amounts in claim.resources.items()
            for name, amount in amounts.items()
        ]
    if rows:
        await store.add(ctx, rows)
    if ended := [each for each in known if not claims[each].resources]:
        await store.remove(ctx, ended)
        for consumer_id in ended:
            await changed(ctx, KIND, "deleted", consumer_id, project_id=None)


@providers.on_delete
async def keep_providers_in_use(ctx: Ctx, provider: Provider) -> None:
    if await store.used(ctx, [provider.id]):
        raise Conflict(
            f"Unable to delete resource provider {provider.id}: Resource provider has allocations.",
            code="placement.resource_provider.inuse",
        )


@inventories.on_remove
async def classes_in_use(ctx: Ctx, provider_id: str, names: Collection[str]) -> list[str]:
    return [row[1] for row in await store.used(ctx, [provider_id]) if row[1] in names]
