"""How often a project may ask: a token bucket for each, in this process.

A process knows of no other: so many of them answer so many times as much. The guide for operators says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pileus.kernel.errors import TooManyRequests

PROJECTS = 10_000


@dataclass(slots=True)
class Rates:
    """`per_s` requests a second and key, `burst` at once; `per_s` 0: no limit.

    At most PROJECTS buckets are kept: the one unused for longest goes first, and is full when it comes back.
    """

    per_s: float
    burst: int
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)  # what is left, at which time

    def take(self, key: str, now: float) -> None:
        """Count one request at this monotonic time. Raises TooManyRequests with the time after which one may pass."""
        if self.per_s <= 0:
            return
        left, at = self._buckets.pop(key, (float(self.burst), now))
        left = min(float(self.burst), left + (now - at) * self.per_s)
        if len(self._buckets) >= PROJECTS:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[key] = (max(left - 1, 0.0) if left >= 1 else left, now)
        if left < 1:
            raise TooManyRequests(
                f"This project may send {self.per_s:g} requests a second.", retry_after_s=(1 - left) / self.per_s
            )
