"""Which providers could serve a request together. Pure.

A request is made of groups. What the group without a suffix asks for may come from several providers of a tree, and from
those that share with it; a group with a suffix is served by one provider alone. So there are *slots*, one for each class of
the group without suffix and one for each other group, and a candidate is a choice of one provider for each slot, all of one
*anchor*: the root of a tree, for which its own providers may be chosen, and those that share with it.

The search goes through anchors in turn, one candidate of each, then the next of each, and stops at the limit; a branch that
cannot fit any more is left at once. However a request is made, it looks at no more than STEPS choices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import msgspec

from pileus.services.placement.traits.service import SHARES

STEPS = 200_000

NO_NAMES: frozenset[str] = frozenset()


class Level(msgspec.Struct, frozen=True, gc=False):
    """How much there is to give, and how much is given."""

    capacity: int
    used: int


class Room(msgspec.Struct, frozen=True, gc=False):
    """How much is left of a class, and in which portions."""

    free: int
    min_unit: int = 1
    max_unit: int = 1 << 31
    step_size: int = 1

    def takes(self, amount: int) -> bool:
        """Whether there is so much left, in one portion."""
        return self.min_unit <= amount <= self.max_unit and amount <= self.free and amount % self.step_size == 0

    def takes_in_all(self, amount: int) -> bool:
        """Whether several portions fit that make so much together."""
        return amount <= self.free and amount <= self.max_unit


class Summary(msgspec.Struct, frozen=True):
    """What an answer says of a provider."""

    resources: Mapping[str, Level]
    traits: Sequence[str]
    parent_provider_uuid: str | None
    root_provider_uuid: str


class Offer(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """All that counts of a provider."""

    id: str
    root_id: str
    parent_id: str | None = None
    traits: frozenset[str] = NO_NAMES
    aggregates: frozenset[str] = NO_NAMES
    rooms: Mapping[str, Room] = {}
    levels: Mapping[str, Level] = {}  # of the same classes, and
    trait_names: Sequence[str] = ()  # the same traits, in order: as they are shown

    @cached_property
    def summary(self) -> bytes:
        """What answers say of it, after its id: JSON that is written once, and there are answers with a thousand of them."""
        said = Summary(self.levels, self.trait_names, self.parent_id, self.root_id)
        return b"%b:%b" % (msgspec.json.encode(self.id), msgspec.json.encode(said))


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for together. Of each set in `required` and `member_of` one is wanted, of `forbidden` ones none."""

    resources: Mapping[str, int] = {}
    required: tuple[frozenset[str], ...] = ()
    forbidden: frozenset[str] = NO_NAMES
    member_of: tuple[frozenset[str], ...] = ()
    not_member_of: frozenset[str] = NO_NAMES
    in_tree: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`groups` by their suffixes; "" may be among them. `isolate`: each group with a suffix has a provider of its own.
    `same_subtree`: of the providers of these groups one is above all others. `root_required` and `root_forbidden` are of
    anchors. Without `trees` no two providers of one tree serve together, as before 1.29."""

    groups: Mapping[str, Group]
    limit: int | None = None
    isolate: bool = False
    root_required: frozenset[str] = NO_NAMES
    root_forbidden: frozenset[str] = NO_NAMES
    same_subtree: tuple[frozenset[str], ...] = ()
    trees: bool = True


class Candidate(NamedTuple):
    """How much of whom, by provider and class; and who serves which group."""

    resources: Mapping[str, Mapping[str, int]]
    mappings: Mapping[str, Sequence[str]]


def alone(provider_id: str, resources: Mapping[str, int]) -> Candidate:
    """One provider for all that the group without suffix asks for."""
    return Candidate({provider_id: resources}, {"": [provider_id]})


class Slot(NamedTuple):
    """What one provider is to be chosen for. `plain`: nothing is asked for but resources."""

    suffix: str
    resources: Mapping[str, int]
    group: Group
    plain: bool


def has_traits(traits: frozenset[str], group: Group) -> bool:
    return not group.required or all(not any_of.isdisjoint(traits) for any_of in group.required)


def is_member(offer: Offer, group: Group) -> bool:
    return not group.member_of or all(not any_of.isdisjoint(offer.aggregates) for any_of in group.member_of)


def is_in_place(offer: Offer, root: Offer, group: Group) -> bool:
    """Whether the provider or its root is in the aggregates that are asked for, and neither in those that are not."""
    outside = group.not_member_of.isdisjoint(offer.aggregates) and group.not_member_of.isdisjoint(root.aggregates)
    return outside and (is_member(offer, group) or is_member(root, group))


def serves(offer: Offer, group: Group) -> bool:
    """Whether this provider alone has all that the group asks for, wherever it is."""
    return (
        has_room(offer, group.resources)
        and has_traits(offer.traits, group)
        and group.forbidden.isdisjoint(offer.traits)
        and is_member(offer, group)
        and group.not_member_of.isdisjoint(offer.aggregates)
    )


def has_room(offer: Offer, resources: Mapping[str, int]) -> bool:
    for name, amount in resources.items():
        room = offer.rooms.get(name)
        if room is None or not room.takes(amount):
            return False
    return True


class Forest:
    """All the offers there are, by the trees that they make, and who shares with which."""

    def __init__(self, offers: Mapping[str, Offer]) -> None:
        self.offers = offers
        self.trees: dict[str, list[Offer]] = {}  # by their roots
        for offer in offers.values():
            self.trees.setdefault(offer.root_id, []).append(offer)
        self.shared = self._shared_with()
        self.single = not self.shared and len(self.trees) == len(offers)  # each is a tree of its own, and nothing else

    def _shared_with(self) -> dict[str, list[Offer]]:
        """For each root: the providers of other trees that share with its tree."""
        sharing = [offer for offer in self.offers.values() if SHARES in offer.traits and offer.aggregates]
        shared: dict[str, list[Offer]] = {}
        for root_id, tree in self.trees.items() if sharing else ():
            aggregates = NO_NAMES.union(*(offer.aggregates for offer in tree))
            near = [each for each in sharing if each.root_id != root_id and not aggregates.isdisjoint(each.aggregates)]
            if near:
                shared[root_id] = near
        return shared


class Search:
    """One request over a forest."""

    def __init__(self, forest: Forest, request: Request) -> None:
        self.offers, self.request = forest.offers, request
        self.steps = 0
        self._trees, self._shared = forest.trees, forest.shared
        self._slots = list(slots_of(request))
        self._alone = request.groups[""] if request.groups.keys() == {""} else None
        self._any_root = not request.root_required and not request.root_forbidden
        self._single = forest.single and self._any_root

    def singles(self) -> list[Offer] | None:
        """Where each provider serves alone or not at all: those that can, at most as many as the limit says."""
        group = self._alone
        if group is None or not self._single:
            return None
        found = [*self.offers.values()]
        for name, amount in group.resources.items():
            found = [each for each in found if (room := each.rooms.get(name)) is not None and room.takes(amount)]
        if group != Group(resources=group.resources):
            found = [each for each in found if serves(each, group) and group.in_tree in (None, each.id)]
        return found[: self.request.limit]

    def candidates(self) -> list[Candidate]:
        """At most as many as the limit says."""
        return list(islice(self._distinct(), self.request.limit))

    def _distinct(self) -> Iterator[Candidate]:
        """What is shared is found for each that it is shared with: it is told once."""
        found = in_turns(self._ways(self.offers[root_id], tree) for root_id, tree in self._trees.items())
        if not self._shared:
            yield from found
            return
        seen = set()
        for candidate in found:
            key = repr(candidate)
            if key not in seen:
                seen.add(key)
                yield candidate

    # who may be chosen

    def _ways(self, root: Offer, tree: list[Offer]) -> Iterator[Candidate]:
        """All ways to choose one of each, for this anchor."""
        if not (self._any_root or self._is_anchor(root.traits)):
            return
        shared = self._shared.get(root.id)
        if self._alone is not None and len(tree) == 1 and not shared:
            if serves(root, self._alone) and self._alone.in_tree in (None, root.id):
                yield alone(root.id, self._alone.resources)
            return
        within = [*tree, *shared] if shared else tree
        choices: list[list[Offer]] = []
        for slot in self._slots:
            fitting = [offer for offer in within if has_room(offer, slot.resources)]
            if not slot.plain:
                fitting = [offer for offer in fitting if self._may_fill(offer, slot, root)]
            if not fitting:
                return
            choices.append(fitting)
        yield from self._choose(choices, [], {})

    def _is_anchor(self, traits: frozenset[str]) -> bool:
        return self.request.root_required <= traits and self.request.root_forbidden.isdisjoint(traits)

    def _may_fill(self, offer: Offer, slot: Slot, root: Offer) -> bool:
        """Whether one that has the room may be chosen for this anchor.

        For the group without suffix, what is said of the aggregates of a root is said of its whole tree, and where a tree
        is asked for, nothing else is shared with it.
        """
        group = slot.group
        if group.in_tree is not None:
            wanted = self.offers.get(group.in_tree)
            if wanted is None or offer.root_id != wanted.root_id:
                return False
        if slot.suffix:
            return serves(offer, group)
        is_shared = offer.root_id != root.id
        if is_shared and (group.in_tree is not None or not is_member(offer, group)):
            return False
        return group.forbidden.isdisjoint(offer.traits) and is_in_place(offer, root, group)

    # choosing

    def _choose(
        self, choices: Sequence[Sequence[Offer]], chosen: list[Offer], taken: dict[tuple[str, str], int]
    ) -> Iterator[Candidate]:
        place = len(chosen)
        if place == len(choices):
            if self._is_whole(chosen):
                yield self._candidate(chosen)
            return
        resources = self._slots[place].resources
        for offer in choices[place]:
            self.steps += 1
            if self.steps > STEPS:
                return
            if not self._goes_with(offer, place, chosen):
                continue
            if take(offer, resources, taken):
                chosen.append(offer)
                yield from self._choose(choices, chosen, taken)
                chosen.pop()
            give_back(offer, resources, taken)

    def _goes_with(self, offer: Offer, place: int, chosen: Sequence[Offer]) -> bool:
        if self.request.isolate and self._slots[place].suffix:
            alone = (o for o, slot in zip(chosen, self._slots, strict=False) if slot.suffix)
            if any(other is offer for other in alone):
                return False
        if not self.request.trees:
            return all(other is offer or other.root_id != offer.root_id for other in chosen)
        return True

    def _is_whole(self, chosen: Sequence[Offer]) -> bool:
        """What only all together have: the traits of the group without suffix, and the subtrees."""
        group = self.request.groups.get("")
        if group is not None and group.required:
            together = [o.traits for o, slot in zip(chosen, self._slots, strict=True) if not slot.suffix]
            if not has_traits(NO_NAMES.union(*together), group):
                return False
        for suffixes in self.request.same_subtree:
            members = {o.id for o, slot in zip(chosen, self._slots, strict=True) if slot.suffix in suffixes}
            if not self._is_subtree(members):
                return False
        return True

    def _is_subtree(self, members: set[str]) -> bool:
        """Whether one of them is above all others."""
        return any(all(self._is_below(each, top) for each in members) for top in members)

    def _is_below(self, provider_id: str | None, top: str) -> bool:
        while provider_id is not None and provider_id != top:
            provider_id = self.offers[provider_id].parent_id
        return provider_id is not None

    def _candidate(self, chosen: Sequence[Offer]) -> Candidate:
        resources: dict[str, dict[str, int]] = {}
        mappings: dict[str, list[str]] = {}
        for offer, slot in zip(chosen, self._slots, strict=True):
            of_group = mappings.setdefault(slot.suffix, [])
            if offer.id not in of_group:
                of_group.append(offer.id)
            if slot.resources:
                amounts = resources.setdefault(offer.id, {})
                for name, amount in slot.resources.items():
                    amounts[name] = amounts.get(name, 0) + amount
        return Candidate(resources, mappings)


def take(offer: Offer, resources: Mapping[str, int], taken: dict[tuple[str, str], int]) -> bool:
    """Add it to what is taken already. Returns whether it fits."""
    fits = True
    for name, amount in resources.items():
        place = offer.id, name
        taken[place] = taken.get(place, 0) + amount
        fits = fits and offer.rooms[name].takes_in_all(taken[place])
    return fits


def give_back(offer: Offer, resources: Mapping[str, int], taken: dict[tuple[str, str], int]) -> None:
    for name, amount in resources.items():
        taken[offer.id, name] -= amount


def slots_of(request: Request) -> Iterator[Slot]:
    for suffix, group in request.groups.items():
        plain = group == Group(resources=group.resources) or (not suffix and group == bare(group))
        if suffix:
            yield Slot(suffix, group.resources, group, plain)
        else:
            yield from (Slot("", {name: amount}, group, plain) for name, amount in group.resources.items())


def bare(group: Group) -> Group:
    """But for traits that may be on any of several providers: those are looked at when all are chosen."""
    return Group(resources=group.resources, required=group.required)


def in_turns(sources: Iterable[Iterator[Candidate]]) -> Iterator[Candidate]:
    """The first of each, then the second of each, until all have ended."""
    while True:
        going = []
        for source in sources:
            found = next(source, None)
            if found is not None:
                yield found
                going.append(source)
        if not going:
            return
        sources = going
