"""As much of a cloud as rows, policy and time need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pileus.kernel.clock import Clock, SteppingClock
from pileus.kernel.config import Config
from pileus.kernel.context import Caller, Ctx
from pileus.kernel.db import Database
from pileus.kernel.ids import Ids
from pileus.kernel.metrics import Metrics
from pileus.kernel.policy import Policy

MEMBER = Caller("u1", project_id="p1", roles=frozenset({"member", "reader"}))


@dataclass
class SmallWorld:
    db: Database
    clock: Clock = field(default_factory=SteppingClock)
    ids: Ids = field(default_factory=Ids)
    policy: Policy = field(default_factory=Policy.standard)
    config: Config = field(default_factory=Config)
    metrics: Metrics = field(default_factory=Metrics)
    memory: dict[type, Any] = field(default_factory=dict)

    def ctx(self, caller: Caller = MEMBER, **facts: Any) -> Ctx:
        return Ctx(self, caller, request_id=self.ids.request(), **facts)  # type: ignore[arg-type]
