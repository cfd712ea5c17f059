"""What two readers could read in two ways is refused, and nothing after it on the connection is looked at."""

from __future__ import annotations

import pytest

from hostile.conftest import HOST, Victim

CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /vitals" + HOST + b"\r\n"

SHAPES = {
    "both lengths": b"POST /read" + HOST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "both, the other way": b"POST /read" + HOST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "two lengths": b"POST /read" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "one length twice": b"POST /read" + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": b"POST /read" + HOST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": b"POST /read" + HOST + b"Content-Length: +5\r\n\r\nhello",
    "a negative length": b"POST /read" + HOST + b"Content-Length: -1\r\n\r\n",
    "a hexadecimal length": b"POST /read" + HOST + b"Content-Length: 0x5\r\n\r\nhello",
    "a length with an underscore": b"POST /read" + HOST + b"Content-Length: 1_0\r\n\r\nhellohello",
    "an endless length": b"POST /read" + HOST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
    "an empty length": b"POST /read" + HOST + b"Content-Length:\r\n\r\n",
    "chunked twice": b"POST /read" + HOST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked, chunked": b"POST /read" + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked, then another": b"POST /read" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /read HTTP/1.0\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "xchunked": b"POST /read" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a vertical tab": b"POST /read" + HOST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "a blank before the colon": b"POST /read" + HOST + b"Content-Length : 5\r\n\r\nhello",
    "a folded header": b"GET /hello" + HOST + b"X-A: b\r\n c\r\n\r\n",
    "a fold first": b"GET /hello HTTP/1.1\r\n X: y\r\nHost: victim\r\n\r\n",
    "a bare CR": b"GET /hello" + HOST + b"X-A: b\rX-B: c\r\n\r\n",
    "a bare LF in a header": b"GET /hello" + HOST + b"X-A: b\nX-B: c\r\n\r\n",
    "bare LF all over": b"GET /hello HTTP/1.1\nHost: victim\n\n",
    "a NUL": b"GET /hello" + HOST + b"X-A: b\0c\r\n\r\n",
    "no colon": b"GET /hello" + HOST + b"X-A\r\n\r\n",
    "no name": b"GET /hello" + HOST + b": b\r\n\r\n",
    "a name of two words": b"GET /hello" + HOST + b"X A: b\r\n\r\n",
    "two hosts": b"GET /hello" + HOST + b"Host: other\r\n\r\n",
    "no host": b"GET /hello HTTP/1.1\r\n\r\n",
    "two blanks in the line": b"GET  /hello" + HOST + b"\r\n",
    "a tab in the line": b"GET\t/hello" + HOST + b"\r\n",
    "no version": b"GET /hello\r\nHost: victim\r\n\r\n",
    "another protocol": b"GET /hello FTP/1.1\r\nHost: victim\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a control character in the path": b"GET /he\x01llo" + HOST + b"\r\n",
    "a raw byte in the path": b"GET /h\xe9llo" + HOST + b"\r\n",
    "no path": b"GET hello" + HOST + b"\r\n",
    "a tunnel": b"CONNECT victim:80" + HOST + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",
    "a long chunk": b"POST /read" + HOST + CHUNKED + b"\r\n3\r\nhello\r\n0\r\n\r\n",
    "a chunk of no size": b"POST /read" + HOST + CHUNKED + b"\r\n\r\nhello\r\n0\r\n\r\n",
    "a negative chunk": b"POST /read" + HOST + CHUNKED + b"\r\n-5\r\nhello\r\n0\r\n\r\n",
    "a chunk in 0x": b"POST /read" + HOST + CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": b"POST /read" + HOST + CHUNKED + b"\r\n" + b"f" * 17 + b"\r\nhello",
    "a chunk that ends in LF": b"POST /read" + HOST + CHUNKED + b"\r\n5\nhello\r\n0\r\n\r\n",
    "chunk data that ends in LF": b"POST /read" + HOST + CHUNKED + b"\r\n5\r\nhello\n0\r\n\r\n",
    "a NUL in an extension": b"POST /read" + HOST + CHUNKED + b"\r\n5;\0\r\nhello\r\n0\r\n\r\n",
    "a malformed trailer": b"POST /read" + HOST + CHUNKED + b"\r\n0\r\nno trailer\r\n\r\n",
}


@pytest.fixture(scope="module")
def shapes() -> dict[str, bytes]:
    return SHAPES


async def test_every_shape_is_refused_and_ends_its_connection(victim: Victim, shapes: dict[str, bytes]) -> None:
    taken = []
    for name, shape in shapes.items():
        async with victim.peer(shape + SMUGGLED) as peer:
            reply = await peer.reply()
            rest = await peer.ended()
        refused = reply.status in (400, 501, 505) and reply.headers["connection"] == "close" and rest == b""
        if not refused or "x-openstack-request-id" not in reply.headers or set(reply.json()) != {"error"}:
            taken.append((name, reply))
    assert not taken
    assert await victim.is_well()


async def test_what_is_well_formed_is_taken(victim: Victim) -> None:
    body = b"5;note=x\r\nhello\r\n0\r\nX-Check: 1\r\n\r\n"
    async with victim.peer(b"POST /read" + HOST + CHUNKED + b"\r\n" + body + SMUGGLED) as peer:
        assert (await peer.reply()).json() == 5
        assert "rss" in (await peer.reply()).json()  # one request after the other: no smuggling, pipelining
