"""What surrounds each handler: tokens, policy, faults, ids, the log, other origins, rates, second tries."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from pileus.kernel.config import Api, Config, Http
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden, NotFound, TryAgain, Unavailable
from pileus.kernel.http import Answer, App, FilePart, Here, Route, Service, Stream, build_app
from pileus.kernel.http.answers import raw_headers
from pileus.kernel.http.rates import PROJECTS, Rates
from support.http_demo import (
    CALLERS,
    MEMBER,
    World,
    authenticate,
    client_of,
    http_scope,
    served,
    spoken,
    widget_service,
)

pytestmark = pytest.mark.database("sqlite")
URL = "/compute/v2.1/widgets"
REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
GLOBAL = "req-0123abcd-0123-0123-0123-0123456789ab"


@pytest.mark.parametrize("headers", [{}, {"x-auth-token": ""}, {"x-auth-token": "forged"}])
async def test_without_a_valid_token_it_says_where_to_get_one(api: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await api.post(URL, headers=headers)
    assert (answer.status_code, answer.json()["unauthorized"]["code"]) == (401, 401)
    assert answer.headers["www-authenticate"] == 'Keystone uri="http://cloud.test/identity"'


async def test_who_could_never_is_refused_before_the_body_is_read(api: httpx.AsyncClient) -> None:
    for path, body in ((URL, b"{"), (f"{URL}/x/action", b'{"pause":null}')):
        answer = await api.post(path, content=body, headers={"x-auth-token": "reader"})
        assert answer.status_code == 403
        assert "widgets:" in answer.json()["forbidden"]["message"]


class Nosy:
    """What the routes of `odd_service` were given, and how often they ran."""

    def __init__(self) -> None:
        self.runs = 0
        self.closed = False
        self.seen: list[Ctx] = []


def odd_service(nosy: Nosy, home: Path) -> Service:
    api = Service("odd", "/odd")
    declare_failures(api, nosy)
    declare_streams(api, nosy, home)
    declare_answers(api, nosy)
    return api


def declare_failures(api: Service, nosy: Nosy) -> None:

    @api.get("/broken", anonymous=True)
    async def broken(ctx: Ctx) -> None:
        raise ZeroDivisionError("the password is hunter2")

    @api.post("/busy/{times}", anonymous=True)
    async def busy(ctx: Ctx, times: int, body: dict[str, Any]) -> Any:
        nosy.runs += 1
        body["ran"] = True
        if nosy.runs <= times:
            raise TryAgain("40001")
        return {"runs": nosy.runs}


def declare_streams(api: Service, nosy: Nosy, home: Path) -> None:
    @api.put("/stream", anonymous=True)
    async def stream(ctx: Ctx, request: Request) -> Any:
        nosy.runs += 1
        size = 0
        async for piece in request.stream():
            size += len(piece)
        if size == 3:
            raise TryAgain("40001")
        return {"size": size}

    @api.get("/pieces/{many}", anonymous=True, status=203)
    async def pieces(ctx: Ctx, many: int) -> Stream:
        async def made() -> AsyncIterator[bytes]:
            try:
                for _ in range(many):
                    yield b"abc"
                if many == 2:
                    raise Unavailable("The disk is gone.")
            finally:
                nosy.closed = True

        return Stream(made(), None, "text/plain", {"X-Object": "1"})

    @api.get("/file/{size}", anonymous=True)
    async def file(ctx: Ctx, size: int) -> Stream:
        path = home / "data"
        path.write_bytes(b"0123456789")
        return Stream(FilePart(path, 0, size))


def declare_answers(api: Service, nosy: Nosy) -> None:
    @api.post("/seen", rule="widgets:show")
    async def seen(ctx: Ctx) -> Answer:
        nosy.seen.append(ctx)
        return Answer({"ok": True}, 201, {"X-Subject-Token": "t", "Location": "/ä"})

    @api.get("/seen", rule="widgets:show")
    async def look(ctx: Ctx) -> None:
        nosy.seen.append(ctx)
        raise NotFound("Not here.", headers={"X-Why": "none"}, looked=3)


@pytest.fixture
def nosy() -> Nosy:
    return Nosy()


@pytest.fixture
async def odd(world: World, nosy: Nosy, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with served(world, odd_service(nosy, tmp_path)) as client:
        yield client


async def test_what_breaks_says_only_its_id(odd: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = await odd.get("/odd/broken")
    request_id = answer.headers["x-openstack-request-id"]
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, 500)
    assert request_id in answer.json()["error"]["message"]
    assert "hunter2" not in answer.text
    assert "ZeroDivisionError" not in answer.text
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_a_fault_may_be_said_in_another_media_type(world: World) -> None:
    api = Service(
        "s3", "/s3", fault=lambda e: Answer(f"<Code>{e.request_id}</Code>", e.status + 1, {"X-A": "b"}, "text/xml")
    )

    @api.get("/x", anonymous=True)
    async def refuse(ctx: Ctx) -> None:
        raise Forbidden("No.", headers={"X-A": "a", "X-C": "c"})

    async with served(world, api) as client:
        answer = await client.get("/s3/x")
    assert (answer.status_code, answer.headers["content-type"], answer.headers["x-a"]) == (404, "text/xml", "b")
    assert answer.text == f"<Code>{answer.headers['x-openstack-request-id']}</Code>"


async def test_what_the_database_undid_is_done_again(odd: httpx.AsyncClient, nosy: Nosy) -> None:
    assert (await odd.post("/odd/busy/3", json={})).json() == {"runs": 4}
    nosy.runs = 0
    refused = await odd.post("/odd/busy/9", json={})
    assert (refused.status_code, nosy.runs) == (503, 4)


async def test_a_token_that_cannot_be_looked_up_now_is_no_wrong_token(world: World) -> None:
    async def undone(ctx: Ctx, token: str, asked: str) -> Any:
        raise TryAgain("08006")

    async with client_of(build_app(world, [widget_service()], undone)) as client:
        assert (await client.post(URL, headers=MEMBER)).status_code == 503


async def test_a_stream_is_read_once(odd: httpx.AsyncClient, nosy: Nosy) -> None:
    assert (await odd.put("/odd/stream", content=b"x" * 5_000_000)).json() == {"size": 5_000_000}
    nosy.runs = 0
    assert (await odd.put("/odd/stream", content=b"abc")).status_code == 503
    assert nosy.runs == 1


async def test_streams_are_sent(odd: httpx.AsyncClient, nosy: Nosy) -> None:
    answer = await odd.get("/odd/pieces/4")
    assert (answer.status_code, answer.content, answer.headers["x-object"]) == (203, b"abc" * 4, "1")
    assert nosy.closed
    assert REQUEST_ID.fullmatch(answer.headers["x-openstack-request-id"])
    part = await odd.get("/odd/file/10", headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")


async def test_what_fails_before_a_stream_begins_is_a_fault(odd: httpx.AsyncClient) -> None:
    outside = await odd.get("/odd/file/10", headers={"range": "bytes=99-"})
    assert (outside.status_code, outside.json()["error"]["code"]) == (416, 416)
    assert outside.headers["content-range"] == "bytes */10"
    assert (await odd.get("/odd/file/99")).status_code == 500


async def test_a_stream_that_fails_in_the_middle_is_broken_off(
    world: World, nosy: Nosy, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pileus.access")
    app = build_app(world, [odd_service(nosy, tmp_path)], authenticate)
    sent = await spoken(app, http_scope("GET", "/odd/pieces/2"), [])
    assert [message.get("status") for message in sent] == [203, None, None]
    assert sent[-1]["more_body"]
    assert nosy.closed
    facts = caplog.records[-1].facts  # type: ignore[attr-defined]
    assert (facts["status"], facts["bytes"], facts["error"]) == (203, 6, {"code": "serviceUnavailable"})


async def test_an_answer_said_in_full(odd: httpx.AsyncClient) -> None:
    answer = await odd.post("/odd/seen", headers=MEMBER)
    assert (answer.status_code, answer.json(), answer.headers["x-subject-token"]) == (201, {"ok": True}, "t")
    missing = await odd.get("/odd/seen", headers=MEMBER)
    assert (missing.status_code, missing.headers["x-why"]) == (404, "none")


def test_a_header_cannot_be_forged_by_its_value() -> None:
    assert raw_headers({"Location": "/ä", "X-Tab": "a\tb"}) == [(b"location", "/ä".encode()), (b"x-tab", b"a\tb")]
    for bad in ("a\r\nSet-Cookie: x", "a\x00", "a\x7f"):
        with pytest.raises(ValueError, match="control character"):
            raw_headers({"Location": bad})


# ids and the log


async def test_each_answer_has_its_request_id(api: httpx.AsyncClient) -> None:
    ids = set()
    for answer in [await api.get("/nothing"), await api.get(URL), await api.options(URL), await api.get("/")]:
        assert REQUEST_ID.fullmatch(answer.headers["x-openstack-request-id"])
        ids.add(answer.headers["x-openstack-request-id"])
    assert len(ids) == 4
    answer = await api.get(URL)
    assert answer.headers["x-compute-request-id"] == answer.headers["x-openstack-request-id"]


async def test_the_callers_own_id_is_followed_if_it_is_one(odd: httpx.AsyncClient, nosy: Nosy) -> None:
    for sent in (GLOBAL, "req-x", f"{GLOBAL}\t", "'; drop"):
        answer = await odd.post("/odd/seen", headers={**MEMBER, "x-openstack-request-id": sent})
        assert answer.headers["x-openstack-request-id"] != sent
        assert answer.headers.get("x-openstack-global-request-id") == (GLOBAL if sent == GLOBAL else None)
    assert [ctx.global_request_id for ctx in nosy.seen] == [GLOBAL, None, None, None]
    assert nosy.seen[0].rule == "widgets:show"
    assert nosy.seen[0].caller is CALLERS["member"]


async def test_one_event_for_each_request(
    api: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pileus.access")
    headers = {**MEMBER, "x-openstack-request-id": GLOBAL}
    answer = await api.post(f"{URL}/x%0Ay/action?secret=1", json={"reboot": {"type": "x"}}, headers=headers)
    facts = {
        "method": "POST",
        "path": f"{URL}/x%0Ay/action",
        "status": 404,
        "bytes": len(answer.content),
        "service": "compute",
        "route": "/v2.1/widgets/{widget_id}/action",
        "action": "reboot",
        "global_request": GLOBAL,
        "client": "192.0.2.7",
        "user": "u1",
        "project": "p1",
        "version": "2.1",
        "error": {"code": "itemNotFound"},
    }
    [record] = [r for r in caplog.records if r.name == "pileus.access"]
    said = record.facts  # type: ignore[attr-defined]
    assert said.pop("ms") >= 0
    assert said == facts
    assert record.getMessage() == f"POST {URL}/x%0Ay/action 404"
    caplog.clear()
    await api.get("/")
    assert "error" not in caplog.records[-1].facts  # type: ignore[attr-defined]
    caplog.clear()
    await api.request("BREW", "/")
    [record] = [r for r in caplog.records if r.name == "pileus.access"]
    assert (record.facts["service"], record.facts["route"]) == ("root", "unknown")  # type: ignore[attr-defined]
    assert b'method="other",route="unknown",service="root",status="405"' in world.metrics.exposition()


async def test_a_log_that_is_not_wanted_costs_nothing(api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "pileus.access")
    await api.get("/")
    assert not [r for r in caplog.records if r.name == "pileus.access"]


async def test_the_audit_gets_what_may_write(world: World, nosy: Nosy, tmp_path: Path) -> None:
    audited: list[str] = []

    def audit(ctx: Ctx, route: Route, path: str) -> Ctx:
        audited.append(f"{route} {path}")
        return ctx

    async with served(world, odd_service(nosy, tmp_path), audit=audit) as client:
        await client.get("/odd/seen", headers=MEMBER)
        await client.head("/odd/seen", headers=MEMBER)
        await client.post("/odd/seen", headers=MEMBER)
        await client.post("/odd/busy/0", json={})
    assert audited == ["POST /odd/seen /odd/seen", "POST /odd/busy/{times} /odd/busy/0"]


# other origins


@pytest.mark.parametrize(
    ("origins", "origin", "allowed", "varies"),
    [
        ((), "https://a.example", None, False),
        (("https://a.example",), "https://a.example", "https://a.example", True),
        (("https://a.example",), "https://b.example", None, True),
        (("*",), "https://b.example", "*", False),
    ],
)
async def test_other_origins_are_let_in_by_name(
    world: World, origins: tuple[str, ...], origin: str, allowed: str | None, varies: bool
) -> None:
    world.config = Config(api=Api(cors_origins=origins))
    async with served(world, Service("x", "/x"), widget_service()) as client:
        answer = await client.get("/", headers={"origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert answer.headers.get("vary") == ("Origin" if varies else None)
        exposed = answer.headers.get("access-control-expose-headers", "")
        assert ("X-OpenStack-Request-ID" in exposed) == (allowed is not None)
        assert "access-control-allow-origin" not in (await client.get("/")).headers
        wish = {"origin": origin, "access-control-request-method": "POST"}
        preflight = await client.options(URL, headers=wish)
        assert preflight.headers.get("access-control-allow-origin") == allowed
        assert preflight.status_code == (204 if allowed else 200)
        methods = preflight.headers.get("access-control-allow-methods")
        assert methods == ("OPTIONS, POST" if allowed else None)


# rates


async def test_a_project_that_asks_too_often_is_told_when_to_come_back(world: World) -> None:
    world.config = Config(http=Http(rate_per_s=0.5, rate_burst=2))
    async with served(world, widget_service()) as client:
        url = f"{URL}/x"
        assert [(await client.get(url, headers=MEMBER)).status_code for _ in range(3)] == [404, 404, 429]
        refused = await client.get(url, headers=MEMBER)
        assert (refused.headers["retry-after"], refused.json()["overLimit"]["code"]) == ("2", 429)
        assert (await client.get(url, headers={"x-auth-token": "stranger"})).status_code == 404
        assert (await client.get(url, headers={"x-auth-token": "domain"})).status_code == 403
        world.clock.advance(2.0)
        assert [(await client.get(url, headers=MEMBER)).status_code for _ in range(2)] == [404, 429]


def test_rates_keep_a_bounded_memory() -> None:
    rates = Rates(1.0, 1)
    for n in range(PROJECTS + 10):
        rates.take(str(n), 0.0)
    assert len(rates._buckets) == PROJECTS
    rates.take("0", 0.0)  # forgotten, so full again
    off = Rates(0.0, 1)
    off.take("a", 0.0)
    assert not off._buckets


# the ASGI around it


async def test_a_lifespan_has_nothing_to_wait_for(world: World) -> None:
    app = build_app(world, [], authenticate)
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = await spoken(app, {"type": "lifespan"}, messages)
    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


async def test_paths_that_are_odd_for_a_server(world: World) -> None:
    app = build_app(world, [widget_service()], authenticate)
    for path, status in [("*", 404), ("compute", 404), ("", 300)]:
        start, _ = await spoken(app, http_scope("GET", path), [])
        assert start["status"] == status
    start, body = await spoken(app, http_scope("GET", "/x", raw_path=b"/%FF"), [])
    assert (start["status"], json.loads(body["body"])["error"]["code"]) == (400, 400)


async def test_here_is_no_place_without_a_service(world: World) -> None:
    api = Service("here", "/here")

    @api.get("", anonymous=True)
    async def where(ctx: Ctx, here: Here) -> Any:
        return [here.base, here.path]

    app: App = build_app(world, [api], authenticate)
    async with client_of(app) as client:
        assert (await client.get("/here")).json() == ["http://cloud.test/here", "/"]
