"""`pileus down --purge` takes OVN away without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import pileus
from pileus.engines.overlay.ovn import links
from pileus.engines.overlay.ovn.daemons import run
from pileus.engines.overlay.ovn.host import External
from real.overlay_world import world

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("real")]


def running(home: Path) -> list[str]:
    """Processes that were started on this folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes()
        except OSError:
            continue
        if str(home).encode() in words:
            found.append(words.decode(errors="replace"))
    return found


async def test_nothing_is_left() -> None:
    async with world(rooms=True) as real:
        netns = real.hosts["h1"].netns
        (real.home / "lock").touch()
        await real.keeper.stop()
        assert running(real.home)
        done = pileus("down", "--purge", "--state", real.home)
        assert done.returncode == 0, done.stderr
        assert running(real.home) == []
        assert not (links.NAMESPACES / netns).exists()
        assert not real.home.exists()
        assert pileus("down", "--purge", "--state", real.home).returncode == 0


async def test_what_leaves_the_machine_may_carry_its_address() -> None:
    async with world(external=External(masquerade=True)) as real:
        netns = real.hosts["h1"].netns
        assert "masquerade" in await run("nft", "list", "table", "ip", "pileus", netns=netns)
        await real.hosts["h1"].start(real.keeper)
        rules = await run("nft", "list", "table", "ip", "pileus", netns=netns)
        assert rules.count("masquerade") == 1
