"""What servers have used in a span of time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from pileus.services.compute.usages.rules import Span, Total
from support.cloud import RunningCloud
from support.computed import at

USAGES = "/compute/v2.1/os-simple-tenant-usage"
DAY_S = 86_400.0


def said(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def since(cloud: RunningCloud) -> str:
    """The last day."""
    now = cloud.ctx().now()
    return f"start={said(now - DAY_S)}&end={said(now)}"


async def test_a_project_without_servers_has_used_nothing(cloud: RunningCloud) -> None:
    url = f"/compute/v2.1/os-simple-tenant-usage/{cloud.project_id}?{since(cloud)}"
    assert (await cloud.get(url)).json() == {"tenant_usage": {}}
    assert (await cloud.get(f"/compute/v2.1/os-simple-tenant-usage?{since(cloud)}")).json() == {"tenant_usages": []}


async def test_who_names_no_time_asks_for_this_moment(cloud: RunningCloud) -> None:
    """As openstacksdk does."""
    assert (await cloud.get(USAGES)).json() == {"tenant_usages": []}
    assert (await cloud.get(f"{USAGES}/{cloud.project_id}")).json() == {"tenant_usage": {}}


@pytest.mark.parametrize(
    "query",
    [
        "start=2026-01-02T00:00:00&end=2026-01-01T00:00:00",
        "start=2026-01-01",
        "start=yesterday",
        "start=2026-01-01T00:00:00&limit=x",
        "start=2026-01-01T00:00:00&marker=none",
    ],
)
async def test_a_span_that_is_none_is_refused(cloud: RunningCloud, query: str) -> None:
    for url in (USAGES, f"{USAGES}/{cloud.project_id}"):
        assert (await cloud.get(f"{url}?{query}", headers=at("2.40"))).status_code == 400


async def test_unknown_parameters_are_refused_from_2_75_on(cloud: RunningCloud) -> None:
    assert (await cloud.get(f"{USAGES}?{since(cloud)}&x=y", headers=at("2.74"))).status_code == 200
    assert (await cloud.get(f"{USAGES}?{since(cloud)}&x=y", headers=at("2.75"))).status_code == 400


async def test_each_project_sees_its_own(cloud: RunningCloud) -> None:
    reader = cloud.as_("reader")
    assert (await reader.get(f"{USAGES}/{reader.project_id}?{since(cloud)}")).status_code == 200
    assert (await reader.get(f"{USAGES}/{cloud.project_id}?{since(cloud)}")).status_code == 403
    assert (await reader.get(f"{USAGES}?{since(cloud)}")).status_code == 403


def a_span(**more: Any) -> Span:
    own = {"server_id": "s", "name": "web", "project_id": "p", "flavor": "m1.tiny", "state": "active"}
    return Span(**own, memory_mib=512, vcpus=2, disk_gib=1, **{"launched_at": 7200.0, **more})


@pytest.mark.parametrize(
    ("ended_at", "start", "stop", "hours"),
    [
        (None, 0.0, 14400.0, 2.0),
        (None, 10800.0, 14400.0, 1.0),
        (10800.0, 0.0, 14400.0, 1.0),
        (10800.0, 10800.0, 14400.0, 0.0),
        (None, 0.0, 3600.0, 0.0),
    ],
)
def test_hours_between_two_moments(ended_at: float | None, start: float, stop: float, hours: float) -> None:
    assert a_span(ended_at=ended_at).hours(start, stop) == hours


def test_hours_are_counted_times_what_a_server_has() -> None:
    assert Total(1.0, 64.0, 1.0, 1.0).plus(a_span(), 2.0) == Total(3.0, 1088.0, 5.0, 3.0)
