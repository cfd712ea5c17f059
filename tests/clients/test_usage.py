"""What real clients read of the time for which servers were there, in a cloud whose clock moves when it is told."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clients.conftest import DEFAULTS, Openstack
from pileus.kernel.clock import SteppingClock
from support.cloud import PASSWORD
from support.listening import listening_cloud
from support.sdk import ITS_OWN_WARNINGS, connected
from support.served import SERVERS, made

pytestmark = ITS_OWN_WARNINGS
HOURS = 2.0
ADMIN = {"username": "admin", "password": PASSWORD, "project_name": "admin"}


async def test_clients_read_for_how_long_a_server_was_there(tmp_path: Path, interpreter: subprocess.Popen[str]) -> None:
    async with listening_cloud(tmp_path) as (cloud, url):
        clock = cloud.world.clock
        assert isinstance(clock, SteppingClock)
        server = await made(cloud)
        clock.advance(HOURS * 3600)
        assert (await cloud.delete(f"{SERVERS}/{server.id}")).status_code == 204
        await cloud.settle()
        clock.advance(3600)  # it is there no longer
        now = datetime.fromtimestamp(clock.now(), UTC).replace(tzinfo=None)
        span = (now - timedelta(days=1), now + timedelta(days=1))

        usage = await asyncio.to_thread(usage_by_sdk, f"{url}/identity/v3", cloud.project_id, *span)
        assert usage.total_hours == pytest.approx(HOURS, abs=0.01)
        assert usage.total_memory_mb_usage == pytest.approx(192 * usage.total_hours)
        (one,) = usage.server_usages
        assert (one.instance_id, one.state) == (str(server.id), "terminated")

        says = Openstack(interpreter, ()).who(auth_url=f"{url}/identity/v3", **DEFAULTS, **ADMIN)
        days = "--start {:%Y-%m-%d} --end {:%Y-%m-%d}".format(*span)
        shown = await asyncio.to_thread(says.shows, f"usage show {days}")
        assert [each["instance_id"] for each in shown["Servers"]] == [str(server.id)]
        assert shown["CPU Hours"] == pytest.approx(HOURS, abs=0.01)
        (listed,) = await asyncio.to_thread(says.shows, f"usage list {days}")
        assert (listed["Project"], listed["CPU Hours"]) == (cloud.project_id, shown["CPU Hours"])


def usage_by_sdk(auth_url: str, project_id: str, start: datetime, end: datetime) -> Any:
    return connected(auth_url, **ADMIN).compute.get_usage(project_id, start=start, end=end)
