"""Chaos on a simulated cloud: it comes to rest with nothing lost, the same seed gives the same history, and what is wrong is told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from crash.chaos import burn, fire
from crash.tenants import COMPUTE, NETWORK, TINY, Tenant

pytestmark = [pytest.mark.database("sqlite"), pytest.mark.timeout(300)]
SEED, DEEDS, HOSTS = 20_261_130, 150, 4
DONE = [f"POST {kind}" for kind in ("servers", "networks", "volumes", "ports", "images")]
IN_TIME = time.monotonic() + 86_400


async def burnt(home: Path, run: Path, seed: int, deeds: int) -> tuple[str, list[str]]:
    home.mkdir()
    async with fire(home, run, seed, HOSTS) as chaos:
        assert await burn(chaos, deeds, IN_TIME) == deeds
        done = chaos.tenants[0].history.done
        assert sum(done.values()) > deeds / 4
        if deeds >= DEEDS:
            names = {*(name for name, _ in chaos.troubles()), "in the middle of something", "taken for dead"}
            assert {name for name in names if not chaos.counted[name]} == set()
            assert {kind for kind in DONE if not done[kind]} == set()
        return chaos.digest(), await chaos.faults()


async def test_a_seed_gives_one_history_which_leaves_nothing_behind(tmp_path: Path, run_directory: Path) -> None:
    first = await burnt(tmp_path / "first", run_directory, SEED, DEEDS)
    assert first[1] == []
    assert await burnt(tmp_path / "again", run_directory, SEED, DEEDS) == first
    assert (await burnt(tmp_path / "other", run_directory, SEED + 1, 20))[0] != first[0]


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_long_history_leaves_nothing_behind(tmp_path: Path, run_directory: Path) -> None:
    seed = time.time_ns() % 2**32
    print(f"script/chaos --seed {seed} --deeds 5000 --hosts {HOSTS}")
    _, found = await burnt(tmp_path / "cloud", run_directory, seed, 5000)
    assert found == []


async def test_what_is_lost_seen_or_under_way_is_told(tmp_path: Path, run_directory: Path) -> None:
    async with fire(tmp_path, run_directory, SEED, HOSTS) as chaos:
        await burn(chaos, 20, IN_TIME)
        assert await chaos.faults() == []
        first = chaos.tenants[0]
        first.made["none"] = "/image/v2/images/none"
        first.made["public"] = f"/image/v2/images/{first.history.image}"
        network = (await first.act("POST", f"{NETWORK}/networks", json={"network": {"name": "n"}})).json()["network"][
            "id"
        ]
        path = f"{NETWORK}/networks/{network}"
        assert (await first.act("PUT", path, json={"network": {"name": "mine"}})).status_code == 200
        assert (await chaos.operator.http.put(path, json={"network": {"name": "other"}})).status_code == 200
        stranger = Tenant(chaos.operator.http, chaos.tenants[1].project_id, first.history, first.chance)
        await stranger.every("network")  # an administrator's list, which has those of all
        server = {"name": "s", "flavorRef": TINY, "imageRef": first.history.image, "networks": "none"}
        made = (await first.act("POST", f"{COMPUTE}/servers", json={"server": server})).json()["server"]["id"]
        found = await chaos.faults()
        assert "lost: /image/v2/images/none" in found
        assert f"seen by a stranger: {first.made['public']}" in found
        assert f"changed and not so: {path}: name is 'other', and was said to be [\"'mine'\"]" in found
        assert any(f"list of {stranger.project_id}" in each and network in each for each in found)
        assert not any(f"list of {stranger.project_id}" in each and first.history.public in each for each in found)
        assert any(made in each and "BUILD" in each for each in found)
