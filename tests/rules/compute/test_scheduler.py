"""Which host takes a server, and what is said when none does."""

from __future__ import annotations

from typing import Any

import pytest

from pileus.services.compute.scheduler.rules import Group, Host, Verdict, Wish, choose, matches, won
from pileus.services.placement.allocation_candidates.rules import Room
from pileus.services.placement.allocation_candidates.service import Level, Offer

GOOD = {"ssd": "true", "filter_tenant_id": "p", "instance_type": "xl, l", "os": "bsd,nix"}
SMALL = {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}


def offer(name: str, *, vcpus: int = 4, memory: int = 4096, disk: int = 10, **more: Any) -> Offer:
    free = {"VCPU": vcpus, "MEMORY_MB": memory, "DISK_GB": disk}
    rooms = {each: Room(amount) for each, amount in free.items()}
    levels = {each: Level(100_000, 100_000 - amount) for each, amount in free.items()}
    return Offer(id=name, root_id=name, rooms=rooms, levels=levels, **more)


def host(name: str, **more: Any) -> Host:
    sizes = {key: more.pop(key) for key in ("vcpus", "memory", "disk", "traits") if key in more}
    return Host(**{"name": name, "offer": offer(name, **sizes), **more})


def wish(**more: Any) -> Wish:
    return Wish(**{"resources": SMALL, "project_id": "p", "flavor": "l", **more})


def why(verdict: Verdict, name: str) -> dict[str, str]:
    return next(fell.hosts for fell in verdict.fell if fell.filter == name)


@pytest.mark.parametrize(
    ("filter_", "out", "asked"),
    [
        ("HostFilter", host("b"), {"host": "a"}),
        ("HostFilter", host("b"), {"leaves": frozenset({"b"})}),
        ("ComputeFilter", host("b", usable=False), {}),
        ("ComputeFilter", host("b", disabled="mended"), {}),
        ("ComputeFilter", Host(name="b", offer=None), {}),
        ("AvailabilityZoneFilter", host("b", zone="west"), {"zone": "nova"}),
        ("Traits", host("b"), {"extra_specs": {"trait:HW_X": "required"}}),
        ("Traits", host("b", traits=frozenset({"HW_X", "HW_Y"})), {"image": {"trait:HW_Y": "forbidden"}}),
        ("Placement", host("b", vcpus=0), {}),
        ("Placement", host("b", memory=511), {}),
        ("AggregateMultiTenancyIsolation", host("b", aggregates=[{"filter_tenant_id": "x, y"}]), {}),
        (
            "AggregateInstanceExtraSpecsFilter",
            host("b"),
            {"extra_specs": {"aggregate_instance_extra_specs:ssd": "true"}},
        ),
        ("AggregateTypeAffinityFilter", host("b", aggregates=[{"instance_type": "s, m"}]), {}),
        (
            "AggregateImagePropertiesIsolation",
            host("b", aggregates=[{"os": "win"}, {"os": "mac,bsd"}]),
            {"image": {"os": "nix"}},
        ),
        ("ImagePropertiesFilter", host("b", architecture="aarch64"), {"image": {"hw_architecture": "x86_64"}}),
        ("SameHostFilter", host("b"), {"same_host": ["a"]}),
        ("DifferentHostFilter", host("b"), {"different_host": ["b"]}),
        ("ServerGroupAffinityFilter", host("b"), {"group": Group(id="g", policy="affinity", hosts=["a"])}),
        ("ServerGroupAntiAffinityFilter", host("b"), {"group": Group(id="g", policy="anti-affinity", hosts=["b"])}),
    ],
)
def test_each_filter_says_who_fell_out_by_it(filter_: str, out: Host, asked: dict[str, Any]) -> None:
    good = host("a", traits=frozenset({"HW_X"}), aggregates=[GOOD])
    verdict = choose([good, out], wish(**asked))
    assert verdict.hosts == ["a"]
    assert list(why(verdict, filter_)) == ["b"]
    alone = choose([out], wish(**asked))
    assert alone.hosts == []
    assert filter_ in alone.message(SMALL)
    assert "b" not in alone.message(SMALL).split()  # of the hosts it tells nothing
    assert alone.details()[filter_].startswith("b (")


def test_who_is_too_large_is_told_what_would_fit() -> None:
    verdict = choose(
        [host("a", memory=1024), host("b", memory=2048, vcpus=2)], wish(resources={**SMALL, "MEMORY_MB": 9000})
    )
    message = verdict.message({**SMALL, "MEMORY_MB": 9000})
    assert message.startswith("No valid host was found. Of 2 hosts Placement took 2 (has not 9000 MiB of memory free).")
    assert "2 vCPUs, 2048 MiB of memory, 10 GiB of disk" in message
    assert "smaller flavor" in message


def test_without_hosts_it_says_how_to_get_one() -> None:
    assert "add one" in choose([], wish()).message(SMALL)


def test_the_roomiest_is_the_best_and_names_decide_between_equals() -> None:
    assert choose([host("c", memory=2048), host("b"), host("a")], wish()).hosts == ["a", "b", "c"]


def test_soft_policies_prefer_and_hard_ones_count() -> None:
    two = [host("a"), host("b")]
    soft = {"hosts": ["b"]}
    assert choose(two, wish(group=Group(id="g", policy="soft-affinity", **soft))).hosts == ["b", "a"]
    assert choose(two, wish(group=Group(id="g", policy="soft-anti-affinity", **soft))).hosts == ["a", "b"]
    some = Group(id="g", policy="anti-affinity", most_per_host=2, hosts=["a", "a", "b"])
    assert choose(two, wish(group=some)).hosts == ["b"]
    assert choose(two, wish(group=Group(id="g", policy="affinity"))).hosts == ["a", "b"]


def test_the_reasons_of_administrators_are_for_them_alone() -> None:
    hosts = [host("a", disabled="its owner is late"), host("b", disabled=""), host("c", disabled="its owner is late")]
    verdict = choose(hosts, wish())
    assert "ComputeFilter took 3 (taken out of use)" in verdict.message(SMALL)
    assert "owner" not in verdict.message(SMALL)
    assert verdict.details() == {"ComputeFilter": "a, c (taken out of use: its owner is late); b (taken out of use)"}


def test_the_best_says_why_it_is() -> None:
    hosts = [host("a"), host("b", memory=100_000, vcpus=100_000, disk=25_000)]
    asked = wish(group=Group(id="g", policy="soft-anti-affinity", hosts=["b"]))
    assert won(hosts[1], wish(), choose(hosts, wish())) == "b is the best of 2: 75% free"
    assert won(hosts[0], asked, choose(hosts, asked)) == "a is the best of 2: 1% free, +0 by its group"
    alone = choose(hosts[1:], asked)
    assert won(hosts[1], asked, alone) == "b is the best of 1: 75% free, -1 by its group"


@pytest.mark.parametrize(
    ("aggregates", "image"),
    [([], {"os": "nix"}), ([{"os": "nix"}], {}), ([{"os": "win"}, {"os": "nix, bsd"}], {"os": "nix"})],
)
def test_an_image_without_what_an_aggregate_names_goes_anywhere(aggregates: Any, image: Any) -> None:
    assert choose([host("a", aggregates=aggregates)], wish(image=image)).hosts == ["a"]


def test_a_forced_host_must_only_live_and_have_room() -> None:
    asked = wish(host="b", forced=True, zone="elsewhere", different_host=["b"])
    assert choose([host("a"), host("b")], asked).hosts == ["b"]
    assert choose([host("b", vcpus=0)], asked).hosts == []
    assert choose([host("b", disabled="")], asked).hosts == []


@pytest.mark.parametrize(
    ("value", "wanted", "fits"),
    [
        ("true", "true", True),
        ("true", "false", False),
        ("a", "<or> a <or> b", True),
        ("c", "<or> a <or> b", False),
        ("fast ssd", "<in> ssd", True),
        ("b", "s== b", True),
        ("b", "s!= b", False),
        ("5", ">= 4", True),
        ("5", "= 6", False),
        ("x", ">= 4", False),
        ("5", "!= 4", True),
    ],
)
def test_what_an_extra_spec_may_ask(value: str, wanted: str, fits: bool) -> None:
    assert matches(value, wanted) is fits
