"""Who could serve a request, compared with a search that tries everything."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pileus.services.placement.allocation_candidates import rules
from pileus.services.placement.allocation_candidates.rules import (
    Candidate,
    Forest,
    Group,
    Level,
    Offer,
    Request,
    Room,
    Search,
)
from pileus.services.placement.traits.service import SHARES

CLASSES, TRAITS, AGGREGATES = ("VCPU", "DISK_GB"), ("AVX", "SSE", SHARES), ("a", "b")
SUFFIXES = ("", "1", "2")

rooms = st.builds(Room, st.integers(0, 6), st.integers(1, 2), st.integers(2, 5), st.sampled_from([1, 1, 2]))
names = st.frozensets(st.sampled_from(TRAITS), max_size=3)
members = st.frozensets(st.sampled_from(AGGREGATES), max_size=2)
any_of = st.frozensets(st.sampled_from(TRAITS[:2]), min_size=1)
any_in = st.frozensets(st.sampled_from(AGGREGATES), min_size=1)
amounts = st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 3), min_size=1)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Offer]:
    """Up to 5 providers in trees."""
    offers: dict[str, Offer] = {}
    for number in range(draw(st.integers(1, 5))):
        parent = draw(st.none() | st.sampled_from(sorted(offers))) if offers else None
        offers[f"p{number}"] = Offer(
            id=f"p{number}",
            root_id=offers[parent].root_id if parent else f"p{number}",
            parent_id=parent,
            traits=draw(names),
            aggregates=draw(members),
            rooms=draw(st.dictionaries(st.sampled_from(CLASSES), rooms)),
        )
    return offers


@st.composite
def groups(draw: st.DrawFn) -> Group:
    return Group(
        resources=draw(amounts),
        required=tuple(draw(st.lists(any_of, max_size=1))),
        forbidden=draw(st.just(frozenset[str]()) | st.frozensets(st.sampled_from(TRAITS[:2]), max_size=1)),
        member_of=tuple(draw(st.lists(any_in, max_size=1))),
        not_member_of=draw(st.just(frozenset[str]()) | st.frozensets(st.sampled_from(AGGREGATES), max_size=1)),
        in_tree=draw(st.none() | st.none() | st.sampled_from(["p0", "p1", "p9"])),
    )


@st.composite
def requests(draw: st.DrawFn) -> Request:
    suffixes = draw(st.lists(st.sampled_from(SUFFIXES), min_size=1, unique=True))
    alone = frozenset(suffixes) - {""}
    return Request(
        groups={suffix: draw(groups()) for suffix in suffixes},
        isolate=draw(st.booleans()),
        root_required=draw(st.just(frozenset[str]()) | names),
        root_forbidden=draw(st.just(frozenset[str]()) | names),
        same_subtree=(alone,) if len(alone) > 1 and draw(st.booleans()) else (),
        trees=draw(st.booleans()),
    )


# trying everything


def everything(offers: dict[str, Offer], request: Request) -> Iterator[Candidate]:
    """Every choice of providers for every anchor that the words of the API allow."""
    slots = [
        (suffix, {name: amount})
        for suffix, group in request.groups.items()
        if not suffix
        for name, amount in group.resources.items()
    ]
    slots += [(suffix, dict(group.resources)) for suffix, group in request.groups.items() if suffix]
    for root in (offer for offer in offers.values() if offer.id == offer.root_id):
        if not request.root_required <= root.traits or request.root_forbidden & root.traits:
            continue
        near = [offer for offer in offers.values() if offer.root_id == root.id or shares(offers, offer, root)]
        for chosen in product(near, repeat=len(slots)):
            pairs = list(zip(chosen, slots, strict=True))
            if all(fits(offer, slot, offers, request, root) for offer, slot in pairs) and together(
                pairs, offers, request
            ):
                yield made(pairs)


def shares(offers: dict[str, Offer], offer: Offer, root: Offer) -> bool:
    tree = [each for each in offers.values() if each.root_id == root.id]
    return SHARES in offer.traits and any(each.aggregates & offer.aggregates for each in tree)


def fits(
    offer: Offer, slot: tuple[str, dict[str, int]], offers: dict[str, Offer], request: Request, root: Offer
) -> bool:
    suffix, resources = slot
    group = request.groups[suffix]
    for name, amount in resources.items():
        room = offer.rooms.get(name)
        if room is None or amount > room.free or not room.min_unit <= amount <= room.max_unit:
            return False
        if amount % room.step_size:
            return False
    if group.forbidden & offer.traits:
        return False
    if group.in_tree is not None:
        tree = offers.get(group.in_tree)
        if tree is None or offer.root_id != tree.root_id or (not suffix and root.id != tree.root_id):
            return False
    inside = all(some & offer.aggregates for some in group.member_of)
    outside = not group.not_member_of & offer.aggregates
    if suffix:
        return inside and outside and all(some & offer.traits for some in group.required)
    if offer.root_id == root.id:
        inside = inside or all(some & root.aggregates for some in group.member_of)
    return inside and outside and not group.not_member_of & root.aggregates


Pairs = list[tuple[Offer, tuple[str, dict[str, int]]]]


def together(pairs: Pairs, offers: dict[str, Offer], request: Request) -> bool:
    taken: dict[tuple[str, str], int] = {}
    for offer, (_, resources) in pairs:
        for name, amount in resources.items():
            taken[offer.id, name] = taken.get((offer.id, name), 0) + amount
    for (provider_id, name), amount in taken.items():
        room = offers[provider_id].rooms[name]
        if amount > room.free or amount > room.max_unit:
            return False
    loose = frozenset[str]().union(*(offer.traits for offer, (suffix, _) in pairs if not suffix))
    if "" in request.groups and not all(some & loose for some in request.groups[""].required):
        return False
    alone = [offer.id for offer, (suffix, _) in pairs if suffix]
    if request.isolate and len(set(alone)) < len(alone):
        return False
    roots = {offer.id: offer.root_id for offer, _ in pairs}
    if not request.trees and len(set(roots.values())) < len(roots):
        return False
    for suffixes in request.same_subtree:
        ids = {offer.id for offer, (suffix, _) in pairs if suffix in suffixes}
        if not any(all(top in above(offers, each) for each in ids) for top in ids):
            return False
    return True


def above(offers: dict[str, Offer], provider_id: str | None) -> list[str]:
    return [] if provider_id is None else [provider_id, *above(offers, offers[provider_id].parent_id)]


def made(pairs: Pairs) -> Candidate:
    resources: dict[str, dict[str, int]] = {}
    mappings: dict[str, list[str]] = {}
    for offer, (suffix, wanted) in pairs:
        mappings.setdefault(suffix, []).append(offer.id)
        for name, amount in wanted.items():
            mine = resources.setdefault(offer.id, {})
            mine[name] = mine.get(name, 0) + amount
    return Candidate(resources, mappings)


def key(candidate: Candidate) -> tuple[object, ...]:
    resources = frozenset((p, frozenset(amounts.items())) for p, amounts in candidate.resources.items())
    return resources, frozenset((suffix, frozenset(ids)) for suffix, ids in candidate.mappings.items())


@settings(deadline=None, max_examples=200)
@given(offers=worlds(), request=requests())
def test_it_finds_all_that_there_is_and_each_once(offers: dict[str, Offer], request: Request) -> None:
    found = [key(each) for each in Search(Forest(offers), request).candidates()]
    assert set(found) == {key(each) for each in everything(offers, request)}
    assert len(found) == len(set(found))


@settings(deadline=None, max_examples=100)
@given(offers=worlds(), group=groups(), limit=st.integers(1, 4))
def test_who_serves_alone_is_told_as_the_search_tells_it(offers: dict[str, Offer], group: Group, limit: int) -> None:
    """Of providers that are each a tree, and do not share."""
    apart = {
        each.id: msgspec.structs.replace(each, root_id=each.id, parent_id=None, traits=each.traits - {SHARES})
        for each in offers.values()
    }
    search = Search(Forest(apart), Request(groups={"": group}, limit=limit))
    singles = search.singles()
    assert singles is not None
    assert [rules.alone(each.id, group.resources) for each in singles] == search.candidates()


def test_nobody_serves_alone_where_there_are_trees_or_others_share() -> None:
    request = Request(groups={"": Group(resources={"VGPU": 1})})
    assert Search(Forest(one_of_each(2)), request).singles() is None
    near = {id_: Offer(id=id_, root_id=id_, traits=frozenset({SHARES}), aggregates=frozenset("a")) for id_ in "pq"}
    assert Search(Forest(near), request).singles() is None


@settings(deadline=None, max_examples=50)
@given(offers=worlds(), request=requests(), limit=st.integers(1, 4))
def test_a_limit_cuts_off_what_comes_later(offers: dict[str, Offer], request: Request, limit: int) -> None:
    whole = Search(Forest(offers), request).candidates()
    cut = Request(
        **{name: getattr(request, name) for name in Request.__struct_fields__ if name != "limit"}, limit=limit
    )
    assert Search(Forest(offers), cut).candidates() == whole[:limit]


def one_of_each(count: int) -> dict[str, Offer]:
    """A root without anything, and so many below with room for one."""
    below = [Offer(id=f"g{n}", root_id="root", parent_id="root", rooms={"VGPU": Room(1)}) for n in range(count)]
    return {offer.id: offer for offer in (Offer(id="root", root_id="root"), *below)}


def test_candidates_are_of_all_trees_in_turn() -> None:
    offers: dict[str, Offer] = {}
    for host in ("a", "b"):
        offers[host] = Offer(id=host, root_id=host)
        for n in range(3):
            offers[f"{host}{n}"] = Offer(id=f"{host}{n}", root_id=host, parent_id=host, rooms={"VGPU": Room(1)})
    request = Request(groups={"": Group(resources={"VGPU": 1})}, limit=4)
    assert [next(iter(each.resources)) for each in Search(Forest(offers), request).candidates()] == [
        "a0",
        "b0",
        "a1",
        "b1",
    ]


def test_a_search_ends_however_many_ways_there_are() -> None:
    """14 groups among 13: 13! dead ends."""
    request = Request(groups={str(n): Group(resources={"VGPU": 1}) for n in range(14)}, limit=1)
    search = Search(Forest(one_of_each(13)), request)
    assert search.candidates() == []
    assert rules.STEPS < search.steps < rules.STEPS + 100


def test_levels_and_rooms_are_of_one_inventory() -> None:
    room = Room(free=3, min_unit=2, max_unit=4, step_size=2)
    assert [amount for amount in range(6) if room.takes(amount)] == [2]
    assert [amount for amount in range(6) if room.takes_in_all(amount)] == [0, 1, 2, 3]
    assert Level(4, 1) == Level(capacity=4, used=1)
