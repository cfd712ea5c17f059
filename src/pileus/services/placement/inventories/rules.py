"""How much there is, and what may be taken of it. Pure."""

from __future__ import annotations

import msgspec

MOST = 2**31 - 1
LARGEST_RATIO = 3.40282e38
INT_MAX = 2**63 - 1


class Inventory(msgspec.Struct, frozen=True):
    """So much in all; `reserved` is not given away, the rest `allocation_ratio` times. Portions are of `min_unit` to
    `max_unit`, and multiples of `step_size`."""

    total: int
    reserved: int = 0
    min_unit: int = 1
    max_unit: int = MOST
    step_size: int = 1
    allocation_ratio: float = 1.0

    @property
    def capacity(self) -> int:
        return capacity(self.total, self.reserved, self.allocation_ratio)


def capacity(total: int, reserved: int, allocation_ratio: float) -> int:
    """How much may be given away: what is left after rounding down, within 64 bits."""
    return max(-INT_MAX, min(INT_MAX, int((total - reserved) * allocation_ratio)))


def is_portion(amount: int, inventory: Inventory) -> bool:
    """Whether so much may be taken at once."""
    return inventory.min_unit <= amount <= inventory.max_unit and amount % inventory.step_size == 0
