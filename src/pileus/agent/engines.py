"""Which engines an agent serves: simulators, or the real ones. Beside `world`, the only module that names them."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from pileus.agent.relay import Ask
from pileus.agent.wire import AgentError
from pileus.agent.wiring import Wiring
from pileus.engines.blocks import Blocks
from pileus.engines.blocks.sim import SimBlocks
from pileus.engines.hypervisor import Hypervisor
from pileus.engines.hypervisor.sim import SimHypervisor
from pileus.engines.overlay import Overlay
from pileus.engines.overlay.sim import SimOverlay
from pileus.engines.transfers import Transfers
from pileus.engines.verbs import Change
from pileus.kernel.clock import Clock
from pileus.kernel.errors import CloudError
from pileus.kernel.http.unix import LONGEST_PATH

logger = logging.getLogger("pileus.agent")

SWITCHES = ("ovs-vswitchd", "ovn-northd", "ovn-controller", "ethtool")
PASS_THROUGH = 0o711
Engines = list[tuple[type[Any], Any]]
"""Each by its protocol."""


@dataclass(frozen=True)
class Place:
    """The host whose engines they are. `home` is the agent's state; `central`: this machine also holds the overlay's."""

    home: Path
    name: str
    clock: Clock
    transfers: Transfers
    changed: Callable[[Change], None]
    central: bool
    certificates: Callable[[], Path]  # raises Unavailable while there are none
    wiring: Wiring
    ask: Ask  # the control plane, in the name of a guest
    address: str = ""  # by which other hosts reach this one


def simulated(place: Place) -> Engines:
    sim, clock, changed = place.home / "sim", place.clock, place.changed
    return [
        (Hypervisor, SimHypervisor(sim / "hypervisor", clock, transfers=place.transfers)),
        (Blocks, SimBlocks(sim / "blocks", clock, transfers=place.transfers)),
        (Overlay, SimOverlay(sim / "overlay", clock, changed=changed)),
    ]


@asynccontextmanager
async def real(place: Place) -> AsyncIterator[Engines]:
    """They work inside the block; what they started goes on after it. Raises AgentError for what this machine lacks."""
    place.home.chmod(PASS_THROUGH)  # QEMU is another user, and opens its files below
    async with AsyncExitStack() as stack:
        try:
            engines, environment = await networking(place, stack)
            engines.append((Hypervisor, await guests(place, stack, environment)))
            engines.append((Blocks, await volumes(place)))
        except CloudError as e:
            raise AgentError(e.message) from e
        yield engines


async def networking(place: Place, stack: AsyncExitStack) -> tuple[Engines, Mapping[str, str]]:
    """The switch of this host and, in one place, the overlay; and where programs find the switch."""
    from pileus.agent.networking import Networking

    require(*SWITCHES)
    made = Networking(place.home, place.name, place.wiring, place.clock, place.ask, place.certificates)
    if not place.central:
        return [], (await made.join(stack)).environment if place.wiring.overlay else {}
    overlay, host = await made.start(stack, place.changed)
    return [(Overlay, overlay)], host.environment


async def volumes(place: Place) -> Blocks:
    from pileus.engines.blocks.files import FilesBlocks
    from pileus.engines.blocks.files.exports import Site

    require("qemu-img", "qemu-storage-daemon")
    site = Site(place.name, place.address, place.certificates)
    made = FilesBlocks(place.home / "blocks", place.transfers, site)
    await made.resume()
    return made


async def guests(place: Place, stack: AsyncExitStack, environment: Mapping[str, str]) -> Hypervisor:
    from pileus.engines.hypervisor.libvirt import kvm
    from pileus.engines.hypervisor.libvirt.daemon import PROGRAMS, Libvirtd

    require(*PROGRAMS)
    try:
        from pileus.engines.hypervisor.libvirt.engine import LibvirtHypervisor
        from pileus.engines.hypervisor.libvirt.road import Road
        from pileus.engines.hypervisor.libvirt.xml import Site
    except ModuleNotFoundError as e:
        raise AgentError(
            f"Python has no module {e.name}: say script/setup --real, or pip install pileus[libvirt]."
        ) from e

    accelerator = "kvm" if await kvm.boots_guests() else "tcg"
    logger.info("guests run", extra={"facts": {"accelerator": accelerator}})
    home = place.home / "hypervisor"
    longest = home / "guests" / str(UUID(int=0)) / "sockets" / "serial"
    if len(os.fsencode(longest)) > LONGEST_PATH:
        raise AgentError(f"The path of the state is too long for the sockets of guests below it: {place.home}")
    daemon = Libvirtd(
        home / "libvirt",
        place.home / "tls" / "nbd",
        kvm=accelerator == "kvm",
        environment=environment,
        netns=place.wiring.netns,
    )
    site = Site(accelerator, place.home / "blocks")
    made = LibvirtHypervisor(
        home,
        place.clock,
        road=Road(daemon, place.name, place.address, place.certificates),
        site=site,
        transfers=place.transfers,
        changed=place.changed,
    )
    await stack.enter_async_context(made.running())
    return made


def require(*programs: str) -> None:
    """Raises AgentError for those that this machine lacks."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise AgentError(
            f"This machine lacks {', '.join(missing)}: say script/setup --real. "
            "Or run without a real host: --simulate, or --no-agent."
        )
