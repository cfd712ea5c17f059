"""What has ended is kept for a while and no longer, of every kind, by the housekeeping of the cloud itself."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pkgutil import walk_packages
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from pileus import kernel, services
from pileus.kernel.clock import SteppingClock
from pileus.kernel.db import metadata
from pileus.world import PURGES
from support.block_storage import a_message
from support.cloud import RunningCloud
from support.served import a_server
from support.waiting import pause

ENDED = (
    "audit",
    "compute_block_device",
    "compute_server",
    "compute_server_action",
    "event",
    "idempotency_key",
    "identity_trust",
    "operation",
    "operation_log",
    "volume_message",
)


async def kept(cloud: RunningCloud) -> dict[str, set[Any]]:
    """The keys of the rows of each kind."""
    keys = {name: sa.select(*metadata.tables[name].primary_key) for name in ENDED}
    async with cloud.db.read() as connection:
        return {name: {tuple(row) for row in await connection.execute(each)} for name, each in keys.items()}


async def fill(cloud: RunningCloud) -> None:
    """One of each kind, that has ended."""
    project = {"project": {"name": "once"}}
    made = await cloud.post("/identity/v3/projects", json=project, headers={"Idempotency-Key": uuid4().hex})
    assert made.status_code == 201
    trust = {"trustor_user_id": cloud.user_id, "trustee_user_id": cloud.as_("member").user_id, "impersonation": False}
    body = {"trust": {**trust, "project_id": cloud.project_id, "roles": [{"name": "admin"}]}}
    lent = (await cloud.post("/identity/v3/OS-TRUST/trusts", json=body)).json()["trust"]
    assert (await cloud.delete(f"/identity/v3/OS-TRUST/trusts/{lent['id']}")).status_code == 204
    await a_message(cloud)
    server = await a_server(cloud)
    assert (await cloud.delete(f"/compute/v2.1/servers/{server}")).status_code == 204
    await cloud.settle()


async def test_what_is_past_its_retention_goes_whatever_it_is(cloud: RunningCloud) -> None:
    await fill(cloud)
    before = await kept(cloud)
    assert all(before.values()), before
    assert isinstance(cloud.world.clock, SteppingClock)
    cloud.world.clock.advance(cloud.world.config.operations.retention_s + 1)
    await cloud.world.start()
    async with asyncio.timeout(30):
        while any(rows & before[name] for name, rows in (await kept(cloud)).items()):
            await pause(0.02)


def test_whatever_can_be_purged_is() -> None:
    """A purge that nobody runs keeps rows for ever, and no test of it would tell."""
    names = [found.name for room in (kernel, services) for found in walk_packages(room.__path__, f"{room.__name__}.")]
    rooms = [vars(import_module(name)) for name in names if not name.endswith(".store")]
    assert {room["purge"] for room in rooms if "purge" in room} == set(PURGES)
