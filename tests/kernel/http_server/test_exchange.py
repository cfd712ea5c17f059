"""One request and its response over a real connection."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any

import pytest

from kernel.http_server.conftest import CLOSE, HOST, Serve, answer, body_of, echo
from pileus.kernel.errors import ClientGone


async def test_paths_reach_the_app_as_sent(serve: Serve) -> None:
    served = await serve(echo, prefix="/identity")
    assert (await served.ask(b"GET /a%2Fb//c/../d?q" + HOST + CLOSE)).endswith(b"GET /identity/a%2Fb//c/../d ")


async def test_requests_follow_each_other(serve: Serve) -> None:
    served = await serve(echo)
    first = b"POST /1" + HOST + b"Content-Length: 5\r\n\r\nhello"
    second = b"\r\nPOST /2" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nyou\r\n0\r\n\r\n"
    answers = await served.ask(first + second + b"GET /3" + HOST + CLOSE)
    assert answers.count(b"200 OK") == 3
    assert [answers.index(part) for part in (b"POST /1 hello", b"POST /2 you", b"GET /3")] == sorted(
        answers.index(part) for part in (b"POST /1 hello", b"POST /2 you", b"GET /3")
    )
    assert answers.count(b"connection: close") == 1


async def test_a_request_may_come_byte_by_byte(serve: Serve) -> None:
    served = await serve(echo)
    async with served.peer() as (reader, writer):
        for byte in b"PUT /x" + HOST + b"Content-Length: 2\r\n" + CLOSE + b"ab":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        assert (await reader.read()).endswith(b"PUT /x ab")


async def test_http_1_0_is_answered_and_kept_only_on_request(serve: Serve) -> None:
    served = await serve(echo)
    assert (await served.ask(b"GET /x HTTP/1.0\r\n\r\n")).endswith(b"connection: close\r\n\r\nGET /x ")
    both = await served.ask(b"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /y HTTP/1.0\r\n\r\n")
    assert b"connection: keep-alive" in both
    assert both.endswith(b"GET /y ")


async def streamed(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"transfer-encoding", b"gzip")]})
    for piece in (b"one", b"", b"two"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


async def test_a_body_of_unknown_length_is_chunked_or_ends_the_connection(serve: Serve) -> None:
    served = await serve(streamed)
    chunked = await served.ask(b"GET /" + HOST + CLOSE)
    assert b"transfer-encoding: chunked\r\n" in chunked
    assert b"gzip" not in chunked
    assert chunked.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    plain = await served.ask(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert b"chunked" not in plain
    assert plain.endswith(b"connection: close\r\n\r\nonetwo")
    assert (await served.ask(b"HEAD /" + HOST + CLOSE)).endswith(b"\r\n\r\n")


async def test_some_statuses_have_no_body(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"nothing to see", int(scope["path"][1:]), (b"x-more", b"1"), (b"Date", b"now"))

    served = await serve(app)
    gone = await served.ask(b"GET /204" + HOST + CLOSE)
    assert b"content-length" not in gone
    assert b"Date: now" not in gone
    assert gone.endswith(b"\r\n\r\n")
    assert b"content-length: 14" in await served.ask(b"GET /304" + HOST + CLOSE)
    head = await served.ask(b"HEAD /200" + HOST + CLOSE)
    assert b"content-length: 14" in head
    assert head.endswith(b"\r\n\r\n")
    assert (await served.ask(b"GET /299" + HOST + CLOSE)).startswith(b"HTTP/1.1 299 \r\n")


async def test_the_app_may_end_the_connection(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"bye", 200, (b"connection", b"close"))

    served = await serve(app)
    assert (await served.ask(b"GET /" + HOST + b"\r\n")).endswith(b"connection: close\r\n\r\nbye")


async def test_continue_is_said_when_the_app_reads(serve: Serve) -> None:
    served = await serve(echo)
    async with served.peer(b"PUT /" + HOST + b"Content-Length: 2\r\nExpect: 100-continue\r\n" + CLOSE) as (
        reader,
        writer,
    ):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"ab")
        assert (await reader.read()).endswith(b"PUT / ab")
    impatient = b"PUT /" + HOST + b"Content-Length: 2\r\nExpect: 100-continue\r\n" + CLOSE + b"ab"
    assert (await served.ask(impatient)).startswith(b"HTTP/1.1 200")


async def refusing(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, b"no", 401)


async def test_continue_is_not_said_when_the_app_refuses(serve: Serve) -> None:
    served = await serve(refusing)
    said = await served.ask(b"PUT /" + HOST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in said


async def test_a_little_that_was_not_read_does_not_cost_the_connection(serve: Serve) -> None:
    served = await serve(refusing)
    async with served.peer(b"PUT /" + HOST + b"Content-Length: 4\r\n\r\n") as (reader, writer):
        assert b"connection: close" not in await reader.readuntil(b"no")
        writer.write(b"ab")
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(b"cdGET /" + HOST + CLOSE)
        assert (await reader.read()).startswith(b"HTTP/1.1 401")


async def test_a_little_that_never_comes_does(serve: Serve) -> None:
    served = await serve(refusing, body_timeout_s=0.1)
    assert (await served.ask(b"PUT /" + HOST + b"Content-Length: 4\r\n\r\nab")).endswith(b"no")


async def test_late_bodies_and_heads_and_idlers_are_told_off(serve: Serve) -> None:
    seen: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(await body_of(receive))
        await send({"type": "http.response.start", "status": 200})

    served = await serve(app, body_timeout_s=0.1, header_timeout_s=0.1, idle_timeout_s=0.1)
    assert (await served.ask(b"PUT /" + HOST + b"Content-Length: 4\r\n\r\nab")).startswith(b"HTTP/1.1 408")
    assert seen == [b"gone: requestTimeout"]
    assert (await served.ask(b"PUT /")).startswith(b"HTTP/1.1 408")
    assert await served.ask(b"") == b""


async def test_an_app_may_wait_for_the_client_to_leave(serve: Serve) -> None:
    left = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await body_of(receive)
        assert (await receive())["type"] == "http.disconnect"
        with pytest.raises(ClientGone):
            await send({"type": "http.response.start", "status": 200})
        left.set()
        raise ClientGone("as an app that does not look")

    served = await serve(app)
    async with served.peer(b"PUT /" + HOST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\nab"):
        pass
    await left.wait()


async def test_after_its_answer_an_app_hears_that_it_is_over(serve: Serve) -> None:
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"ok")
        heard.append((await receive())["type"])
        raise RuntimeError("after the answer: for the log alone")

    served = await serve(app)
    assert (await served.ask(b"GET /" + HOST + CLOSE)).endswith(b"ok")
    assert heard == ["http.disconnect"]


async def fails(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/late":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
    if scope["path"] != "/silent":
        raise RuntimeError("secret")


async def test_a_failing_app_is_a_500_or_a_broken_connection(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    served = await serve(fails)
    with caplog.at_level(logging.ERROR):
        assert (await served.ask(b"GET /early" + HOST + b"\r\n")).startswith(b"HTTP/1.1 500")
        silent = await served.ask(b"GET /silent" + HOST + b"\r\n")
        assert silent.startswith(b"HTTP/1.1 500")
        assert b"secret" not in silent
        with pytest.raises(ConnectionError):
            await served.ask(b"GET /late" + HOST + b"\r\n")
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.body", "body": b"x"}],
        [{"type": "http.response.start", "status": 200}, {"type": "http.response.start", "status": 200}],
        [{"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: b")]}],
        [{"type": "http.response.start", "status": 200, "headers": [(b"x:y", b"a")]}],
        [{"type": "http.response.start", "status": 200, "headers": [(b"", b"a")]}],
        [{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]}, {"type": "http.response.body", "body": b"ab"}],
        [{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]}, {"type": "http.response.body", "body": b"ab"}],
        [{"type": "http.response.start", "status": 200}, {"type": "http.response.zerocopysend", "file": 0, "count": 1}],
        [{"type": "http.response.zerocopysend", "file": 0, "count": 1}],
        [{"type": "http.response.push"}],
    ],
)  # fmt: skip
async def test_an_app_that_breaks_the_protocol_is_told(serve: Serve, messages: list[dict[str, Any]]) -> None:
    told: list[Exception] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            for message in messages:
                await send(message)
        except RuntimeError as e:
            told.append(e)
            raise

    served = await serve(app)
    try:
        assert b" 200 " not in (await served.ask(b"GET /" + HOST + CLOSE))[:20]
    except ConnectionError:
        assert messages[0]["type"] == "http.response.start"
    assert told


async def test_more_than_the_high_water_mark_is_not_read_ahead(serve: Serve) -> None:
    go = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go.wait()
        await answer(send, b"%d" % len(await body_of(receive)))

    served = await serve(app)
    size = 32 << 20
    async with served.peer(b"PUT /" + HOST + b"Content-Length: %d\r\n" % size + CLOSE) as (reader, writer):
        writer.write(b"\0" * size)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await writer.drain()
        go.set()
        assert (await reader.read()).endswith(b"%d" % size)


async def test_a_writer_waits_for_a_slow_reader_and_learns_that_it_left(serve: Serve) -> None:
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"\0" * 1_000_000, "more_body": True})
        finally:
            ended.set()

    served = await serve(app)
    async with served.peer(b"GET /" + HOST + b"\r\n") as (reader, writer):
        await reader.readexactly(5_000_000)
        writer.transport.abort()
    await ended.wait()


async def test_a_large_piece_of_known_length_goes_out_whole(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"\0" * 5_000_000)

    served = await serve(app)
    assert len((await served.ask(b"GET /" + HOST + CLOSE)).partition(b"\r\n\r\n")[2]) == 5_000_000


async def test_tls(serve: Serve, contexts: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await echo(scope, receive, send)

    server, client = contexts
    served = await serve(app, secure=server)
    assert (await served.ask(b"GET /x" + HOST + CLOSE, client)).endswith(b"GET /x ")
    assert scopes[0]["scheme"] == "https"
    assert scopes[0]["extensions"] == {"tls": {"client_certificate": None}}
    assert b"HTTP" not in await served.ask(b"\x16\x03\x01 this is no handshake \r\n\r\n")
    assert (await served.ask(b"GET /" + HOST + b"no colon\r\n\r\n", client)).startswith(b"HTTP/1.1 400")


async def test_what_comes_too_early_waits(serve: Serve) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await go.wait()
        await echo(scope, receive, send)

    served = await serve(app)
    async with served.peer(b"GET /1" + HOST + b"\r\n") as (reader, writer):
        await begun.wait()
        for piece in (b"GET /2" + HOST, b"\r\n", b"GET /3" + HOST + b"Content-Length: 1\r\n", CLOSE):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        go.set()
        await reader.readuntil(b"GET /2 ")
        writer.write(b"x")
        assert (await reader.read()).endswith(b"GET /3 x")


@pytest.mark.parametrize("path", [b"/read", b"/refuse"])
async def test_a_body_of_tiny_chunks_is_read_in_turns(serve: Serve, path: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/read":
            await answer(send, b"%d" % len(await body_of(receive)))
        else:
            await refusing(scope, receive, send)

    served = await serve(app)
    chunks = b"Transfer-Encoding: chunked\r\n" + CLOSE + b"1\r\nx\r\n" * 9999 + b"0\r\n\r\n"
    said = await served.ask(b"PUT " + path + HOST + chunks)
    assert said.endswith(b"9999" if path == b"/read" else b"no")


async def pour(writer: asyncio.StreamWriter, count: int) -> None:
    for _ in range(count // 65_536):
        writer.write(b"\0" * 65_536)
        await writer.drain()


async def test_who_was_told_off_may_not_go_on_for_ever(serve: Serve) -> None:
    served = await serve(refusing)
    async with served.peer(b"PUT /" + HOST + b"Content-Length: 999999999\r\n\r\n") as (reader, writer):
        assert await reader.readuntil(b"no")
        with pytest.raises(ConnectionError):
            await pour(writer, 64 << 20)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + HOST + b"no colon\r\n\r\n",
        b"PUT /" + HOST + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
)
async def test_malformed_requests_never_reach_the_app(serve: Serve, data: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    said = await (await serve(app)).ask(data)
    assert said.startswith(b"HTTP/1.1 400")
    assert b"x-openstack-request-id: req-" in said


async def test_a_file_is_not_sent_for_head(serve: Serve) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.zerocopysend", "file": 0, "count": 5})

    said = await (await serve(app)).ask(b"HEAD /" + HOST + CLOSE)
    assert said.startswith(b"HTTP/1.1 200")
    assert said.endswith(b"\r\n\r\n")
