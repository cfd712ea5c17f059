"""/pileus/v1/hosts: who is there, who may come, who is stated dead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pileus.kernel import hosts
from pileus.kernel.join_token import JoinToken
from support.cloud import RunningCloud, running_cloud

URL = "/pileus/v1/hosts"


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(database_url, tmp_path / "state", {"agents.listen": "127.0.0.1:0"}) as cloud:
        yield cloud


async def join(cloud: RunningCloud, name: str) -> None:
    """As if an agent of that name had come and had posted once."""
    async with cloud.ctx().transaction() as tx:
        await hosts.join(tx, name, serial=f"serial of {name}", address="10.0.0.1:8790")
    said = {"address": "10.0.0.1:8790", "facts": {"versions": {"hypervisor": 1}}}
    await cloud.world.hosts.renew(cloud.ctx(), name, **said)  # type: ignore[arg-type]


async def test_hosts_are_listed_by_name_and_shown(cloud: RunningCloud) -> None:
    await join(cloud, "a1")
    found = (await cloud.get(URL)).json()["hosts"]
    assert [(host["name"], host["address"], host["usable"]) for host in found] == [
        ("a1", "10.0.0.1:8790", True),
        ("h1", None, True),
        ("h2", None, True),
    ]
    shown = await cloud.get(f"{URL}/a1")
    assert shown.json()["host"] == found[0]
    assert found[0]["engines"] == {"hypervisor": 1}
    assert (await cloud.get(f"{URL}/none")).status_code == 404


async def test_a_token_is_made_for_a_name_and_told_once(cloud: RunningCloud) -> None:
    made = await cloud.post(f"{URL}/tokens", json={"token": {"host": "a1"}})
    assert made.status_code == 201
    token = made.json()["token"]
    assert JoinToken.parse(token["join"]).host == token["host"] == "a1"
    assert token["expires_at"].endswith("Z")
    assert (await cloud.post(f"{URL}/tokens", json={"token": {"host": "A 1"}})).status_code == 400


async def test_a_host_is_stated_dead_brought_back_and_deleted(cloud: RunningCloud) -> None:
    await join(cloud, "a1")
    assert (await cloud.delete(f"{URL}/a1")).status_code == 409
    assert (await cloud.post(f"{URL}/a1/action", json={"fence": None})).status_code == 204
    fenced = (await cloud.get(f"{URL}/a1")).json()["host"]
    assert (fenced["fenced"], fenced["usable"]) == (True, False)
    assert (await cloud.post(f"{URL}/a1/action", json={"lift_fence": None})).status_code == 204
    assert not (await cloud.get(f"{URL}/a1")).json()["host"]["fenced"]
    await cloud.post(f"{URL}/a1/action", json={"fence": None})
    assert (await cloud.delete(f"{URL}/a1")).status_code == 204
    assert (await cloud.get(f"{URL}/a1")).status_code == 404


async def test_only_an_administrator_sees_hosts_or_lets_them_in(cloud: RunningCloud) -> None:
    for role in ("manager", "member", "reader"):
        client = cloud.as_(role)
        assert (await client.get(URL)).status_code == 403
        assert (await client.post(f"{URL}/tokens", json={"token": {"host": "a1"}})).status_code == 403
        assert (await client.post(f"{URL}/h1/action", json={"fence": None})).status_code == 403
        assert (await client.delete(f"{URL}/h1")).status_code == 403


async def test_a_cloud_that_listens_for_no_agents_makes_no_tokens(database_url: str, tmp_path: Path) -> None:
    async with running_cloud(database_url, tmp_path / "state") as cloud:
        refused = await cloud.post(f"{URL}/tokens", json={"token": {"host": "a1"}})
    assert refused.status_code == 409
    assert "[agents]" in refused.json()["error"]["message"]
