"""Chaos on three real hosts: whoever is killed, stands still or is cut off, the cloud comes to rest by itself."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from crash.real_chaos import fire
from support.sdk import ITS_OWN_WARNINGS

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("real"),
    *ITS_OWN_WARNINGS,
]

FIRE_S = 60.0


async def test_a_fire_on_real_hosts_leaves_nothing_behind(workshop: Path, tiny: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"script/chaos --real --seed {seed} --minutes {FIRE_S / 60:g}")
    home = workshop / "k"  # short: sockets are below it
    home.mkdir()
    async with fire(home, tiny, seed, tenants=2) as burning:
        await burning.burn(FIRE_S)
        assert sum(burning.counted.values()) > 3
        assert any(name.endswith("killed") for name in burning.counted)
        history = burning.tenants[0].history
        assert sum(number for what, number in history.counted.items() if "openstacksdk" in what) > 0
        done = history.done
        assert sum(done.values()) > 10
        assert min(done[f"POST {kind}"] for kind in ("servers", "networks", "volumes")) > 0
        assert await burning.rest() == []
