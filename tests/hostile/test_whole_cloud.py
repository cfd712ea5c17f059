"""The same, sent to the real routes of `pileus up`: what the small server of the other tests cannot show."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from cli.conftest import Process, started
from hostile.conftest import HOST, Reply, Victim
from house.test_keys_everywhere import OF_A_SERVICE
from house.test_routes import title
from pileus.kernel.http import Route
from pileus.world import SERVICES
from support.cloud import RunningCloud
from support.sample import at_version, missing_path

MIB, GIB = 1 << 20, 1 << 30
TAKEN = 24 * MIB
ROUTES = [route for service in SERVICES for route in service.routes]
HOSTILE = {
    "deep lists": b"[" * 500_000,
    "deep objects": b'{"a":' * 150_000,
    "deep and well formed": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "NUL": b'{"%b": {"name": "a\\u0000b"}}',
    "NUL in a name": b'{"%b": {"a\\u0000b": 1}}',
    "a lone surrogate": b'{"%b": {"name": "\\ud800"}}',
    "a lone surrogate as bytes": b'{"%b": {"name": "\xed\xa0\x80"}}',
    "no UTF-8": b'{"%b": {"name": "\xff\xfe"}}',
    "beyond 64 bits": b'{"%b": {"name": 1%b}}' % (b"%b", b"0" * 40),
    "beyond a double": b'{"%b": {"name": 1e400}}',
    "not a number": b'{"%b": {"name": NaN}}',
}


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    process = started("up", "--simulate", "--ephemeral", "--listen", "127.0.0.1:0")
    yield process
    assert process.stop() == 0
    process.popen.communicate()


@pytest.fixture
def up(process: Process) -> Victim:
    return Victim(process.popen, int(process.url.rpartition(":")[2]))  # type: ignore[arg-type]


def memory(cloud: Victim) -> int:
    """The resident set, bytes."""
    return int(psutil.Process(cloud.process.pid).memory_info().rss)


async def is_well(cloud: Victim) -> bool:
    async with asyncio.timeout(5):
        return (await cloud.get("/identity/v3")).status == 200


async def poured(cloud: Victim, route: Route, token: str) -> tuple[Reply, int]:
    """The answer to 2 GiB sent to the route, and how much was sent until it came."""
    said = f"{route.method} {route.sample_path()}".encode() + HOST
    said += b"X-Auth-Token: %b\r\nContent-Type: application/json\r\n" % token.encode()
    said += "".join(f"{name}: {value}\r\n" for name, value in at_version(route).items()).encode()
    async with cloud.peer(said + b"Content-Length: %d\r\n\r\n" % (2 * GIB)) as peer:
        await peer.pour(b" " * 65_536, 2 * GIB)
        return await peer.reply(), peer.sent


async def test_no_route_takes_2_gb_of_a_body(up: Victim, process: Process) -> None:
    token, before, wrong = process.token(), memory(up), {}
    for route in (route for route in ROUTES if route.method != "HEAD"):
        reply, sent = await poured(up, route, token)
        no = 403 if title(route) in OF_A_SERVICE else 413
        refused = reply.status == no if route.body_type else reply.status < 500
        if not refused or sent > TAKEN or reply.headers.get("connection") != "close":
            wrong[str(route)] = reply.status, sent, reply.headers.get("connection")
    assert not wrong
    assert memory(up) - before < 16 * MIB
    assert await is_well(up)


async def test_limits_of_the_configuration_are_those_of_the_cloud(tmp_path: Path) -> None:
    (tmp_path / "pileus.toml").write_text("[http]\nheader_timeout_s = 1.0\nurl_bytes = 256\nheader_bytes = 1024\n")
    process = started(
        "up", "--simulate", "--ephemeral", "--listen", "127.0.0.1:0", "--config", tmp_path / "pileus.toml"
    )
    cloud = Victim(process.popen, int(process.url.rpartition(":")[2]))  # type: ignore[arg-type]
    try:
        for said, status in (
            (b"GET /" + b"a" * 300 + HOST + b"\r\n", 414),
            (b"GET /identity/v3" + HOST + b"X: " + b"a" * 1100 + b"\r\n\r\n", 431),
            (b"GET /identity/v3" + HOST, 408),  # and no more: a head that does not end
        ):
            async with cloud.peer(said) as peer, asyncio.timeout(10):
                assert (await peer.reply()).status == status
        assert await is_well(cloud)
    finally:
        assert process.stop() == 0
        process.popen.communicate()


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
async def test_every_route_with_a_body_refuses_what_is_no_document(cloud: RunningCloud, content: bytes) -> None:
    """With 400, in the shape of its service, and at once."""
    wrong: dict[str, Any] = {}
    for route in ROUTES:
        if route.body_type:
            body = content.replace(b"%b", key_of(route).encode())
            async with asyncio.timeout(2):
                asks = cloud.as_("service").headers if title(route) in OF_A_SERVICE else {}
                headers = {"Content-Type": "application/json", **at_version(route), **asks}
                answer = await cloud.request(route.method, route.sample_path(), content=body, headers=headers)
            if answer.status_code not in REFUSALS or not explained(answer):
                wrong[str(route)] = answer.status_code, answer.text[:200]
    assert not wrong


REFUSALS = {400, 415}  # 415: a change of an image, whose documents have types of their own


def explained(answer: httpx.Response) -> bool:
    """Whether it says why: as Image does (a page, or text), as Placement does, or as the other services."""
    if not answer.headers["content-type"].startswith("application/json"):
        return len(answer.text.split()) > 3
    fault = answer.json()
    return bool(fault["errors"][0]["detail"] if "errors" in fault else next(iter(fault.values()))["message"])


def key_of(route: Route) -> str:
    """The key around the route's body, or in it."""
    return next(iter(route.sample_body() or ()), "any")


@pytest.mark.parametrize("hostile", ["%00", "%ff", "%ed%a0%80", "%2e%2e", "%2f%2f", "x" * 5000, "%F0%9F%8C%A9"])
async def test_hostile_ids_name_nothing(cloud: RunningCloud, hostile: str) -> None:
    """They get a 400, or what any id gets that names nothing; but a PUT may make what its path names."""
    wrong: dict[str, Any] = {}
    made = set()
    for route in ROUTES:
        if "{" in route.path and not route.anonymous:
            path = hostile.join(part.partition("}")[2] or part for part in (route.prefix + route.path).split("{"))
            body = json.dumps(route.sample_body())
            answer = await cloud.request(route.method, path, content=body)
            other = await cloud.request(route.method, missing_path(route), content=body)
            if answer.status_code not in (400, other.status_code) and path not in made:
                wrong[f"{route} {path[:80]}"] = answer.status_code, answer.text[:200]
            if answer.status_code == 201:
                made.add(path)
    assert not wrong
