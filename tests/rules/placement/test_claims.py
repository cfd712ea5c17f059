"""Whether what is wanted may be taken."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pileus.services.placement.allocations.rules import Level, Place, refusal
from pileus.services.placement.inventories.rules import INT_MAX, Inventory, capacity, is_portion

PLACES = [Place(provider, name) for provider in ("p", "q") for name in ("VCPU", "DISK_GB")]
inventories = st.builds(
    Inventory,
    total=st.integers(1, 20),
    reserved=st.integers(0, 20),
    min_unit=st.integers(1, 3),
    max_unit=st.integers(1, 20),
    step_size=st.integers(1, 3),
    allocation_ratio=st.sampled_from([0.5, 1.0, 1.5, 16.0]),
)
levels = st.dictionaries(
    st.sampled_from(PLACES), st.builds(Level, inventories, others=st.integers(0, 20), own=st.integers(0, 20))
)
wishes = st.lists(st.tuples(st.sampled_from(PLACES), st.integers(1, 12)), max_size=5)


@given(wanted=wishes, levels=levels)
def test_what_is_taken_fits_or_is_no_more_than_before(
    wanted: list[tuple[Place, int]], levels: dict[Place, Level]
) -> None:
    sums: Counter[Place] = Counter()
    for place, amount in wanted:
        sums[place] += amount
    all_there = all(place in levels for place, _ in wanted)
    portions = all_there and all(is_portion(amount, levels[place].inventory) for place, amount in wanted)
    room = all_there and all(
        amount <= levels[place].own or levels[place].others + amount <= levels[place].inventory.capacity
        for place, amount in sums.items()
    )
    assert (refusal(wanted, levels) is None) == (all_there and portions and room)


@given(inventory=inventories)
def test_capacity_is_what_is_left_times_the_ratio_rounded_down(inventory: Inventory) -> None:
    exact = (inventory.total - inventory.reserved) * inventory.allocation_ratio
    assert abs(inventory.capacity - exact) < 1
    assert abs(inventory.capacity) <= abs(exact)


def test_capacity_stays_within_64_bits() -> None:
    assert capacity(2**31 - 1, 0, 3.4e38) == INT_MAX
    assert capacity(0, 2**31 - 1, 3.4e38) == -INT_MAX
