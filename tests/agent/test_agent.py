"""An agent and the control plane over real TLS: who is let in, what is refused, what arrives as what."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from agent.control_plane import ControlPlane, agent, identity, made
from engines.hypervisor_contract import guest
from pileus.agent import join, tls, wire
from pileus.agent.client import Agent, local_client
from pileus.agent.control import listen_to_local
from pileus.agent.main import Options, RunningAgent
from pileus.engines.hypervisor import DomainFacts, Hypervisor
from pileus.engines.verbs import Change, Done
from pileus.kernel import hosts
from pileus.kernel.clock import SystemClock
from pileus.kernel.config import Http
from pileus.kernel.errors import CloudError, NotFound, Unavailable
from pileus.kernel.http.server import Listener, Server
from pileus.kernel.http.unix import bound_socket
from pileus.kernel.join_token import JoinToken

pytestmark = pytest.mark.database("sqlite")


async def put(context: ssl.SSLContext, running: RunningAgent, name: str, path: str, **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(verify=context, base_url=f"https://{running.address}", trust_env=False) as client:
        return await client.request(more.pop("method", "PUT"), path, extensions={"sni_hostname": name}, **more)


def said(fence: int = 1, **more: Any) -> dict[str, Any]:
    subject = str(uuid4())
    body = {"domain_id": subject, "fence": fence} | more
    headers = more.pop("headers", {wire.VERSION_HEADER: "1"})
    return {"path": f"/v1/engines/hypervisor/ensure_gone/{subject}", "json": body, "headers": headers}


async def test_only_the_control_plane_commands_an_agent(plane: ControlPlane, tmp_path: Path) -> None:
    async with agent(plane, tmp_path, "one") as running:
        async with agent(plane, tmp_path, "two"):
            answer = await put(plane.context, running, "one", **said())
            assert answer.status_code == 200
            another_host = identity(tmp_path, "two").client_context()
            answer = await put(another_host, running, "one", **said())
            assert answer.status_code == 403
        stranger = tls.client_context(None, identity(tmp_path, "one").ca)
        with pytest.raises(httpx.TransportError):
            await put(stranger, running, "one", **said())


async def test_control_does_not_take_one_host_for_another(plane: ControlPlane, tmp_path: Path) -> None:
    async with agent(plane, tmp_path, "one") as running:
        mistaken = Agent("two", running.address, plane.context)
        with pytest.raises(Unavailable, match="certificate"):
            await mistaken.engine(Hypervisor).observe()  # type: ignore[type-abstract]
        await mistaken.close()


async def test_posts_are_by_the_newest_certificate_of_a_host_only(plane: ControlPlane, tmp_path: Path) -> None:
    lease = msgspec.json.encode(wire.Lease(address="10.0.0.1:1", versions={}))

    async def post(context: ssl.SSLContext) -> int:
        async with join.connection(context, plane.url) as client:
            return (await client.post("/agent/v1/lease", content=lease, extensions=join.EXPECT)).status_code

    first = await join.join(await made(tmp_path / "a"), plane.url, JoinToken.parse(await plane.token("one")), "a:1")
    assert await post(first.client_context()) == 200
    second = await join.join(await made(tmp_path / "b"), plane.url, JoinToken.parse(await plane.token("one")), "b:1")
    assert await post(second.client_context()) == 200
    assert await post(first.client_context()) == 401
    assert await post(tls.client_context(None, first.ca)) == 401
    assert await post(plane.context) == 401  # not even the control plane is a host


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/agent/v1/lease", b"{", 400),
        ("POST", "/agent/v1/lease", b"\xff", 400),
        ("POST", "/agent/v1/lease", b'{"address": "nowhere", "versions": {}}', 400),
        ("POST", "/agent/v1/lease", b'{"address": "h:0", "versions": {}}', 400),
        ("POST", "/agent/v1/lease", b'{"address": "h\\u0000:1", "versions": {}}', 400),
        ("POST", "/agent/v1/lease", b'{"address": "' + b"h" * 400 + b':1", "versions": {}}', 400),
        ("POST", "/agent/v1/changed", b'{"changes": 1}', 400),
        ("POST", "/agent/v1/changed", b" " * (wire.BODY_BYTES + 1), 413),
        ("GET", "/agent/v1/lease", b"", 405),
        ("POST", "/agent/v1/", b"", 404),
        ("POST", "/agent/v1/ca", b"", 404),
        ("POST", "/agent/v1/join", b'{"secret": "made up", "csr": "", "address": "h:1"}', 401),
        ("POST", "/agent/v1/join", b"{}", 400),
    ],
)
async def test_bad_posts_are_refused(
    plane: ControlPlane, tmp_path: Path, method: str, path: str, body: bytes, status: int
) -> None:
    host = await join.join(await made(tmp_path / "a"), plane.url, JoinToken.parse(await plane.token("one")), "a:1")
    async with join.connection(host.client_context(), plane.url) as client:
        answer = await client.request(method, path, content=body, extensions=join.EXPECT)
    assert answer.status_code == status
    assert "error" in answer.json()


async def test_changes_of_what_is_no_resource_of_ours_wake_nobody(plane: ControlPlane, tmp_path: Path) -> None:
    host = await join.join(await made(tmp_path / "a"), plane.url, JoinToken.parse(await plane.token("one")), "a:1")
    change = Change("hypervisor", "ensure_gone", "../no id", Done())
    async with join.connection(host.client_context(), plane.url) as client:
        body = msgspec.json.encode(wire.Changed(changes=[change]))
        answer = await client.post("/agent/v1/changed", content=body, extensions=join.EXPECT)
    assert answer.status_code == 200
    assert plane.changes == [change]


@pytest.mark.parametrize(
    ("call", "body", "version", "status"),
    [
        ("GET /v1/engines", None, "1", 200),
        ("GET /v1/engines/hypervisor/observe", None, "1", 200),
        ("GET /", None, "1", 404),
        ("PUT /v1/engines/oven/ensure_gone/x", {}, "1", 404),
        ("PUT /v1/engines/hypervisor/ensure_nothing/x", {}, "1", 404),
        ("PUT /v1/engines/hypervisor/__init__/x", {}, "1", 404),
        ("PUT /v1/engines/hypervisor/ensure_gone", {}, "1", 404),
        ("PUT /v1/engines/hypervisor/observe/x", {}, "1", 404),
        ("POST /v1/engines/hypervisor/ensure_gone/x", {}, "1", 405),
        ("PUT /v1/engines/hypervisor/observe", None, "1", 405),
        ("PUT /v1/engines/hypervisor/ensure_gone/x", {"domain_id": "x", "fence": 1}, "1", 400),
        ("PUT /v1/engines/hypervisor/ensure_gone/x", {"domain_id": str(uuid4()), "fence": 1}, "1", 400),
        ("PUT /v1/engines/hypervisor/ensure_gone/x", {"domain_id": str(uuid4())}, "1", 400),
        ("PUT /v1/engines/hypervisor/ensure_gone/x", {"domain_id": str(uuid4()), "fence": 1, "more": 1}, "1", 400),
        ("GET /v1/engines/hypervisor/observe", None, "2", 406),
        ("GET /v1/engines/hypervisor/observe", None, "0", 406),
        ("GET /v1/engines/hypervisor/observe", None, "", 406),
        ("GET /v1/engines/hypervisor/observe", None, "-1", 406),
    ],
)
async def test_an_agent_answers_what_it_understands(
    plane: ControlPlane, tmp_path: Path, call: str, body: Any, version: str, status: int
) -> None:
    method, path = call.split()
    async with agent(plane, tmp_path, "one") as running:
        headers = {wire.VERSION_HEADER: version}
        answer = await put(plane.context, running, "one", path, method=method, json=body, headers=headers)
    assert answer.status_code == status
    assert (status == 200) == ("error" not in answer.json())


async def test_what_an_engine_raises_arrives_as_what_it_is(plane: ControlPlane, tmp_path: Path) -> None:
    async with agent(plane, tmp_path, "one") as running:
        engine: Hypervisor = plane.world.engine("hypervisor", "one")
        domains = tmp_path / "one" / "sim" / "hypervisor" / "domains"
        domains.parent.mkdir(parents=True, exist_ok=True)
        domains.touch()  # no folder
        with pytest.raises(CloudError, match="NotADirectoryError") as raised:
            await engine.ensure_defined(guest(), fence=1)
        assert not isinstance(raised.value, Unavailable)  # it fails the step, and is not tried again
        domains.unlink()
        client = Agent("one", running.address, plane.context)
        with pytest.raises(NotFound):
            await client.engine(Unknown).observe()  # type: ignore[type-abstract]
        await client.close()


class Unknown(Hypervisor):
    KIND = "oven"


@pytest.mark.parametrize("answer", [b"{", b'{"error": "newKind", "message": "what is new"}'])
async def test_an_answer_that_cannot_be_read_is_nothing_we_know(tmp_path: Path, answer: bytes) -> None:
    async def app(scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        status = 500 if b"error" in answer else 200
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer})

    async with behind_socket(app, tmp_path) as client:
        with pytest.raises(CloudError):
            await client.engine(Hypervisor).observe()  # type: ignore[type-abstract]


async def test_a_refusal_without_a_word_is_unavailable(tmp_path: Path) -> None:
    async def app(scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        raise ZeroDivisionError

    async with behind_socket(app, tmp_path) as client:
        with pytest.raises(Unavailable, match="500"):
            await client.engine(Hypervisor).observe()  # type: ignore[type-abstract]


@asynccontextmanager
async def behind_socket(app: Any, home: Path) -> AsyncIterator[Agent]:
    server = Server(app, Http(), [Listener(sock=bound_socket(home / "s"))])
    await server.start()
    client = local_client(home / "s")
    yield client
    await client.close()
    await server.stop(0.1)


async def test_an_agent_of_this_machine_is_behind_a_unix_socket(plane: ControlPlane, tmp_path: Path) -> None:
    ctx, at = plane.ctx, f"unix:{tmp_path}/agent.sock"
    for _ in range(2):  # each start says it
        await hosts.ensure_behind_socket(ctx, "local", at)
    hooks = {"changed": plane.hear, "observed": plane.see}
    server = await listen_to_local(ctx, plane.hosts, tmp_path / "control.sock", "local", agent=os.geteuid(), **hooks)
    wanted = Options(state=tmp_path / "one", control=f"unix:{tmp_path}/control.sock", listen=at, simulate=True)
    async with RunningAgent(wanted, SystemClock()):
        assert (tmp_path / "agent.sock").stat().st_mode & 0o077 == 0
        await plane.until(lambda: "local" in plane.observed)
        domain = guest()
        client = local_client(tmp_path / "agent.sock")
        for engine in (client.engine(Hypervisor), plane.world.engine("hypervisor", "local")):  # type: ignore[type-abstract]
            assert await engine.ensure_defined(domain, fence=1) == Done()
            assert await engine.observe() == {domain.id: DomainFacts(defined=True)}
        await client.close()
        await plane.world.agents.close()
    await server.stop(0.1)


async def test_another_users_process_is_sent_away_from_a_socket(tmp_path: Path) -> None:
    async def never(scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        raise AssertionError("it was let in")

    listener = Listener(sock=bound_socket(tmp_path / "s"), peers=frozenset({os.geteuid() + 1}))
    server = Server(never, Http(), [listener])
    await server.start()
    client = local_client(tmp_path / "s")
    with pytest.raises(Unavailable):
        await client.engine(Hypervisor).observe()  # type: ignore[type-abstract]
    await client.close()
    await server.stop(0.1)


def test_a_socket_whose_path_is_too_long_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="at most 107 bytes"):
        bound_socket(tmp_path / ("x" * 200))
