"""A small world for tests of the kernel: the real database, clock and operations; simulated hosts; no HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pileus.engines.blobs.sim import SimBlobs
from pileus.engines.blocks.sim import SimBlocks
from pileus.engines.hypervisor.sim import SimHypervisor
from pileus.engines.overlay.sim import SimOverlay
from pileus.kernel.clock import Clock, SteppingClock
from pileus.kernel.config import Config
from pileus.kernel.context import NOBODY, Caller, Ctx
from pileus.kernel.db import Database
from pileus.kernel.doorbell import Doorbell, LocalDoorbell
from pileus.kernel.errors import HostDown
from pileus.kernel.ids import Ids
from pileus.kernel.metrics import Metrics
from pileus.kernel.policy import Policy
from pileus.kernel.seal import Seal
from pileus.services.image.image_data.transfers import OwnTransfers
from pileus.services.image.images import service as images

MEMBER = Caller(user_id="u" * 32, project_id="p" * 32, roles=frozenset({"member", "reader"}))
JOB_S = 3.0


class Carried(OwnTransfers):
    """Disks that move from host to host arrive; of snapshots nothing does: their images wait for it."""

    async def put(self, path: str, pieces: AsyncIterator[bytes]) -> None:
        if (await images.to_fill(self._ctx(), path.rpartition("/")[2])).hidden:
            await super().put(path, pieces)


@dataclass
class DemoWorld:
    """Hosts are folders below `home`. `down` names those whose lease has run out."""

    db: Database
    home: Path
    config: Config = field(default_factory=Config)
    clock: Clock = field(default_factory=SteppingClock)
    ids: Ids = field(default_factory=Ids)
    seal: Seal = field(default_factory=lambda: Seal(bytes(32)))
    doorbell: Doorbell = field(default_factory=LocalDoorbell)
    policy: Policy = field(default_factory=cache(Policy.standard))
    metrics: Metrics = field(default_factory=Metrics)
    memory: dict[type, Any] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)

    def hypervisor(self, host: str) -> SimHypervisor:
        """The host itself, whether the cloud can reach it or not."""
        transfers = Carried(lambda: self.ctx(NOBODY))
        return SimHypervisor(self.home / host, self.clock, delays_s={"ensure_disks": JOB_S}, transfers=transfers)

    def blocks(self, host: str) -> SimBlocks:
        """The same of what holds volumes."""
        return SimBlocks(self.home / host / "blocks", self.clock, delays_s={"ensure_snapshot": JOB_S})

    def blobs(self) -> SimBlobs:
        """Where the bytes of images are: the control process' own."""
        return SimBlobs(self.home / "images", self.clock)

    def overlay(self, host: str) -> SimOverlay:
        """The same of what carries networks."""
        return SimOverlay(self.home / host / "overlay", self.clock)

    def engine(self, kind: str, host: str) -> Any:
        if kind == "blobs":
            return self.blobs()
        if host in self.down:
            raise HostDown(host)
        return {"hypervisor": self.hypervisor, "blocks": self.blocks, "overlay": self.overlay}[kind](host)

    def ctx(self, caller: Caller = MEMBER) -> Ctx:
        return Ctx(self, caller, request_id=self.ids.request())
