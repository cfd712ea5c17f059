"""How much of a span of time a server has used. Pure."""

from __future__ import annotations

import msgspec

HOUR_S = 3600.0


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A server, from its launch to its end; None: it is still there. Times are seconds since the epoch."""

    server_id: str
    name: str
    project_id: str
    flavor: str
    state: str
    memory_mib: int
    vcpus: int
    disk_gib: int
    launched_at: float
    ended_at: float | None = None

    def hours(self, start: float, stop: float) -> float:
        """How long it was there between these two."""
        end = stop if self.ended_at is None else min(stop, self.ended_at)
        return max(0.0, end - max(start, self.launched_at)) / HOUR_S


class Total(msgspec.Struct, frozen=True):
    """What a project has used: so many hours, and those times what each server had."""

    hours: float = 0.0
    memory_mib_hours: float = 0.0
    vcpu_hours: float = 0.0
    disk_gib_hours: float = 0.0

    def plus(self, span: Span, hours: float) -> Total:
        return Total(
            self.hours + hours,
            self.memory_mib_hours + hours * span.memory_mib,
            self.vcpu_hours + hours * span.vcpus,
            self.disk_gib_hours + hours * span.disk_gib,
        )
