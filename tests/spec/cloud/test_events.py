"""GET /pileus/v1/events: the list, and the stream as its bytes come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest

from kernel.small_world import MEMBER, SmallWorld
from pileus.kernel.context import Caller, Ctx
from pileus.kernel.db import Database
from pileus.kernel.errors import Unauthorized
from pileus.kernel.events import Place, emit, purge
from pileus.kernel.http import App, build_app
from pileus.services.cloud.events import api as _declared  # noqa: F401 (its routes)
from pileus.services.cloud.events import service
from pileus.services.cloud.http import api

PATH = "/pileus/v1/events"
CALLERS = {
    "member": MEMBER,
    "stranger": replace(MEMBER, project_id="p2"),
    "short": replace(MEMBER, user_id="u3", project_id="p3", expires_at=1_767_225_700.0),
    "nobody": replace(MEMBER, roles=frozenset()),
}
Message = dict[str, Any]


async def authenticate(ctx: Ctx, token: str, service: str) -> Caller:
    if token not in CALLERS or 0 < CALLERS[token].expires_at <= ctx.now():
        raise Unauthorized("The token is worth nothing.")
    return CALLERS[token]


@pytest.fixture
def world(database: Database) -> SmallWorld:
    return SmallWorld(database)


@pytest.fixture
def app(world: SmallWorld) -> App:
    return build_app(world, [api], authenticate)  # type: ignore[arg-type]


@pytest.fixture
async def client(app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://cloud.test") as client:
        yield client


async def say(world: SmallWorld, name: str, project_id: str = "p1") -> None:
    async with world.ctx().transaction() as tx:
        await emit(tx, "compute.server", "created", name, project_id=project_id, facts={"name": name})


class Listener:
    """A client that reads the stream while it comes. `async with` opens and leaves it."""

    def __init__(self, app: App, token: str = "member", last: str | None = None) -> None:
        headers = [(b"x-auth-token", token.encode()), (b"accept", b"text/event-stream"), (b"host", b"cloud.test")]
        if last is not None:
            headers.append((b"last-event-id", last.encode()))
        self._scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": "GET",
            "path": PATH, "raw_path": PATH.encode(), "root_path": "", "query_string": b"", "headers": headers,
            "client": ("127.0.0.1", 1), "server": ("cloud.test", 80),
        }  # fmt: skip
        self._app = app
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._frames: list[str] = []
        self.task: asyncio.Task[None]

    async def _receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def __aenter__(self) -> Listener:
        self.task = asyncio.create_task(self._app(self._scope, self._receive, self._messages.put))
        self.start = await self._messages.get()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gone.set()
        self.task.cancel()
        await asyncio.wait([self.task])

    async def frame(self) -> dict[str, str]:
        """The fields of the next frame that is an event."""
        while True:
            if not self._frames:
                body = (await asyncio.wait_for(self._messages.get(), 20))["body"].decode()
                self._frames = body.split("\n\n")
            fields = dict(line.split(": ", 1) for line in self._frames.pop(0).splitlines())
            if "event" in fields:
                return fields


async def heard(listener: Listener) -> str:
    return msgspec.json.decode((await listener.frame())["data"])["subject_id"]


async def test_a_page_of_what_there_was(client: httpx.AsyncClient, world: SmallWorld):
    for name in "abc":
        await say(world, name)
    await say(world, "theirs", "p2")
    headers = {"x-auth-token": "member"}
    first = (await client.get(PATH, headers=headers, params={"limit": 2})).json()["events"]
    assert [event["subject_id"] for event in first] == ["a", "b"]
    rest = (await client.get(PATH, headers=headers, params={"after": first[-1]["id"]})).json()["events"]
    assert [(event["kind"], event["verb"], event["facts"]) for event in rest] == [
        ("compute.server", "created", {"name": "c"})
    ]
    assert rest[0]["at"].endswith("Z")


@pytest.mark.parametrize("after", ["7.7", "nonsense", "0.1"])
async def test_a_page_behind_what_is_gone_is_refused(client: httpx.AsyncClient, after: str):
    answer = await client.get(PATH, headers={"x-auth-token": "member"}, params={"after": after})
    assert answer.status_code == 410


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"other": 1}])
async def test_a_wrong_query_is_refused(client: httpx.AsyncClient, params: dict[str, Any]):
    assert (await client.get(PATH, headers={"x-auth-token": "member"}, params=params)).status_code == 400


async def test_who_has_no_role_sees_nothing(client: httpx.AsyncClient):
    answer = await client.get(PATH, headers={"x-auth-token": "nobody"})
    assert answer.status_code == 403
    assert "pileus:events:list: it needs role reader in the project" in answer.text


async def test_the_stream_tells_what_comes_to_who_may_see_it(app: App, world: SmallWorld):
    await say(world, "before")
    async with Listener(app) as mine, Listener(app, "stranger") as theirs:
        assert mine.start["status"] == 200
        assert (b"content-type", b"text/event-stream") in mine.start["headers"]
        await say(world, "theirs", "p2")
        await say(world, "mine")
        frame = await mine.frame()
        assert frame["event"] == "compute.server.created"
        assert msgspec.json.decode(frame["data"])["subject_id"] == "mine"
        assert await heard(theirs) == "theirs"


async def test_who_comes_back_goes_on_where_he_was(app: App, world: SmallWorld):
    async with Listener(app) as first:
        await say(world, "a")
        place = (await first.frame())["id"]
    await say(world, "b")
    async with Listener(app, last=place) as second:
        assert await heard(second) == "b"
    async with Listener(app, last="0.0") as third:
        assert [await heard(third), await heard(third)] == ["a", "b"]


async def test_who_comes_back_too_late_is_told_so(app: App, world: SmallWorld):
    async with Listener(app) as first:
        await say(world, "a")
        place = (await first.frame())["id"]
    assert await purge(world.ctx(), world.clock.now() + 1) == 1
    for last in (place, "what"):
        async with Listener(app, last=last) as second:
            assert (await second.frame())["event"] == "lost"
            await say(world, f"after {last}")
            assert await heard(second) == f"after {last}"


async def test_the_stream_ends_when_the_token_does(app: App, world: SmallWorld):
    async with Listener(app, "short") as listener:
        world.clock.advance(50)
        await say(world, "a", "p3")
        assert await heard(listener) == "a"
        world.clock.advance(100)
        assert (await listener.frame())["event"] == "expired"
        await asyncio.wait_for(listener.task, 20)


async def test_the_stream_ends_when_the_token_is_revoked(app: App, world: SmallWorld, monkeypatch: pytest.MonkeyPatch):
    """What committed after the revocation is not told any more."""
    monkeypatch.setitem(CALLERS, "revoked", MEMBER)
    async with Listener(app, "revoked") as listener:
        await say(world, "a")
        assert await heard(listener) == "a"
        monkeypatch.delitem(CALLERS, "revoked")
        await say(world, "b")
        assert (await listener.frame())["event"] == "expired"
        await asyncio.wait_for(listener.task, 20)


async def test_the_stream_shows_what_the_caller_may_see_by_now(
    app: App, world: SmallWorld, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(CALLERS, "moved", MEMBER)
    async with Listener(app, "moved") as listener:
        await say(world, "a")
        assert await heard(listener) == "a"
        monkeypatch.setitem(CALLERS, "moved", CALLERS["stranger"])
        await say(world, "b")
        await say(world, "c", "p2")
        assert await heard(listener) == "c"


async def test_followers_are_bounded_and_leave_no_trace(app: App, world: SmallWorld, client: httpx.AsyncClient):
    feeds = [await service.follow(world.ctx(), None) for _ in range(service.FOLLOWERS)]
    headers = {"x-auth-token": "member", "accept": "text/event-stream"}
    answer = await client.get(PATH, headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "15")
    async with Listener(app, "stranger") as other:
        assert other.start["status"] == 200
    for feed in feeds:
        await feed.aclose()
        await feed.aclose()
    async with Listener(app) as again:
        assert again.start["status"] == 200
    assert world.memory[service.Followers].open == {}


async def test_a_silent_stream_says_that_it_is_there(world: SmallWorld):
    feed = await service.follow(world.ctx(), None, silence_s=0.01)
    assert await anext(feed) == "nothing"
    await feed.aclose()


async def test_what_another_process_did_is_found_without_the_bell(database: Database):
    here, there = SmallWorld(database), SmallWorld(database)
    feed = await service.follow(here.ctx(), None)
    news = asyncio.ensure_future(anext(feed))
    await say(there, "a")
    found = await asyncio.wait_for(news, 20)
    assert [event.id for event in found] == ["a"]
    assert isinstance(found[0].place, Place)
    await feed.aclose()
