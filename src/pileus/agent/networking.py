"""The networks of a host: its switch, its metadata process and, on one machine of a cloud, the overlay itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
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
from pileus.engines.overlay.ovn.ovsdb import Remote, Tls
from pileus.engines.verbs import Change
from pileus.kernel import config_limits
from pileus.kernel.clock import Clock
from pileus.kernel.errors import Unavailable

CERTIFIED_WITHIN_S = 30
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
    certificates: Callable[[], Path]

    async def start(self, stack: AsyncExitStack, changed: Callable[[Change], None]) -> tuple[Overlay, Host]:
        """All of it works until the stack ends, and goes on after that. Raises AgentError, CloudError."""
        keeper = Keeper(self.clock)
        stack.push_async_callback(keeper.stop)
        central = await self._central()
        await central.start(keeper)
        host = self.host(f"unix:{central.southbound}")
        await host.start(keeper)
        await self._answer_guests(stack, keeper, host, central.southbound)
        overlay = OvnOverlay(central.northbound, central.southbound, self.clock, changed=changed)
        await overlay.start()
        stack.push_async_callback(overlay.stop)
        return overlay, host

    async def join(self, stack: AsyncExitStack) -> Host:
        """The same on any other host, whose overlay is where `wiring.overlay` says. Raises AgentError, CloudError."""
        keeper = Keeper(self.clock)
        stack.push_async_callback(keeper.stop)
        address, port = self._overlay_address()
        southbound = Remote(address, port, self._tls())
        host = self.host(str(southbound), southbound.tls)
        await host.start(keeper)
        await self._answer_guests(stack, keeper, host, southbound)
        return host

    async def _central(self) -> Central:
        if not self.wiring.overlay:
            return Central(self.home / "ovn")
        address, port = self._overlay_address()
        return Central(self.home / "ovn", f"pssl:{port}:{address}", await self._tls_in_time())

    async def _tls_in_time(self) -> Tls:
        """The control process that gives it starts beside us. Raises Unavailable."""
        for _ in range(CERTIFIED_WITHIN_S):
            with suppress(Unavailable):
                return self._tls()
            await self.clock.sleep(1.0)
        return self._tls()

    def _overlay_address(self) -> tuple[str, int]:
        try:
            return config_limits.address(self.wiring.overlay)
        except ValueError as e:
            raise AgentError(f"--overlay: {e}") from e

    def _tls(self) -> Tls:
        """By what hosts know each other. Raises Unavailable while there is none."""
        files = self.certificates()
        return Tls(files / "server-key.pem", files / "server-cert.pem", files / "ca-cert.pem")

    def host(self, southbound: str, tls: Tls | None = None) -> Host:
        """As it is wired. Raises AgentError."""
        wiring = self.wiring
        external = External(wiring.physical_network, wiring.external, wiring.masquerade) if wiring.external else None
        underlay = None
        if wiring.tunnel:
            device, equals, address = wiring.tunnel.partition("=")
            if not (device and equals and address):
                raise AgentError(f"--tunnel is DEVICE=ADDRESS/LENGTH, not {wiring.tunnel!r}.")
            underlay = Underlay(device, address)
        return Host(
            self.home / "ovs", self.name, southbound, netns=wiring.netns, external=external, underlay=underlay, tls=tls
        )

    async def _answer_guests(
        self, stack: AsyncExitStack, keeper: Keeper, host: Host, southbound: Path | Remote
    ) -> None:
        home = make_directory(make_directory(self.home / "ovn") / "metadata")  # ours alone, whatever the umask
        uid = NOBODY if os.geteuid() == 0 else os.geteuid()
        relay = Relay(home / "guests.sock", uid, self.ask)
        await relay.start()
        stack.push_async_callback(relay.stop)
        made = Metadata(home, host, southbound, self.clock, lambda directory: (*METADATA, directory, str(uid)))
        await made.start(keeper)
        stack.push_async_callback(made.stop)
