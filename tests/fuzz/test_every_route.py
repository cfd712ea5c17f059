"""Whatever is sent to whatever route, by whomever: an answer in bounded time, and never a 5xx."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fuzz.requests import Request, requests
from pileus.kernel.http import Route
from pileus.services.cloud.http import api as cloud_api
from pileus.services.identity.routes import api as identity_api
from pileus.world import SERVICES
from support.cloud import RunningCloud
from support.roomy import unlimited
from support.sample import REAL, filled

LEFT_OUT = {
    "/v1/events": "a stream of events ends when the reader leaves",
    "/v1/reset": "ends the cloud that is asked",
    "/v1/checkpoints/{name}/action": "as above: every token is gone",
}
ROUTES = [r for s in SERVICES for r in s.routes if r.method != "WEBSOCKET" and r.path not in LEFT_OUT]
MOST_S = 5.0  # for one request on a busy machine; what takes longer holds others up
NOT_HERE = 501  # said on purpose, of what the API has and this cloud does not
SHORT, LONG = 200, 5_000  # examples, each of several requests
EACH = 3  # requests to each route at the least

assert {identity_api, cloud_api} <= set(SERVICES)
several = st.lists(requests(ROUTES), min_size=1, max_size=8)
usual = settings(
    deadline=None, suppress_health_check=list(HealthCheck), max_examples=SHORT, database=None, print_blob=True
)


@pytest.mark.timeout(300)
@settings(usual)
@given(sent=several)
async def test_no_request_breaks_the_cloud(cloud: RunningCloud, sent: list[Request]) -> None:
    await send_all(cloud, sent)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(usual, max_examples=LONG)
@given(sent=several)
async def test_no_request_of_many_breaks_the_cloud(cloud: RunningCloud, sent: list[Request]) -> None:
    await send_all(cloud, sent)


@pytest.mark.timeout(300)
@pytest.mark.database("sqlite", long="postgresql")
async def test_no_route_breaks(cloud: RunningCloud) -> None:
    """Each is sent something: what is drawn above may never come to some."""
    await unlimited(cloud)
    broken = {}
    for route in ROUTES:
        for request in drawn(route):
            answer, _ = await send(cloud, request)
            if answer.status_code >= 500 and answer.status_code != NOT_HERE:
                broken[str(route)] = request, answer.status_code, answer.text[:200]
    assert not broken


def drawn(route: Route) -> list[Request]:
    """The same at each run: the least that may be sent, and what is not so simple."""
    found = []

    @settings(usual, max_examples=EACH, phases=[Phase.generate], derandomize=True)
    @given(sent=requests([route], stray=False))
    def collect(sent: Request) -> None:
        found.append(sent)

    collect()
    return found


async def send_all(cloud: RunningCloud, sent: list[Request]) -> None:
    """One after the other: what the first made is there for the next."""
    for request in sent:
        answer, took_s = await send(cloud, request)
        assert answer.status_code < 500 or answer.status_code == NOT_HERE, (request, answer.status_code, answer.text)
        assert took_s < MOST_S, (request, took_s)
    assert (await cloud.get(f"/identity/v3/projects/{cloud.project_id}")).status_code == 200


async def send(cloud: RunningCloud, request: Request) -> tuple[httpx.Response, float]:
    path, mark, query = request.path.partition("?")
    path, content = await filled(cloud, path) + mark + query, request.content
    for name, make in REAL.items():
        if content and f"{{{name}}}".encode() in content:
            content = content.replace(f"{{{name}}}".encode(), (await make(cloud)).encode())
    token = {"admin": cloud.headers, "member": cloud.as_("member").headers, "stranger": cloud.stranger, "nobody": {}}
    headers = {**{k: v.encode("latin-1") for k, v in request.headers.items()}}
    headers |= {k: v.encode() for k, v in token[request.who].items()}
    began = time.perf_counter()
    async with asyncio.timeout(2 * MOST_S):
        answer = await cloud.worked(cloud.http.request(request.method, path, content=content, headers=headers))
    return answer, time.perf_counter() - began
