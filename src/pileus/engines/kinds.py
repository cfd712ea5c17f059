"""Which engine protocols there are, by the name they have in paths and in `ctx.engine(kind, host)`."""

from __future__ import annotations

from collections.abc import Mapping

from pileus.engines.blocks import Blocks
from pileus.engines.hypervisor import Hypervisor
from pileus.engines.overlay import Overlay

PROTOCOLS: Mapping[str, type] = {protocol.KIND: protocol for protocol in (Blocks, Hypervisor, Overlay)}
