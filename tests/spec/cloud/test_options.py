"""Options that change what every route answers: an operator's policy, rates, other origins."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from support.cloud import RunningCloud, running_cloud

PROJECTS = "/identity/v3/projects"
Opened = Callable[[dict[str, Any]], AbstractAsyncContextManager[RunningCloud]]

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def opened(database_url: str, tmp_path: Path) -> Opened:
    """Opens a cloud with these options."""
    return lambda options: running_cloud(database_url, tmp_path / "state", options)


async def test_a_refusal_names_the_rule_and_the_role_that_would_do(cloud: RunningCloud) -> None:
    refused = await cloud.as_("member").post(PROJECTS, json={"project": {"name": "p"}})
    assert refused.status_code == 403
    message = refused.json()["error"]["message"]
    assert "identity:create_project" in message
    assert "admin" in message


async def test_the_operators_policy_is_the_clouds(opened: Opened, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('"identity:create_project": "role:member"\n"identity:list_regions": "!"\n')
    async with opened({"policy.file": str(file)}) as cloud:
        made = await cloud.as_("member").post(PROJECTS, json={"project": {"name": "p"}})
        assert made.status_code == 201
        refused = await cloud.get("/identity/v3/regions")
        assert refused.status_code == 403
        assert "identity:list_regions" in refused.json()["error"]["message"]


async def test_each_project_has_its_own_rate(opened: Opened) -> None:
    async with opened({"http.rate_per_s": 0.5, "http.rate_burst": 3}) as cloud:
        answers = [await cloud.get(PROJECTS) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert (await cloud.http.get(PROJECTS, headers=cloud.stranger)).status_code != 429


async def test_rates_are_off_unless_asked_for(cloud: RunningCloud) -> None:
    assert {(await cloud.get(PROJECTS)).status_code for _ in range(150)} == {200}


async def test_scripts_of_named_origins_may_call(opened: Opened) -> None:
    ask = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    async with opened({"api.cors_origins": ["https://a.example"]}) as cloud:
        preflight = await cloud.http.options(PROJECTS, headers=ask)
        assert preflight.headers["access-control-allow-origin"] == "https://a.example"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        answer = await cloud.get(PROJECTS, headers={"Origin": "https://a.example"})
        assert answer.headers["access-control-allow-origin"] == "https://a.example"
        assert answer.headers["vary"].lower().split(", ").count("origin") == 1
        other = await cloud.get(PROJECTS, headers={"Origin": "https://b.example"})
        assert "access-control-allow-origin" not in other.headers
