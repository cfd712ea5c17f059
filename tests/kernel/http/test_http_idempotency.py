"""The same request under one Idempotency-Key happens once and answers alike: at once, again, and after kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from starlette.requests import Request

from pileus.kernel.context import Ctx
from pileus.kernel.db import Connection, Database, open_database
from pileus.kernel.db.base import Probe
from pileus.kernel.errors import TryAgain, Unavailable
from pileus.kernel.http import Answer, Route, Service, Stream
from pileus.kernel.http.idempotency import keys, purge
from pileus.kernel.ids import Ids
from support.http_demo import MEMBER, World, count_widgets, served, widget_service, widgets

URL = "/compute/v2.1/widgets"
KEY = {**MEMBER, "idempotency-key": "k-1"}


async def create(api: httpx.AsyncClient, name: str = "web", **headers: str) -> httpx.Response:
    return await api.post(URL, json={"widget": {"name": name}}, headers={**KEY, **headers})


def said(answer: httpx.Response) -> tuple[Any, ...]:
    return answer.status_code, answer.content, answer.headers["content-type"]


async def test_sent_again_it_answers_alike_and_happens_once(world: World, api: httpx.AsyncClient) -> None:
    first, again = await create(api), await create(api)
    assert said(first) == said(again)
    assert first.status_code == 202
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert first.headers["x-openstack-request-id"] != again.headers["x-openstack-request-id"]
    assert await count_widgets(world) == 1


async def test_two_at_once_run_once(world: World, api: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(create(api) for _ in range(8)))
    assert len({said(answer) for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await count_widgets(world) == 1


async def test_a_key_belongs_to_its_caller_and_to_one_request(world: World, api: httpx.AsyncClient) -> None:
    await create(api)
    other = await create(api, "other")
    assert other.status_code == 422
    assert "another request" in other.json()["unprocessable"]["message"]
    assert (await create(api, **{"openstack-api-version": "compute 2.2"})).status_code == 422
    assert (await api.delete(f"{URL}/{'0' * 8}-0000-4000-8000-{'0' * 12}", headers=KEY)).status_code == 422
    stranger = await create(api, **{"x-auth-token": "stranger"})
    assert stranger.status_code == 202
    assert await count_widgets(world) == 2


@pytest.mark.database("sqlite")
async def test_what_was_refused_is_not_kept(world: World, api: httpx.AsyncClient) -> None:
    refused = [await create(api, "taken") for _ in range(2)]
    assert [answer.status_code for answer in refused] == [409, 409]
    assert "idempotency-replayed" not in refused[1].headers
    assert await count_widgets(world) == 0
    assert (await create(api, "free")).status_code == 202


@pytest.mark.database("sqlite")
async def test_a_key_must_be_one_and_reading_needs_none(world: World, api: httpx.AsyncClient) -> None:
    for bad in ("", "a b", "k" * 256, "\u00e4".encode("latin-1").decode("latin-1")):
        answer = await api.post(
            URL, json={"widget": {"name": "x"}}, headers=httpx.Headers({**MEMBER, "idempotency-key": bad}, "latin-1")
        )
        assert answer.status_code == 400
    missing = await api.get(f"{URL}/x", headers={**MEMBER, "idempotency-key": ""})
    assert missing.status_code == 404


@pytest.mark.database("sqlite")
async def test_answers_are_kept_sealed(world: World, api: httpx.AsyncClient) -> None:
    await create(api, "a-secret-name")
    async with world.db.read() as connection:
        row = (await connection.execute(sa.select(keys))).one()
    assert b"absent" not in row.answer
    assert "k-1" not in (row.id, row.request)


@pytest.mark.database("sqlite")
async def test_old_keys_are_forgotten_in_batches(world: World, api: httpx.AsyncClient) -> None:
    for n in range(3):
        await create(api, **{"idempotency-key": f"k-{n}"})
    ctx = Ctx(world)  # type: ignore[arg-type]
    assert await purge(ctx, world.clock.now(), limit=2) == 2
    assert await purge(ctx, 0.0) == 0
    assert await purge(ctx, world.clock.now()) == 1


def loose_service(state: dict[str, Any]) -> Service:
    """`state`: runs, audits, gate (to wait at before writing), fail (raised after the commit)."""
    api = Service("loose", "/loose")

    @api.post("/create", rule="widgets:write", atomic=False)
    async def create(ctx: Ctx) -> dict[str, Any]:
        state["runs"] = state.get("runs", 0) + 1
        run = state["runs"]
        if "gate" in state:
            await state["gate"].wait()
        for _ in range(2):  # a handler may have more than one transaction
            async with ctx.transaction() as tx:
                row = {"id": tx.world.ids.uuid(), "project_id": "p1", "name": "x"}
                await tx.execute(widgets.insert().values(row))
        if "fail" in state:
            raise state["fail"]
        return {"run": run}

    @api.post("/idle", rule="widgets:write", atomic=False)
    async def idle(ctx: Ctx) -> dict[str, Any]:
        state["runs"] = state.get("runs", 0) + 1
        return {"run": state["runs"]}

    @api.post("/stream", rule="widgets:write")
    async def stream(ctx: Ctx) -> Stream:
        async def pieces() -> Any:
            yield b"abc"

        return Stream(pieces())

    @api.put("/upload", rule="widgets:write")
    async def upload(ctx: Ctx, request: Request) -> None: ...

    @api.post("/open", anonymous=True)
    async def anyone(ctx: Ctx) -> Answer:
        state["runs"] = state.get("runs", 0) + 1
        return Answer({"run": state["runs"]})

    return api


@pytest.fixture
def state() -> dict[str, Any]:
    return {}


async def test_a_route_that_awaits_other_things_happens_once_too(world: World, state: dict[str, Any]) -> None:
    async with served(world, loose_service(state)) as client:
        first, again = await client.post("/loose/create", headers=KEY), await client.post("/loose/create", headers=KEY)
        assert said(first) == said(again) == (200, b'{"run":1}', "application/json")
        assert await count_widgets(world) == 2
        other = await client.post("/loose/create?x=1", headers=KEY)
        assert other.status_code == 422


async def test_of_two_at_once_that_await_other_things_one_is_sent_back(world: World, state: dict[str, Any]) -> None:
    state["gate"] = asyncio.Event()
    async with served(world, loose_service(state)) as client:
        both = [asyncio.ensure_future(client.post("/loose/create", headers=KEY)) for _ in range(2)]
        while state.get("runs", 0) < 2:
            await asyncio.sleep(0)
        state["gate"].set()
        answers = sorted([answer.status_code for answer in await asyncio.gather(*both)])
        assert answers == [200, 409]
        assert await count_widgets(world) == 2
        assert (await client.post("/loose/create", headers=KEY)).headers["idempotency-replayed"] == "true"


@pytest.mark.database("sqlite")
async def test_what_took_effect_is_said_when_its_answer_was_lost(world: World, state: dict[str, Any]) -> None:
    state["fail"] = ZeroDivisionError()
    async with served(world, loose_service(state)) as client:
        broken = await client.post("/loose/create", headers=KEY)
        assert broken.status_code == 500
        again = await client.post("/loose/create", headers=KEY)
        assert again.status_code == 409
        assert f"took effect as {broken.headers['x-openstack-request-id']}" in again.json()["error"]["message"]
        assert await count_widgets(world) == 2


@pytest.mark.database("sqlite")
async def test_what_wrote_nothing_keeps_nothing(world: World, state: dict[str, Any]) -> None:
    async with served(world, loose_service(state)) as client:
        assert [(await client.post("/loose/idle", headers=KEY)).json()["run"] for _ in range(2)] == [1, 2]


@pytest.mark.database("sqlite")
async def test_streams_and_strangers_have_no_keys(world: World, state: dict[str, Any]) -> None:
    async with served(world, loose_service(state)) as client:
        assert (await client.put("/loose/upload", content=b"x", headers=KEY)).status_code == 400
        assert (await client.put("/loose/upload", content=b"x", headers=MEMBER)).status_code == 200
        assert [(await client.post("/loose/open", headers=KEY)).json()["run"] for _ in range(2)] == [1, 2]
        assert (await client.post("/loose/stream", headers=KEY)).content == b"abc"
        assert (await client.post("/loose/stream", headers=KEY)).status_code == 409


class Lossy:
    """A database whose COMMITs go wrong as `plan` says: the answer lost `after` or `before` it, or `away` at once."""

    def __init__(self, db: Database, *plan: str) -> None:
        self._db, self.plan, self.found = db, list(plan), []  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    @asynccontextmanager
    async def transaction(self, *, probe: Probe | None = None) -> AsyncIterator[Connection]:
        what = self.plan.pop(0) if self.plan else ""
        if what == "away":
            raise Unavailable("The database does not answer.")
        with suppress(Undone):
            async with self._db.transaction() as connection:
                yield connection
                if what == "before":
                    raise Undone
        if what:
            assert probe is not None
            async with self._db.transaction() as connection:
                self.found.append(await probe(connection))
            if not self.found[-1]:
                raise TryAgain("connection lost before COMMIT")


class Undone(Exception):
    """Rolled back behind our back."""


async def test_a_lost_commit_is_looked_up_by_the_key(world: World) -> None:
    lossy = world.db = Lossy(world.db, "before", "after")  # type: ignore[assignment]
    async with served(world, widget_service()) as client:
        answer = await create(client)
        assert (answer.status_code, lossy.found) == (202, [False, True])
        assert await count_widgets(world) == 1
        assert said(await create(client)) == said(answer)


@pytest.mark.database("sqlite")
async def test_an_answer_is_given_even_if_it_cannot_be_kept(world: World, state: dict[str, Any]) -> None:
    world.db = Lossy(world.db, "", "", "away")  # type: ignore[assignment]
    async with served(world, loose_service(state)) as client:
        assert (await client.post("/loose/create", headers=KEY)).json() == {"run": 1}
        assert (await client.post("/loose/create", headers=KEY)).status_code == 409


@pytest.mark.database("sqlite")
async def test_each_change_is_audited_once_and_a_replay_is_none(world: World, state: dict[str, Any]) -> None:
    audited: list[str] = []

    def audit(ctx: Ctx, route: Route, path: str) -> Ctx:
        async def close(tx: Ctx) -> None:
            audited.append(route.path)

        return replace(ctx, closing=close)

    async with served(world, widget_service(), loose_service(state), audit=audit) as client:
        for _ in range(2):
            await create(client)
            await client.post("/loose/create", headers={**KEY, "idempotency-key": "k-2"})
    assert audited == ["/v2.1/widgets", "/create", "/create"]  # two transactions of one route


CHILD = """
import asyncio, os, signal, sys
from pileus.kernel.db import Connection, Database, open_database
from pileus.kernel.db.base import Probe
from pileus.kernel.http import build_app
from support.http_demo import World, authenticate, http_scope, widget_service

async def main():
    db = open_database(sys.argv[1])
    await db.start()
    world = World(db)
    app = build_app(world, [widget_service()], authenticate)
    headers = [(b"x-auth-token", b"member"), (b"idempotency-key", b"k-1"), (b"content-type", b"application/json")]
    body = {"type": "http.request", "body": b'{"widget":{"name":"web"}}'}

    async def receive():
        return body

    async def die(message):
        os.kill(os.getpid(), signal.SIGKILL)

    await app(http_scope("POST", "/compute/v2.1/widgets", *headers), receive, die)

asyncio.run(main())
"""


async def test_killed_between_commit_and_answer_the_answer_is_there(database_url: str) -> None:
    tests = Path(__file__).parents[2]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, database_url, env={**os.environ, "PYTHONPATH": str(tests)}
    )
    assert await child.wait() == -signal.SIGKILL
    db = open_database(database_url)
    await db.start()
    world = World(db, ids=Ids(2))
    async with served(world, widget_service()) as client:
        again = await client.post(
            URL, content=b'{"widget":{"name":"web"}}', headers={**KEY, "content-type": "application/json"}
        )
        assert again.headers["idempotency-replayed"] == "true"
        made = again.json()["widget"]["id"]
        assert (await client.get(f"{URL}/{made}", headers=MEMBER)).status_code == 200
        assert await count_widgets(world) == 1
    await db.close()
