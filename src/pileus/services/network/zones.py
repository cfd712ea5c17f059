"""The availability zone of networks: one overlay is one zone."""

from __future__ import annotations

from collections.abc import Iterable

from pileus.kernel.errors import NotFound

DEFAULT = "default"


def check(hints: Iterable[str]) -> None:
    """Raises NotFound for a zone that there is not."""
    for hint in hints:
        if hint != DEFAULT:
            raise NotFound(f"AvailabilityZone {hint[:255]} could not be found.", type="AvailabilityZoneNotFound")
