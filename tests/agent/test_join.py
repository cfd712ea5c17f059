"""How a machine becomes a host, and what it says when it cannot."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from agent.control_plane import ControlPlane, agent, made, options
from engines.hypervisor_contract import guest
from pileus.agent import join, tls, wire
from pileus.agent.control import ControlApp
from pileus.agent.main import RunningAgent
from pileus.agent.wire import AgentError
from pileus.kernel import joins
from pileus.kernel.clock import SystemClock
from pileus.kernel.config import Http
from pileus.kernel.db import Database
from pileus.kernel.errors import BadRequest
from pileus.kernel.hosts import Hosts
from pileus.kernel.http.server import Listener, Server
from pileus.kernel.join_token import JoinToken

pytestmark = pytest.mark.database("sqlite")


async def test_a_token_cannot_be_used_twice_nor_read_if_it_is_none(plane: ControlPlane, tmp_path: Path) -> None:
    token = await plane.token("one")
    await join.join(await made(tmp_path / "a"), plane.url, JoinToken.parse(token), "a:1")
    with pytest.raises(AgentError, match="used up"):
        await RunningAgent(options(plane, tmp_path, "b", join=token), SystemClock()).__aenter__()
    for text in ("", "pileus-join-", "pileus-join-!!!", "pileus-join-e30", token[1:]):
        with pytest.raises(AgentError, match="cannot be read"):
            await RunningAgent(options(plane, tmp_path, "b", join=text), SystemClock()).__aenter__()


async def test_the_secret_is_not_told_to_who_is_not_the_cloud(
    plane: ControlPlane, tmp_path: Path, database: Database
) -> None:
    """Somebody stands between and answers in the cloud's place, with an authority of his own."""
    heard: list[bytes] = []
    ctx = plane.ctx

    class Between(ControlApp):
        async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
            heard.append(scope["path"])
            await super().__call__(scope, receive, send)

    own, key = joins.tls.new_authority("Pileus hosts", 1)
    authority = joins.tls.Ca(own, key, Path())
    context = tls.server_context(joins.control_chain(authority, tls.CONTROL_NAME), authority.pem, strangers=True)
    server = Server(Between(ctx, Hosts(SystemClock(), lease_s=30), authority), Http(), [Listener(tls=context)])
    ((_, port),) = await server.start()
    token = JoinToken.parse(await plane.token("one"))
    with pytest.raises(AgentError, match="not the cloud"):
        await join.join(await made(tmp_path / "a"), f"https://127.0.0.1:{port}", token, "a:1")
    assert heard == ["/agent/v1/ca"]
    await server.stop(0.1)


@pytest.mark.parametrize("says", ["nothing", "another name"])
async def test_a_cloud_that_answers_strangely_is_not_joined(plane: ControlPlane, tmp_path: Path, says: str) -> None:
    authority, asked = await joins.open_authority(plane.ctx), asyncio.Event()

    class Strange(ControlApp):
        async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
            if scope["path"] == "/agent/v1/ca":
                await super().__call__(scope, receive, send)
            elif says == "nothing":
                asked.set()
                await asyncio.Future()
            else:
                await wire.answer(wire.Joined(host="two", certificate=""))(scope, receive, send)

    context = tls.server_context(joins.control_chain(authority, tls.CONTROL_NAME), authority.pem, strangers=True)
    app = Strange(plane.ctx, plane.hosts, authority)
    server = Server(app, Http(), [Listener(tls=context)])
    ((_, port),) = await server.start()
    joining = join.join(
        await made(tmp_path / "a"), f"https://127.0.0.1:{port}", JoinToken.parse(await plane.token("one")), "a:1"
    )
    if says == "nothing":
        task = asyncio.ensure_future(joining)
        await asked.wait()
        await server.stop(0.2)
        with pytest.raises(AgentError, match="does not answer"):
            await task
    else:
        with pytest.raises(AgentError, match="the certificate for two"):
            await joining
        await server.stop(0.2)
    assert join.load(tmp_path / "a") is None


async def test_a_control_plane_that_is_no_control_plane_is_refused(plane: ControlPlane, tmp_path: Path) -> None:
    async def app(scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        await wire.answer({"hello": "world"})(scope, receive, send)

    authority = await joins.open_authority(plane.ctx)
    context = tls.server_context(joins.control_chain(authority, tls.CONTROL_NAME), authority.pem, strangers=True)
    server = Server(app, Http(), [Listener(tls=context)])
    ((_, port),) = await server.start()
    token = JoinToken.parse(await plane.token("one"))
    with pytest.raises(AgentError, match="not the cloud"):
        await join.join(await made(tmp_path / "a"), f"https://127.0.0.1:{port}", token, "a:1")
    await server.stop(0.2)


async def test_a_body_that_breaks_off_is_no_body(plane: ControlPlane, tmp_path: Path) -> None:
    sent = asyncio.Queue[dict[str, Any]]()
    sent.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    sent.put_nowait({"type": "http.disconnect"})
    with pytest.raises(BadRequest, match="lost"):
        await wire.read_body(Request({"type": "http", "method": "POST", "headers": []}, sent.get))


async def test_a_host_that_listens_elsewhere_is_spoken_to_there(plane: ControlPlane, tmp_path: Path) -> None:
    """After a restart on another port the old connections are given up."""
    domain = guest()
    async with agent(plane, tmp_path, "one"):
        await plane.world.engine("hypervisor", "one").ensure_defined(domain, fence=1)
    plane.observed.clear()
    for _ in range(2):
        async with RunningAgent(options(plane, tmp_path, "one"), SystemClock()) as running:
            await plane.until(lambda: "one" in plane.observed)
            assert plane.hosts.address("one") == running.address
            assert set(await plane.world.engine("hypervisor", "one").observe()) == {domain.id}
        plane.observed.clear()


async def test_a_control_plane_that_is_away_is_named(plane: ControlPlane, tmp_path: Path) -> None:
    token = JoinToken.parse(await plane.token("one"))
    with pytest.raises(AgentError, match=r"127\.0\.0\.1:9 does not answer"):
        await join.join(await made(tmp_path / "a"), "https://127.0.0.1:9", token, "a:1")


async def test_a_joined_host_needs_no_token_and_takes_a_new_name_with_a_new_one(
    plane: ControlPlane, tmp_path: Path
) -> None:
    with pytest.raises(AgentError, match="pileus host token"):
        await RunningAgent(options(plane, tmp_path, "x"), SystemClock()).__aenter__()
    for name in ("one", "two"):
        wanted = options(plane, tmp_path, "x", join=await plane.token(name))
        async with RunningAgent(wanted, SystemClock()):
            await plane.until(lambda name=name: name in plane.observed)  # type: ignore[misc]
    for again in (None, wanted.join):  # a start command may keep the token that was used
        plane.observed.clear()
        async with RunningAgent(options(plane, tmp_path, "x", join=again), SystemClock()):
            await plane.until(lambda: "two" in plane.observed)


async def test_secrets_are_readable_by_their_owner_only(plane: ControlPlane, tmp_path: Path) -> None:
    async with agent(plane, tmp_path, "one") as running:
        await running.rims["hypervisor"].engine.ensure_defined(guest(), fence=1)
    state = tmp_path / "one"
    assert state.stat().st_mode & 0o077 == 0
    assert not [path for path in state.rglob("*.pem") if path.stat().st_mode & 0o077]


async def test_one_agent_a_state_directory(plane: ControlPlane, tmp_path: Path) -> None:
    async with agent(plane, tmp_path, "one"):
        with pytest.raises(AgentError, match="Another agent runs"):
            await RunningAgent(options(plane, tmp_path, "one"), SystemClock()).__aenter__()


async def test_what_an_agent_cannot_do_it_says_at_its_start(
    plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # a machine without the programs of real engines
    token = await plane.token("one")
    for more, cause in (
        ({"simulate": False, "join": token}, "--simulate"),
        ({"listen": "127.0.0.1:http"}, "cannot listen"),
        ({"listen": f"unix:{tmp_path}/no/such/folder"}, "cannot listen"),
        ({"listen": f"unix:{tmp_path}/agent.sock"}, "unix:PATH"),
        ({"listen": "0.0.0.0:0", "control": "https://no.such.name.invalid:1"}, "No way leads"),
    ):
        with pytest.raises(AgentError, match=cause):
            await RunningAgent(options(plane, tmp_path, "x", **more), SystemClock()).__aenter__()


async def test_an_agent_says_the_address_by_which_it_is_reached(plane: ControlPlane, tmp_path: Path) -> None:
    wanted = options(plane, tmp_path, "one", listen="0.0.0.0:0", join=await plane.token("one"))
    async with RunningAgent(wanted, SystemClock()) as running:
        assert running.address.startswith("127.0.0.1:")
    told = options(plane, tmp_path, "one", listen="0.0.0.0:0", advertise="fd00::1")
    async with RunningAgent(told, SystemClock()) as running:
        assert running.address.startswith("[fd00::1]:")
