"""What a scenario of a saga is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from demo.world import DemoWorld
from pileus.kernel.operations import Saga

Snapshot = dict[str, object]


@dataclass(frozen=True)
class Scenario:
    """`begin` brings the world to where the saga starts, and starts it. The ends are snapshots."""

    saga: Saga
    begin: Callable[[DemoWorld], Awaitable[UUID]]
    done: Snapshot
    undone: Snapshot = field(default_factory=dict)

    def __str__(self) -> str:
        return self.saga.name
