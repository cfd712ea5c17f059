"""A list page costs the same number of queries for 1 and for 30 items."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from pileus.kernel.http import Route
from support import placed
from support.block_storage import a_snapshot, a_transfer, an_attachment
from support.cloud import RunningCloud
from support.roomy import unlimited
from support.sample import BEHIND, REAL, a_checkpoint, at_version, parameters
from support.served import a_server

MORE = 30
SLOW = (a_server, a_snapshot, a_transfer, an_attachment)  # what takes many operations
FEWER = {a_checkpoint: 5, **dict.fromkeys(SLOW, 10)}  # a copy of the whole cloud

NEEDED = {
    "/placement/allocation_candidates": "?resources=VCPU:1",
    "/placement/usages": f"?project_id={placed.OWNER['project_id']}",
}
"""What must be asked for to be told anything."""

WITHOUT_GROWTH = {
    "/image/v2/info/stores": "one store",
    "/image/v2/info/stores/detail": "as above",
    "/image/v2/schemas/image": "what a document is made of",
    "/image/v2/schemas/images": "as above",
    "/image/v2/schemas/members": "as above",
    "/image/v2/schemas/tasks": "as above",
    "/network/v2.0/availability_zones": "one",
    "/network/v2.0/extensions": "what works",
    "/network/v2.0/service-providers": "one",
    "/volume/v3/extensions": "what works",
    "/volume/v3/os-availability-zone": "one",
    "/volume/v3/resource_filters": "what works",
    "/volume/v3/scheduler-stats/get_pools": "as many as hosts with volumes",
    "/compute/v2.1/extensions": "as many as extensions.toml names",
    "/compute/v2.1/os-availability-zone": "as many as aggregates make of their hosts; tests/spec/compute counts them",
    "/compute/v2.1/os-availability-zone/detail": "as above",
    "/identity/v2.0/tenants": "as /v3/auth/projects",
    "/pileus/v1/events": "a page of them is full before; tests/kernel/test_events.py counts it",
    "/pileus/v1/keys": "as many as identity.fernet_keys says",
    "/compute/v2.1/os-security-groups": "the caller's project's: those that are made here are in others",
    "/identity/v3/OS-FEDERATION/projects": "as /v3/auth/projects, of which it is the older name",
    "/identity/v3/auth/domains": "domains in which the caller has a role: as many as role assignments, not as rows",
    "/identity/v3/auth/projects": "as above",
    "/identity/v3/auth/system": "one line: all or nothing",
    "/identity/v3/role_assignments": "grows by assignments; tests/spec/identity counts it",
}
"""Lists that new rows of their noun do not make longer, and why."""


@pytest.mark.timeout(600)  # it makes thirty of everything
@pytest.mark.database("sqlite", long="postgresql")  # the queries are the same
async def test_a_list_costs_the_same_for_1_and_for_30_items(cloud: RunningCloud) -> None:
    lists = [r for r in cloud.routes if r.method == "GET" and not parameters(r) and not r.anonymous]
    await unlimited(cloud)
    makers = dict.fromkeys((*REAL.values(), *BEHIND.values()))
    for make in makers:
        await make(cloud)
    before = {r.path: await costs(cloud, r) for r in lists}
    for make in makers:
        for _ in range(FEWER.get(make, MORE)):
            await make(cloud)
    after = {r.path: await costs(cloud, r) for r in lists}
    dearer = {path: (before[path], cost) for path, cost in after.items() if cost[0] != before[path][0]}
    assert not dearer, "(queries, items) before and after"
    grown = {r.prefix + r.path for r in lists if after[r.path][1] > before[r.path][1]}
    flat = {r.prefix + r.path for r in lists if before[r.path][1]} - grown
    assert flat <= WITHOUT_GROWTH.keys(), "a list that was not made longer proves nothing"


async def costs(cloud: RunningCloud, route: Route) -> tuple[int, int]:
    """How many statements the second of two requests runs, and how many items it shows."""
    path = route.prefix + route.path
    path, headers = path + NEEDED.get(path, ""), at_version(route)
    await cloud.get(path, headers=headers)
    with statements(cloud) as run:
        answer = await cloud.get(path, headers=headers)
    return len(run), items(answer)


def items(answer: httpx.Response) -> int:
    """The length of the longest list at the top of the document."""
    document = answer.json() if answer.status_code == 200 and answer.text else {}
    return max((len(value) for value in document.values() if isinstance(value, list)), default=0)


@contextmanager
def statements(cloud: RunningCloud) -> Iterator[list[str]]:
    """What is run on the database during the block."""
    run: list[str] = []
    cloud.db.on_statement.append(run.append)
    try:
        yield run
    finally:
        cloud.db.on_statement.remove(run.append)
