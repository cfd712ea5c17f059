"""Take away what a host has of OVN: processes, by the locks on their pid files; devices and namespaces, by what was noted."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path

import msgspec

from pileus.engines.files import read_or_none
from pileus.engines.overlay.ovn import links
from pileus.engines.overlay.ovn.daemons import Daemon, run
from pileus.engines.overlay.ovn.host import MADE, TABLE, Made
from pileus.engines.overlay.ovn.metadata import metadata_netns
from pileus.kernel.errors import Unavailable


async def end_all(*homes: Path) -> None:
    """Every daemon of these folders has ended. What they have kept stays, as do the devices of a switch."""
    daemons = [Daemon(file.stem, home, ()) for home in homes for file in home.glob("*.pid")]
    await asyncio.gather(*(daemon.end(signal.SIGTERM) for daemon in daemons))


async def remove(host: Path) -> None:
    """Nothing of the host's is left outside of its folder. Its daemons must have ended; it may be said again."""
    noted = read_or_none(host / MADE)
    if noted is None:
        return
    made = msgspec.json.decode(noted, type=Made)
    await links.ensure_netns_gone(metadata_netns(made.netns))
    if made.netns:
        await links.ensure_netns_gone(made.netns)
        return
    for device in made.devices:
        await links.ensure_gone(device)
    if made.masquerades:
        with suppress(Unavailable):
            await run("nft", "delete", "table", "ip", TABLE)
