"""`Idempotency-Key` on every route that writes: sent again, the same answer comes back and nothing is done twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from inspect import isawaitable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from house.test_routes import title
from pileus.kernel.http import Route
from pileus.kernel.http.idempotency import METHODS
from support.cloud import RunningCloud, running_cloud
from support.sample import a_service, missing_path, real_path


async def an_endpoint(cloud: RunningCloud) -> Any:
    return {"endpoint": {"interface": "public", "url": "http://once.example/", "service_id": await a_service(cloud)}}


BODIES: dict[str, Any] = {
    "PATCH /identity/v3/credentials/{credential_id}": {"credential": {"blob": "another"}},
    "POST /identity/v3/credentials": lambda cloud: {
        "credential": {"blob": "once", "type": "cert", "user_id": cloud.user_id}
    },
    "PATCH /identity/v3/endpoints/{endpoint_id}": {"endpoint": {"name": "once"}},
    "PATCH /identity/v3/regions/{region_id}": {"region": {"description": "once"}},
    "PATCH /identity/v3/services/{service_id}": {"service": {"name": "once"}},
    "POST /identity/v3/domains": {"domain": {"name": "once"}},
    "POST /identity/v3/endpoints": an_endpoint,
    "POST /identity/v3/projects": {"project": {"name": "once"}},
    "POST /identity/v3/roles": {"role": {"name": "once"}},
    "POST /identity/v3/services": {"service": {"type": "once"}},
    "POST /identity/v3/users": {"user": {"name": "once", "password": "hunter2hunter2"}},
    "POST /pileus/v1/checkpoints": {"checkpoint": {"name": "once"}},
}
"""What is accepted, where the smallest body is not; or what makes it, where it names what is there."""


AT_A_NEW_PATH = {"PUT /identity/v3/regions/{region_id}"}
"""What makes the thing at its path: there may be none yet."""

FORGETS_WITH_A_REASON = {
    "POST /pileus/v1/reset": "the state that is put back knows nothing of the key",
    "POST /pileus/v1/checkpoints/{name}/action": "as above",
}


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path) -> AsyncIterator[RunningCloud]:
    """One that lets hosts in."""
    async with running_cloud(database_url, tmp_path / "state", {"agents.listen": "127.0.0.1:0"}) as cloud:
        yield cloud


async def test_a_request_sent_twice_under_one_key_happens_once(cloud: RunningCloud) -> None:
    wrong = {}
    for route in writing(cloud):
        first, again = await twice(cloud, route)
        answers = (first.status_code, first.text), (again.status_code, again.text)
        replayed = again.headers.get("idempotency-replayed")
        if not first.is_success or answers[0] != answers[1] or replayed != "true":
            wrong[str(route)] = (*answers, replayed)
    assert not wrong


def writing(cloud: RunningCloud) -> list[Route]:
    return [
        r for r in cloud.routes if r.method in METHODS and not r.anonymous and title(r) not in FORGETS_WITH_A_REASON
    ]


async def twice(cloud: RunningCloud, route: Route) -> tuple[httpx.Response, httpx.Response]:
    """Both answers to one request for something that is there."""
    path = missing_path(route) if title(route) in AT_A_NEW_PATH else await real_path(cloud, route)
    headers = {"Idempotency-Key": uuid4().hex}
    if route.method == "DELETE" and any(r.method == "PUT" and r.path == route.path for r in cloud.routes):
        await cloud.put(path)
    if route.path == "/v3/auth/tokens":
        headers["X-Subject-Token"] = cloud.as_("reader").headers["X-Auth-Token"]
    body = BODIES.get(title(route), route.sample_body())
    body = body(cloud) if callable(body) else body
    body = await body if isawaitable(body) else body
    sent = {"headers": headers, **({} if body is None else {"json": body})}
    return await cloud.request(route.method, path, **sent), await cloud.request(route.method, path, **sent)
