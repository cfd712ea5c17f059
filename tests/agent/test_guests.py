"""A guest's question goes by the host's own channel, and comes with the host's name: nothing a guest says can change either."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
import pytest

from agent.control_plane import ControlPlane
from pileus.agent.relay import AWAY, Relay, asks_control
from pileus.engines.guests import Asked, Told
from pileus.kernel.errors import NotFound, Unavailable

ASKED = Asked(network_id=uuid4(), address="10.0.0.5", path="/openstack/latest/meta_data.json")


async def told_through(path: Path, question: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def relayed(path: Path, ask: object, question: bytes = msgspec.json.encode(ASKED)) -> bytes:
    relay = Relay(path / "guests.sock", 0, ask)  # type: ignore[arg-type]
    await relay.start()
    try:
        return await told_through(path / "guests.sock", question)
    finally:
        await relay.stop()


async def test_the_relay_passes_a_question_on_and_its_answer_back(tmp_path: Path) -> None:
    async def ask(asked: Asked) -> Told:
        return Told(status=200, body=f"{asked.network_id} {asked.address}".encode())

    told = msgspec.json.decode(await relayed(tmp_path, ask), type=Told)
    assert told.body == f"{ASKED.network_id} {ASKED.address}".encode()


async def test_what_the_control_plane_refuses_or_cannot_say_is_told_to_the_guest(tmp_path: Path) -> None:
    async def away(asked: Asked) -> Told:
        raise Unavailable("the control plane is away")

    async def missing(asked: Asked) -> Told:
        raise NotFound("nothing here")

    assert msgspec.json.decode(await relayed(tmp_path, away), type=Told) == AWAY
    assert msgspec.json.decode(await relayed(tmp_path, missing), type=Told).status == 404


async def test_the_relay_answers_nothing_that_is_no_question(tmp_path: Path) -> None:
    async def ask(asked: Asked) -> Told:
        raise AssertionError

    assert await relayed(tmp_path, ask, b"GET / HTTP/1.1\r\n\r\n") == b""


async def test_only_a_host_may_ask_for_its_guests(plane: ControlPlane) -> None:
    async with httpx.AsyncClient(base_url=plane.url, verify=False) as stranger:
        answer = await stranger.post("/agent/v1/metadata", content=msgspec.json.encode(ASKED))
    assert answer.status_code == 401
    with pytest.raises(Unavailable):
        async with httpx.AsyncClient(base_url=plane.url, verify=False) as stranger:
            await asks_control(stranger, {})(ASKED)
