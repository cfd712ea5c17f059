"""Who could serve a request: what the rest of Placement, and the services above, may ask for.

    found = await find(ctx, Request(groups={"": Group(resources={"VCPU": 2, "MEMORY_MB": 2048})}, limit=100))

A process remembers of each provider what counts, under the edition of which it is: one look tells whether any has changed,
and only that is read again. What is found is a proposal; `allocations.service.replace` decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.services.placement.aggregates import service as aggregates
from pileus.services.placement.allocation_candidates.rules import (
    NO_NAMES,
    Candidate,
    Forest,
    Group,
    Level,
    Offer,
    Request,
    Room,
    Search,
    alone,
    serves,
)
from pileus.services.placement.allocations import service as allocations
from pileus.services.placement.inventories import service as inventories
from pileus.services.placement.resource_classes import service as resource_classes
from pileus.services.placement.resource_providers import service as providers
from pileus.services.placement.resource_providers.service import Provider
from pileus.services.placement.traits import service as traits

__all__ = ["Candidate", "Found", "Group", "Level", "Offer", "Request", "alone", "find", "offers", "those_with"]

FEW = 500
"""Of more than so many providers everything is read again, without naming them."""


class Found(msgspec.Struct, frozen=True):
    """All that is known of the providers in the candidates and in their trees; and the candidates, unless they are each of
    these alone."""

    request: Request
    offers: list[Offer]
    chosen: list[Candidate] | None = None

    @property
    def candidates(self) -> list[Candidate]:
        if self.chosen is not None:
            return self.chosen
        return [alone(each.id, self.request.groups[""].resources) for each in self.offers]


class Remembered(msgspec.Struct):
    """Each provider as it was at an edition, and all of them as they were at the `edition` of all."""

    offers: dict[str, tuple[str, Offer]] = {}
    edition: str = ""
    known: dict[str, Offer] = {}
    forest: Forest = Forest({})


async def find(ctx: Ctx, request: Request) -> Found:
    """Raises BadRequest for a class or a trait that there is not."""
    async with ctx.read() as ctx:
        await _check_names(ctx, request.groups.values(), request.root_required | request.root_forbidden)
        known = await offers(ctx)
    search = Search(_forest(ctx, known), request)
    singles = search.singles()
    if singles is not None:
        return Found(request, singles)
    candidates = search.candidates()
    used = {each for candidate in candidates for each in candidate.resources}
    if not request.trees:
        return Found(request, [known[each] for each in known if each in used], candidates)
    roots = {known[each].root_id for each in used}
    return Found(request, [offer for offer in known.values() if offer.root_id in roots], candidates)


def _forest(ctx: Ctx, known: dict[str, Offer]) -> Forest:
    remembered: Remembered = ctx.world.memory[Remembered]
    if remembered.forest.offers is not known:
        remembered.forest = Forest(known)
    return remembered.forest


async def those_with(ctx: Ctx, columns: Mapping[str, str], group: Group) -> list[Provider]:
    """The providers with these columns that each have all that the group asks for, in the order of their ids.

    Raises BadRequest for a class or a trait that there is not.
    """
    async with ctx.read() as ctx:
        await _check_names(ctx, [group], NO_NAMES)
        if group.in_tree is not None:
            tree = (await providers.by_ids(ctx, [group.in_tree])).get(group.in_tree)
            if tree is None:
                return []
            columns = {**columns, "root_id": tree.root_id}
        found = await providers.list_(ctx, columns)
        if group == Group(in_tree=group.in_tree):
            return found
        known = await offers(ctx)
    return [each for each in found if each.id in known and serves(known[each.id], group)]


async def _check_names(ctx: Ctx, groups: Collection[Group], more: frozenset[str]) -> None:
    classes = {name for group in groups for name in group.resources}
    if unknown := await resource_classes.missing(ctx, classes):
        raise BadRequest(f"Invalid resource class in resources parameter: No such resource class {', '.join(unknown)}.")
    named = more.union(*(group.forbidden.union(*group.required) for group in groups))
    if unknown := await traits.missing(ctx, named):
        raise BadRequest(f'Invalid trait(s) in "required" parameter: No such trait(s): {", ".join(unknown)}.')


async def offers(ctx: Ctx) -> dict[str, Offer]:
    """What every provider has and gives away now, in the order of their ids."""
    async with ctx.read() as ctx:
        said = await providers.edition(ctx)
        remembered: Remembered = ctx.world.memory.setdefault(Remembered, Remembered())
        if said == remembered.edition:
            return remembered.known
        editions = await providers.editions(ctx)  # may be newer: then what was said will not be said again
        kept = remembered.offers
        changed = {id_: edition for id_, edition in editions.items() if kept.get(id_, ("",))[0] != edition}
        fresh = await _read(ctx, changed) if changed else {}
    kept.update({id_: (changed[id_], offer) for id_, offer in fresh.items()})
    for gone in kept.keys() - editions.keys():
        del kept[gone]
    known = {id_: kept[id_][1] for id_ in editions if id_ in kept}
    if len(known) == len(editions):  # else one has gone since its edition was read
        remembered.edition, remembered.known = said, known
    return known


async def _read(ctx: Ctx, ids: Collection[str]) -> dict[str, Offer]:
    """What these providers have, as it is now. The editions were read before: what is newer is read again next time."""
    which = None if len(ids) > FEW else ids
    said: dict[str, list[str]] = {}
    for row in await traits.rows(ctx, which):
        said.setdefault(row[0], []).append(row[1])
    member: dict[str, list[str]] = {}
    for row in await aggregates.rows(ctx, which):
        member.setdefault(row[0], []).append(row[1])
    used = {(row[0], row[1]): row[2] for row in await allocations.used(ctx, which)}
    rooms: dict[str, dict[str, Room]] = {}
    levels: dict[str, dict[str, Level]] = {}
    for row in await inventories.rows(ctx, which):
        has, taken = inventories.inventory(row), used.get((row[0], row[1]), 0)
        rooms.setdefault(row[0], {})[row[1]] = Room(has.capacity - taken, has.min_unit, has.max_unit, has.step_size)
        levels.setdefault(row[0], {})[row[1]] = Level(has.capacity, taken)
    return {
        each.id: Offer(
            id=each.id,
            root_id=each.root_id,
            parent_id=each.parent_id,
            traits=frozenset(said.get(each.id, ())),
            aggregates=frozenset(member.get(each.id, ())),
            rooms=rooms.get(each.id, {}),
            levels=levels.get(each.id, {}),
            trait_names=said.get(each.id, []),
        )
        for each in await providers.some(ctx, which)
        if each.id in ids
    }
