"""Floods: too large, too slow, too many. Refused early, in constant memory, while others are served."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from hostile.conftest import HOST, Peer, Victim

MIB = 1 << 20
GIB = 1 << 30
TAKEN = 24 * MIB  # what socket buffers on both sides, and a server that lingers, swallow until a refusal is noticed


async def growth_of(victim: Victim, before: int) -> int:
    return int((await victim.vitals())["rss"]) - before


@pytest.mark.parametrize(
    ("opening", "flood", "status"),
    [
        (b"GET /hello" + HOST + b"X-Large: ", b"a" * 65_536, 431),
        (b"GET /hello" + HOST, b"X-Many: a\r\n" * 4096, 431),
        (b"GET /", b"a" * 65_536, 414),
        (b"GET /hello" + HOST + b"X: a\r\n\tfolded", b" " * 65_536, 431),
        (b"A" * 65_536, b"A" * 65_536, 414),
        (b"POST /read" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 65_536, 400),
        (b"POST /read" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n" * 8192, 400),
    ],
    ids=["one-header", "many-headers", "target", "folded-header", "method", "chunk-extension", "trailers"],
)
async def test_100_mb_of_it_are_refused_early(victim: Victim, opening: bytes, flood: bytes, status: int) -> None:
    before = (await victim.vitals())["rss"]
    async with victim.peer(opening) as peer:
        await peer.pour(flood, 100 * MIB)
        assert peer.sent < TAKEN
        assert (await peer.reply()).status == status
    assert await growth_of(victim, before) < 8 * MIB
    assert await victim.is_well()


async def test_a_head_by_drips_is_cut_off_and_others_are_served(start_victim: Callable[..., Victim]) -> None:
    victim = start_victim(header_timeout_s=1.0)

    async def drip() -> tuple[float, int]:
        began = asyncio.get_running_loop().time()
        async with victim.peer(b"GET /hello" + HOST) as peer:
            answer = asyncio.create_task(peer.reply())
            while not answer.done():
                await peer.pour(b"X", peer.sent + 1)
                await asyncio.wait([answer], timeout=0.1)
            return asyncio.get_running_loop().time() - began, answer.result().status

    drips = [asyncio.create_task(drip()) for _ in range(200)]
    for _ in range(10):
        assert await victim.is_well()
    for took, status in await asyncio.gather(*drips):
        assert status == 408
        assert 0.9 < took < 10


@pytest.mark.parametrize("framing", [b"Content-Length: %d\r\n\r\n" % (2 * GIB), b"Transfer-Encoding: chunked\r\n\r\n"])
@pytest.mark.parametrize("route", [b"/refuse", b"/limited"])
async def test_two_gb_of_a_body_are_not_swallowed(victim: Victim, route: bytes, framing: bytes) -> None:
    before = (await victim.vitals())["rss"]
    piece = b"%x\r\n" % 65_536 + b"\0" * 65_536 + b"\r\n" if b"chunked" in framing else b"\0" * 65_536
    async with victim.peer(b"POST " + route + HOST + framing) as peer:
        await peer.pour(piece, 2 * GIB)
        assert peer.sent < TAKEN
        reply = await peer.reply()
        assert (reply.status, reply.headers["connection"]) == (413, "close")
        assert await peer.ended() == b""
    assert await growth_of(victim, before) < 8 * MIB
    assert await victim.is_well()


async def test_a_body_that_is_not_read_stays_with_the_client(victim: Victim) -> None:
    before = (await victim.vitals())["rss"]
    async with victim.peer(b"POST /stuck" + HOST + b"Content-Length: %d\r\n\r\n" % (2 * GIB)) as peer:
        pouring = asyncio.create_task(peer.pour(b"\0" * 65_536, 2 * GIB))
        seen = -1
        while seen != peer.sent:  # until the socket buffers are full
            seen = peer.sent
            await asyncio.wait([pouring], timeout=0.3)
        assert peer.sent < TAKEN
        assert await growth_of(victim, before) < 8 * MIB
        await victim.get("/calm")
        assert (await peer.reply()).json() == "free"
        await pouring


async def test_ten_thousand_idle_connections_leave_others_served(start_victim: Callable[..., Victim]) -> None:
    wanted = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted + 1000:
        pytest.fail(f"this test needs {wanted + 1000} open files, and the hard limit of this machine is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    victim = start_victim()
    before = (await victim.vitals())["rss"]
    idle: list[asyncio.StreamWriter] = []
    try:
        while len(idle) < wanted:
            batch = (asyncio.open_connection("127.0.0.1", victim.port) for _ in range(500))
            idle += [writer for _, writer in await asyncio.gather(*batch)]
        for writer in idle[::2]:
            writer.write(b"GET /he")  # every other one has begun to speak
        for _ in range(20):
            assert await victim.is_well()
        vitals = await victim.vitals()
        assert vitals["connections"] >= wanted
        assert vitals["rss"] - before < 100 * MIB
    finally:
        for writer in idle:
            writer.transport.abort()
        await asyncio.sleep(0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_connections_over_the_limit_wait_their_turn(start_victim: Callable[..., Victim]) -> None:
    victim = start_victim(connections=16)
    async with victim.peer() as first:
        async with AsyncExitStack() as stack:
            for _ in range(15):
                await stack.enter_async_context(victim.peer())
            late = await stack.enter_async_context(victim.peer(b"GET /hello" + HOST + b"\r\n"))
            answer = asyncio.create_task(late.reply())
            seen = 0
            while seen < 16:
                await first.send(b"GET /vitals" + HOST + b"\r\n")
                seen = (await first.reply()).json()["connections"]
            assert seen == 16
            assert not answer.done()
            first.writer.close()
            assert (await answer).status == 200  # the first one has left, and made room


async def test_a_client_that_does_not_read_is_given_up(start_victim: Callable[..., Victim]) -> None:
    victim = start_victim(idle_timeout_s=1.0)
    for path in (b"/download/", b"/file/"):
        async with victim.peer(b"GET " + path + b"%d" % GIB + HOST + b"\r\n") as peer:
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            while (await victim.vitals())["connections"] > 1:  # the one that asks
                pass
    assert await victim.is_well()


async def test_tiny_chunks_do_not_hold_the_loop(victim: Victim) -> None:
    await victim.get("/calm")
    async with victim.peer(b"POST /read" + HOST + b"Transfer-Encoding: chunked\r\n\r\n") as peer:
        await peer.pour(b"1\r\nx\r\n" * 16_384, 8 * MIB)
        await peer.send(b"0\r\n\r\n")
        assert (await peer.reply()).status == 200
    assert (await victim.vitals())["turn_s"] < 0.05


async def test_a_fast_reader_does_not_hold_the_loop(victim: Victim) -> None:
    await victim.get("/calm")
    async with victim.peer(b"GET /download/%d" % (256 * MIB) + HOST + b"Connection: close\r\n\r\n") as peer:
        assert await peer.drink() > 256 * MIB
    assert (await victim.vitals())["turn_s"] < 0.05


CONSTANT = 32 * MIB  # the gate of the benchmark: a stream holds up to half a MiB that is read, that waits, that is used


async def eight(victim: Victim, one: Callable[[Peer], object], request: bytes) -> int:
    """Run eight of these at once; by how much the memory of the server grew at most."""
    before = peak = (await victim.vitals())["rss"]

    async def stream() -> None:
        async with victim.peer(request) as peer:
            await one(peer)  # type: ignore[misc]

    streams = [asyncio.create_task(stream()) for _ in range(8)]
    while True:
        peak = max(peak, (await victim.vitals())["rss"])
        done, pending = await asyncio.wait(streams, timeout=0.1)
        if not pending:
            for task in done:
                task.result()
            return int(peak - before)


@pytest.mark.parametrize("size", [64 * MIB, pytest.param(GIB, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
class TestMemoryIsConstantDuringEightStreams:
    @pytest.mark.parametrize("path", [b"/download/", b"/file/"])
    async def test_down(self, victim: Victim, path: bytes, size: int) -> None:
        async def drink(peer: Peer) -> None:
            assert await peer.drink() > size

        request = b"GET " + path + b"%d" % size + HOST + b"Connection: close\r\n\r\n"
        assert await eight(victim, drink, request) < CONSTANT
        assert await victim.is_well()

    @pytest.mark.parametrize("framing", ["declared", "chunked"])
    async def test_up(self, victim: Victim, framing: str, size: int) -> None:
        chunk, head = b"\0" * 65_536, b"Content-Length: %d\r\n\r\n" % size
        if framing == "chunked":
            chunk, head = b"10000\r\n" + chunk + b"\r\n", b"Transfer-Encoding: chunked\r\n\r\n"

        async def pour(peer: Peer) -> None:
            for _ in range(size // 65_536):
                await peer.send(chunk)
            await peer.send(b"0\r\n\r\n" if framing == "chunked" else b"")
            assert (await peer.reply()).json() == size

        assert await eight(victim, pour, b"POST /read" + HOST + head) < CONSTANT
        assert await victim.is_well()
