"""/allocation_candidates, and the list of providers: who could serve a request."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.placement import Placement, error

SHARES = "MISC_SHARES_VIA_AGGREGATE"
A, B, C = (f"00000000-0000-0000-0000-00000000000{digit}" for digit in "abc")
AVX, SSE, SSD = "HW_CPU_X86_AVX", "HW_CPU_X86_SSE", "STORAGE_DISK_SSD"

Way = dict[str, dict[str, int]]


async def candidates(placement: Placement, query: str) -> dict[str, Any]:
    answer = await placement.get(f"/allocation_candidates?{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def ways(placement: Placement, query: str) -> list[Way]:
    """What each candidate takes, by provider and class; in an order of its own."""
    found = [
        {each: amounts["resources"] for each, amounts in request["allocations"].items()}
        for request in (await candidates(placement, query))["allocation_requests"]
    ]
    return same(*found)


def same(*wanted: Way) -> list[Way]:
    return sorted(wanted, key=lambda way: sorted((each, sorted(amounts.items())) for each, amounts in way.items()))


async def listed(placement: Placement, query: str) -> set[str]:
    answer = await placement.get(f"/resource_providers?{query}")
    assert answer.status_code == 200, answer.text
    return {each["uuid"] for each in answer.json()["resource_providers"]}


async def test_a_candidate_as_it_is_shown_at_each_microversion(placement: Placement) -> None:
    host = await placement.provider(
        VCPU={"total": 8, "reserved": 1, "allocation_ratio": 1.5}, MEMORY_MB=512, traits=[SSE, AVX]
    )
    await placement.consumer({host: {"VCPU": 3}})
    query = "resources=VCPU:2"
    levels = {"VCPU": {"capacity": 10, "used": 3}, "MEMORY_MB": {"capacity": 512, "used": 0}}
    for version in ("1.10", "1.12", "1.17", "1.27", "1.29", "1.34"):
        minor = int(version.partition(".")[2])
        keyed = {"allocations": {host: {"resources": {"VCPU": 2}}}}
        old = {"allocations": [{"resource_provider": {"uuid": host}, "resources": {"VCPU": 2}}]}
        request = keyed if minor >= 12 else old
        summary: dict[str, Any] = {"resources": levels if minor >= 27 else {"VCPU": levels["VCPU"]}}
        if minor >= 17:
            summary["traits"] = [AVX, SSE]
        if minor >= 29:
            summary |= {"parent_provider_uuid": None, "root_provider_uuid": host}
        assert await candidates(placement.at(version), query) == {
            "allocation_requests": [{**request, "mappings": {"": [host]}} if minor >= 34 else request],
            "provider_summaries": {host: summary},
        }


async def test_who_has_no_room_left_is_none(placement: Placement) -> None:
    full, free = await placement.provider(VCPU=4), await placement.provider(VCPU=4)
    await placement.consumer({full: {"VCPU": 3}})
    assert await ways(placement, "resources=VCPU:1") == same({full: {"VCPU": 1}}, {free: {"VCPU": 1}})
    assert await ways(placement, "resources=VCPU:2") == [{free: {"VCPU": 2}}]
    assert await ways(placement, "resources=VCPU:5") == []
    assert await ways(placement, "resources=VCPU:1,DISK_GB:1") == []
    portions = await placement.provider(VGPU={"total": 12, "min_unit": 2, "max_unit": 6, "step_size": 2})
    for amount in range(1, 9):
        assert bool(await ways(placement, f"resources=VGPU:{amount}")) == (amount in (2, 4, 6)), portions


async def test_what_changed_is_seen_by_the_next_question(placement: Placement) -> None:
    """Whatever a process remembers of providers."""
    host = await placement.provider(VCPU=4)
    assert await ways(placement, "resources=VCPU:3") == [{host: {"VCPU": 3}}]
    consumer = await placement.consumer({host: {"VCPU": 2}})
    assert await ways(placement, "resources=VCPU:3") == []
    await placement.delete(f"/allocations/{consumer}")
    assert len(await ways(placement, "resources=VCPU:3")) == 1
    await placement.set_inventories(host, VCPU=2)
    assert await ways(placement, "resources=VCPU:3") == []
    assert await ways(placement, f"resources=VCPU:1&required={AVX}") == []
    generation = await placement.generation(host)
    body = {"traits": [AVX], "resource_provider_generation": generation}
    await placement.put(f"/resource_providers/{host}/traits", body)
    assert len(await ways(placement, f"resources=VCPU:1&required={AVX}")) == 1
    assert await ways(placement, f"resources=VCPU:1&member_of={A}") == []
    await placement.at("1.1").put(f"/resource_providers/{host}/aggregates", [A])
    assert len(await ways(placement, f"resources=VCPU:1&member_of={A}")) == 1
    top = await placement.provider()
    await placement.put(f"/resource_providers/{host}", {"name": host, "parent_provider_uuid": top})
    assert (await candidates(placement, "resources=VCPU:1"))["provider_summaries"].keys() == {host, top}
    await placement.delete(f"/resource_providers/{host}")
    assert await candidates(placement, "resources=VCPU:1") == {"allocation_requests": [], "provider_summaries": {}}


async def test_many_providers_are_looked_at_in_one_go(placement: Placement) -> None:
    for number in range(6):
        await placement.provider(f"host-{number}", VCPU=4)
    await candidates(placement, "resources=VCPU:1")
    seen: list[str] = []
    placement.process.db.on_statement.append(seen.append)
    await candidates(placement, "resources=VCPU:1")
    assert len(seen) == 1
    await placement.provider(VCPU=4)
    del seen[:]
    await candidates(placement, "resources=VCPU:1")
    assert len(seen) == 7


async def test_the_limit(placement: Placement) -> None:
    for _ in range(3):
        await placement.provider(VCPU=4)
    found = await candidates(placement, "resources=VCPU:1&limit=2")
    assert (len(found["allocation_requests"]), len(found["provider_summaries"])) == (2, 2)
    assert len(await ways(placement, "resources=VCPU:1&limit=5")) == 3
    assert len(await ways(placement, "resources=VCPU:1&limit=1&limit=3")) == 1


async def test_traits_are_required_forbidden_and_any_of_some(placement: Placement) -> None:
    both = await placement.provider(VCPU=4, traits=[AVX, SSE])
    one = await placement.provider(VCPU=4, traits=[AVX])
    none = await placement.provider(VCPU=4)
    for said, wanted in [
        (f"required={AVX}", [both, one]),
        (f"required={AVX},{SSE}", [both]),
        (f"required=!{AVX}", [none]),
        (f"required={AVX},!{SSE}", [one]),
        (f"required=in:{AVX},{SSE}", [both, one]),
        (f"required=in:{AVX},{SSE}&required={SSE}", [both]),
        (f"required=in:{AVX},{SSE}&required=!{SSE}", [one]),
    ]:
        expected = same(*({each: {"VCPU": 1}} for each in wanted))
        assert await ways(placement, f"resources=VCPU:1&{said}") == expected, said
        assert await listed(placement, said) == set(wanted), said
        unsaid = said.replace("required", "required1")
        assert await ways(placement, f"resources1=VCPU:1&{unsaid}") == expected, said
    last = f"required={AVX},{SSE}&required={AVX}"
    assert len(await ways(placement.at("1.38"), f"resources=VCPU:1&{last}")) == 2


async def test_aggregates_are_required_and_forbidden(placement: Placement) -> None:
    both = await placement.provider(VCPU=4, aggregates=[A, B])
    one = await placement.provider(VCPU=4, aggregates=[A])
    none = await placement.provider(VCPU=4)
    for said, wanted in [
        (f"member_of={A}", [both, one]),
        (f"member_of=in:{A},{B}", [both, one]),
        (f"member_of={A}&member_of={B}", [both]),
        (f"member_of=!{A}", [none]),
        (f"member_of=!in:{A},{B}", [none]),
        (f"member_of={A}&member_of=!{B}", [one]),
    ]:
        expected = same(*({each: {"VCPU": 1}} for each in wanted))
        assert await ways(placement, f"resources=VCPU:1&{said}") == expected, said
        assert await listed(placement, said) == set(wanted), said
        unsaid = said.replace("member_of", "member_of_X")
        assert await ways(placement, f"resources_X=VCPU:1&{unsaid}") == expected, said


async def test_a_tree_serves_together_from_1_29_on(placement: Placement) -> None:
    host = await placement.provider(DISK_GB=10, traits=[SSD], aggregates=[A])
    numa = [await placement.provider(parent=host, VCPU=4, traits=[trait]) for trait in (AVX, SSE)]
    query = "resources=VCPU:1,DISK_GB:5"
    both = same(*({each: {"VCPU": 1}, host: {"DISK_GB": 5}} for each in numa))
    assert await ways(placement, query) == both
    assert await ways(placement.at("1.28"), query) == []
    found = await candidates(placement.at("1.28"), "resources=VCPU:1")
    assert found["provider_summaries"].keys() == set(numa)
    summaries = (await candidates(placement, "resources=VCPU:1&limit=1"))["provider_summaries"]
    assert summaries.keys() == {host, *numa}
    assert summaries[numa[0]]["root_provider_uuid"] == summaries[numa[0]]["parent_provider_uuid"] == host
    assert await ways(placement, f"{query}&required={AVX},{SSD}") == [
        both[both.index({numa[0]: {"VCPU": 1}, host: {"DISK_GB": 5}})]
    ]
    assert len(await ways(placement, f"{query}&required=!{AVX}")) == 1
    assert await ways(placement, f"{query}&required=!{SSD}") == []
    assert await ways(placement, f"{query}&member_of={A}") == both, "an aggregate of the root is of its tree"
    assert await ways(placement, f"{query}&member_of=!{A}") == []
    assert await ways(placement, f"resources1=VCPU:1&member_of1={A}") == []
    for tree in (host, numa[0]):
        assert await ways(placement, f"{query}&in_tree={tree}") == both
    assert await ways(placement, f"{query}&in_tree={uuid4()}") == []
    assert await listed(placement, f"in_tree={numa[0]}") == {host, *numa}
    assert await listed(placement, f"in_tree={numa[0]}&resources=VCPU:1") == set(numa)
    assert await listed(placement, f"in_tree={uuid4()}") == set()


async def test_each_group_with_a_suffix_is_served_by_one_provider(placement: Placement) -> None:
    host = await placement.provider(MEMORY_MB=64)
    left = await placement.provider(parent=host, VCPU=2, VGPU=1, traits=[AVX])
    right = await placement.provider(parent=host, VCPU=4, VGPU=1)
    assert await ways(placement, "resources1=VCPU:3,VGPU:1") == [{right: {"VCPU": 3, "VGPU": 1}}]
    two = "resources1=VCPU:2&resources2=VCPU:2"
    shared = {right: {"VCPU": 4}}
    apart = {left: {"VCPU": 2}, right: {"VCPU": 2}}
    assert await ways(placement, f"{two}&group_policy=isolate") == same(apart, apart)
    assert await ways(placement, f"{two}&group_policy=none") == same(apart, apart, shared)
    assert await ways(placement, "resources_A=VCPU:2&resources_B=VCPU:3&group_policy=none") == [
        {left: {"VCPU": 2}, right: {"VCPU": 3}}
    ]
    found = await candidates(placement, f"resources=MEMORY_MB:1&resources_A=VCPU:1&required_A={AVX}")
    (request,) = found["allocation_requests"]
    assert request["allocations"] == {host: {"resources": {"MEMORY_MB": 1}}, left: {"resources": {"VCPU": 1}}}
    assert request["mappings"] == {"": [host], "_A": [left]}
    assert await ways(placement, "resources=VCPU:3,VGPU:1") == same(
        {right: {"VCPU": 3, "VGPU": 1}}, {right: {"VCPU": 3}, left: {"VGPU": 1}}
    )
    numbered = await ways(placement.at("1.25"), "resources1=VCPU:1&resources2=VGPU:1&group_policy=isolate")
    assert numbered == [], "no two of a tree before 1.29"


async def test_what_is_shared_serves_all_trees_of_an_aggregate(placement: Placement) -> None:
    near = await placement.provider(VCPU=4, aggregates=[A, C])
    far = await placement.provider(VCPU=4, DISK_GB=10)
    store = await placement.provider(DISK_GB=100, traits=[SHARES, SSD], aggregates=[A, B])
    query = "resources=VCPU:1,DISK_GB:5"
    with_store = {near: {"VCPU": 1}, store: {"DISK_GB": 5}}
    assert await ways(placement, query) == same(with_store, {far: {"VCPU": 1, "DISK_GB": 5}})
    assert await ways(placement, f"{query}&required={SSD}") == [with_store]
    assert await ways(placement, f"{query}&member_of={A}") == [with_store]
    assert await ways(placement, f"{query}&member_of={B}") == [], "it is no member for another"
    assert await ways(placement, f"{query}&member_of={C}") == [], "nor is another for it"
    assert await ways(placement, f"{query}&member_of=!{B}") == [{far: {"VCPU": 1, "DISK_GB": 5}}]
    assert await ways(placement, f"{query}&in_tree={near}") == [], "not even what is shared with the tree"
    assert await ways(placement, "resources=DISK_GB:5") == same({far: {"DISK_GB": 5}}, {store: {"DISK_GB": 5}})
    assert await ways(placement, "resources=VCPU:1&resources1=DISK_GB:5") == same(
        with_store, {far: {"VCPU": 1, "DISK_GB": 5}}
    )
    summaries = (await candidates(placement, f"{query}&required={SSD}"))["provider_summaries"]
    assert summaries.keys() == {near, store}


async def test_what_the_root_must_be(placement: Placement) -> None:
    good = await placement.provider(traits=[AVX])
    other = await placement.provider(traits=[SSE])
    numa = {root: await placement.provider(parent=root, VCPU=4) for root in (good, other)}
    for said, root in ((AVX, good), (f"!{AVX}", other), (f"{SSE},!{AVX}", other)):
        assert await ways(placement, f"resources=VCPU:1&root_required={said}") == [{numa[root]: {"VCPU": 1}}]
        assert await ways(placement, f"resources1=VCPU:1&root_required={said}") == [{numa[root]: {"VCPU": 1}}]


async def test_groups_of_one_subtree(placement: Placement) -> None:
    host = await placement.provider(traits=["COMPUTE_NODE"])
    numa = [await placement.provider(parent=host, VCPU=4, traits=["HW_NUMA_ROOT"]) for _ in range(2)]
    gpu = [await placement.provider(parent=each, VGPU=1) for each in numa]
    query = "resources_C=VCPU:1&resources_G=VGPU:1&group_policy=none"
    pairs = [{numa[i]: {"VCPU": 1}, gpu[j]: {"VGPU": 1}} for i in range(2) for j in range(2)]
    assert await ways(placement, query) == same(*pairs)
    near = same(pairs[0], pairs[3])
    assert await ways(placement, f"{query}&same_subtree=_C,_G") == near
    assert await ways(placement, f"{query}&required_N=HW_NUMA_ROOT&same_subtree=_C,_G,_N") == near
    (first, *_) = (
        await candidates(placement, "resources_G=VGPU:1&required_N=HW_NUMA_ROOT&group_policy=none&same_subtree=_N,_G")
    )["allocation_requests"]
    assert set(first["mappings"]["_N"]) < set(numa)
    assert set(first["allocations"]) < set(gpu)
    assert await ways(placement, f"{query}&required_N=COMPUTE_NODE&same_subtree=_C,_G,_N") == same(*pairs)


async def test_the_list_of_providers_is_narrowed(placement: Placement) -> None:
    one, two = await placement.provider("one", VCPU=4), await placement.provider("two", DISK_GB=10)
    assert await listed(placement.at("1.0"), "") == {one, two}
    assert await listed(placement, "name=one") == {one}
    assert await listed(placement, "name=") == {one, two}
    assert await listed(placement, f"uuid={two}") == {two}
    assert await listed(placement, f"uuid={two}&name=one") == set()
    assert await listed(placement, "resources=DISK_GB:10") == {two}
    assert await listed(placement, "resources=DISK_GB:11") == set()
    for version, query in [
        ("1.0", "uuid=x"),
        ("1.2", f"member_of={A}"),
        ("1.3", f"member_of={A}&member_of={A}"),
        ("1.3", f"member_of=!{A}"),
        ("1.3", "resources=VCPU:1"),
        ("1.13", f"in_tree={one}"),
        ("1.17", f"required={AVX}"),
        ("1.39", "in_tree=x"),
        ("1.39", "required=NOWHERE"),
        ("1.39", "resources=CUSTOM_NOWHERE:1"),
        ("1.39", "limit=1"),
    ]:
        assert error(await placement.at(version).get(f"/resource_providers?{query}"))[0] == 400, query


@pytest.mark.parametrize(
    ("version", "query"),
    [
        ("1.10", ""),
        ("1.10", "limit=1"),
        ("1.10", "resources=VCPU:1&limit=1"),
        ("1.16", f"resources=VCPU:1&required={AVX}"),
        ("1.17", f"resources=VCPU:1&required=!{AVX}"),
        ("1.20", f"resources=VCPU:1&member_of={A}"),
        ("1.21", f"resources=VCPU:1&member_of={A}&member_of={B}"),
        ("1.24", "resources1=VCPU:1"),
        ("1.25", "resources01=VCPU:1"),
        ("1.25", "resources=VCPU:1&group_policy=maybe"),
        ("1.25", "resources1=VCPU:1&resources2=VCPU:1"),
        ("1.25", f"required={AVX}&resources1=VCPU:1"),
        ("1.25", f"member_of1={A}&resources=VCPU:1"),
        ("1.30", f"resources=VCPU:1&in_tree={A}"),
        ("1.31", f"resources=VCPU:1&in_tree1={A}"),
        ("1.31", f"resources=VCPU:1&member_of=!{A}"),
        ("1.31", "resources=VCPU:1&in_tree=x"),
        ("1.32", "resources_A=VCPU:1"),
        ("1.34", f"resources=VCPU:1&root_required={AVX}"),
        ("1.35", f"resources=VCPU:1&root_required={AVX}&root_required={SSE}"),
        ("1.35", f"resources=VCPU:1&root_required={AVX},!{AVX}"),
        ("1.35", f"resources=VCPU:1&root_required=in:{AVX},{SSE}"),
        ("1.35", "resources1=VCPU:1&same_subtree=1"),
        ("1.36", "same_subtree=_A"),
        ("1.36", f"required_A={AVX}&resources=VCPU:1"),
        ("1.36", "resources_A=VCPU:1&same_subtree=_A,_B"),
        ("1.36", "resources_A=VCPU:1&same_subtree=_A,"),
        ("1.38", f"resources=VCPU:1&required=in:{AVX},{SSE}"),
        ("1.39", f"resources=VCPU:1&required=in:{AVX},"),
        ("1.39", f"resources=VCPU:1&required=in:{AVX},!{SSE}"),
        ("1.39", f"resources=VCPU:1&required=in:{AVX},{SSE}&required=!{AVX},!{SSE}"),
        ("1.39", f"resources=VCPU:1&required={AVX},"),
        ("1.39", "resources=VCPU:1&required=!"),
        ("1.39", "resources=VCPU:1&required=NOWHERE"),
        ("1.39", "resources=VCPU:1&root_required=NOWHERE"),
        ("1.39", f"resources=VCPU:1&member_of={A},{B}"),
        ("1.39", "resources=VCPU:1&member_of=in:x"),
        ("1.39", "resources=VCPU:1&limit=0"),
        ("1.39", "resources=VCPU:1&limit=-1"),
        ("1.39", "resources=VCPU:1&colour=red"),
        ("1.39", "resources=COWS:1"),
        ("1.39", "resources="),
        ("1.39", "resources=VCPU"),
        ("1.39", "resources=VCPU:1,"),
        ("1.39", "resources=VCPU:1:1"),
        ("1.39", "resources=VCPU:0"),
        ("1.39", "resources=VCPU:one"),
        ("1.39", f"resources=VCPU:{2**63}"),
        ("1.39", "group_policy=none&" + "&".join(f"resources_{n}=VCPU:1" for n in range(65))),
    ],
)
async def test_what_is_no_request(placement: Placement, version: str, query: str) -> None:
    assert error(await placement.at(version).get(f"/allocation_candidates?{query}"))[0] == 400


async def test_some_errors_have_codes_of_their_own(placement: Placement) -> None:
    for query, code in [
        (f"resources=VCPU:1&root_required={AVX}&root_required={AVX}", "placement.query.duplicate_key"),
        ("group_policy=none", "placement.query.missing_value"),
        ("resources_A=VCPU:1&same_subtree=_B", "placement.query.bad_value"),
    ]:
        assert error(await placement.get(f"/allocation_candidates?{query}"))[1] == code


async def test_a_request_with_a_vast_number_of_ways_is_answered(placement: Placement) -> None:
    """12 groups among 12 providers: 12! ways, none of which holds the thirteenth."""
    host = await placement.provider(MEMORY_MB=1)
    for _ in range(12):
        await placement.provider(parent=host, VGPU=1)
    groups = "&".join(f"resources_{n}=VGPU:1" for n in range(13))
    assert await ways(placement, f"{groups}&group_policy=none&limit=3") == []
    fewer = "&".join(f"resources_{n}=VGPU:1" for n in range(12))
    assert len(await ways(placement, f"{fewer}&group_policy=isolate&limit=3")) == 3
