"""Whether what is wanted may be taken. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pileus.services.placement.inventories.service import Inventory, is_portion


class Place(NamedTuple):
    """Of whom, and of what."""

    provider_id: str
    resource_class: str


class Level(NamedTuple):
    """What there is at a place: the inventory, what others use of it, and what those who ask have used until now."""

    inventory: Inventory
    others: int
    own: int


def refusal(wanted: Iterable[tuple[Place, int]], levels: Mapping[Place, Level]) -> str | None:
    """Why these portions can't be taken all together; None when they can.

    Where an inventory is smaller than what is used of it, nobody may take more, but whoever asks may take as much as
    before, or less.
    """
    portions = list(wanted)
    sums: Counter[Place] = Counter()
    for place, amount in portions:
        sums[place] += amount
        level = levels.get(place)
        if level is None:
            return f"Inventory for '{place.resource_class}' on resource provider '{place.provider_id}' invalid."
        if not is_portion(amount, level.inventory):
            i = level.inventory
            return (
                f"{_unable(place)} The requested amount would violate inventory constraints: {amount} is no portion of "
                f"{i.min_unit} to {i.max_unit} in steps of {i.step_size}."
            )
    for place, amount in sums.items():
        inventory, others, own = levels[place]
        if others + amount > inventory.capacity and amount > own:
            return (
                f"{_unable(place)} The requested amount would exceed the capacity: {amount} asked for, {others} of "
                f"{inventory.capacity} used."
            )
    return None


def _unable(place: Place) -> str:
    return f"Unable to create allocation for '{place.resource_class}' on resource provider '{place.provider_id}'."
