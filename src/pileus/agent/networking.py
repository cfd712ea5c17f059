"""The networks of a host: its switch, its metadata process and, on one machine of a cloud, the overlay itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from pileus.agent.relay import Ask, Relay
from pileus.agent.wire import AgentError
from pileus.agent.wiring import Wiring
from pileus.engines.files import make_directory
from pileus.engines.overlay import Overlay
from pileus.engines.overlay.ovn.central import Central
from pileus.engines.overlay.ovn.daemons import Keeper
from pileus.engines.overlay.ovn.engine import OvnOverlay
from pileus.engines.overlay.ovn.host import External, Host, Underlay
from pileus.engines.overlay.ovn.metadata import Metadata
from pileus.engines.verbs import Change
from pileus.kernel.clock import Clock

NOBODY = 65534  # whom the process that guests speak to runs as
METADATA = (sys.executable, "-P", "-m", "pileus.agent.metadata")


@dataclass(frozen=True)
class Networking:
    """What the agent of a host starts; `home` is its room."""

    home: Path
    name: str
    wiring: Wiring
    clock: Clock
    ask: Ask

    async def start(self, stack: AsyncExitStack, changed: Callable[[Change], None]) -> tuple[Overlay, Host]:
        """All of it works until the stack ends, and goes on after that. Raises AgentError, CloudError."""
        keeper = Keeper(self.clock)
        stack.push_async_callback(keeper.stop)
        central = Central(self.home / "ovn")
        await central.start(keeper)
        host = self._host(f"unix:{central.southbound}")
        await host.start(keeper)
        await self._answer_guests(stack, keeper, host, central.southbound)
        overlay = OvnOverlay(central.northbound, central.southbound, self.clock, changed=changed)
        await overlay.start()
        stack.push_async_callback(overlay.stop)
        return overlay, host

    def _host(self, southbound: str) -> Host:
        wiring = self.wiring
        external = External(wiring.physical_network, wiring.external, wiring.masquerade) if wiring.external else None
        underlay = None
        if wiring.tunnel:
            device, equals, address = wiring.tunnel.partition("=")
            if not (device and equals and address):
                raise AgentError(f"--tunnel is DEVICE=ADDRESS/LENGTH, not {wiring.tunnel!r}.")
            underlay = Underlay(device, address)
        return Host(self.home / "ovs", self.name, southbound, netns=wiring.netns, external=external, underlay=underlay)

    async def _answer_guests(self, stack: AsyncExitStack, keeper: Keeper, host: Host, southbound: Path) -> None:
        home = make_directory(self.home / "ovn" / "metadata")
        uid = NOBODY if os.geteuid() == 0 else os.geteuid()
        relay = Relay(home / "guests.sock", uid, self.ask)
        await relay.start()
        stack.push_async_callback(relay.stop)
        made = Metadata(home, host, southbound, self.clock, lambda directory: (*METADATA, directory, str(uid)))
        await made.start(keeper)
        stack.push_async_callback(made.stop)
