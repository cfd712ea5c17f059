"""What a head says, and where a body ends; in agreement with another implementation."""

from __future__ import annotations

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pileus.kernel.config import Http
from pileus.kernel.errors import BadRequest, CloudError, HeadersTooLarge, NotImplementedHere, UriTooLong
from pileus.kernel.http import wire

LIMITS = Http(header_bytes=1024, url_bytes=256, header_count=16)


def read(head: bytes) -> wire.Head:
    return wire.read_head(head, LIMITS)


def test_a_head_is_read_as_it_was_sent() -> None:
    head = read(b"GET /a%2Fb//c/../d?x=%20&y HTTP/1.1\r\nHost: h\r\nX-Twice: 1 \r\nx-twice:\t2")
    assert (head.method, head.raw_path, head.query) == ("GET", b"/a%2Fb//c/../d", b"x=%20&y")
    assert head.headers == [(b"host", b"h"), (b"x-twice", b"1"), (b"x-twice", b"2")]
    assert head.keep_alive
    assert head.body.ended
    assert not head.expects_continue
    assert not head.wants_websocket


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("http://other/a?b", b"/a", b"b"),
        ("HTTPS://other", b"/", b""),
        ("http://other?b", b"/", b"b"),
        ("http://other/a%2F", b"/a%2F", b""),
        ("/a?b?c", b"/a", b"b?c"),
    ],
)
def test_a_target_may_be_absolute(target: str, path: bytes, query: bytes) -> None:
    head = read(f"GET {target} HTTP/1.1\r\nHost: h".encode())
    assert (head.raw_path, head.query) == (path, query)


def test_options_may_be_asked_of_the_server() -> None:
    assert read(b"OPTIONS * HTTP/1.1\r\nHost: h").raw_path == b"*"
    with pytest.raises(BadRequest):
        read(b"GET * HTTP/1.1\r\nHost: h")


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", "", True),
        ("1.1", "Connection: close", False),
        ("1.1", "Connection: TE, Close", False),
        ("1.0", "", False),
        ("1.0", "Connection: Keep-Alive", True),
        ("1.7", "", True),
    ],
)
def test_whether_the_connection_is_kept(version: str, connection: str, kept: bool) -> None:
    assert read(f"GET / HTTP/{version}\r\nHost: h\r\n{connection}".strip().encode()).keep_alive is kept


def test_a_websocket_is_asked_for_by_get_without_a_body() -> None:
    upgrade = b" / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket"
    assert read(b"GET" + upgrade).wants_websocket
    assert not read(b"POST" + upgrade).wants_websocket
    assert not read(b"GET" + upgrade + b"\r\nContent-Length: 1").wants_websocket
    assert not read(b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket").wants_websocket
    assert not read(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c").wants_websocket


def test_continue_is_expected_in_1_1_only() -> None:
    expect = b"\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-Continue"
    assert read(b"PUT / HTTP/1.1" + expect).expects_continue
    assert not read(b"PUT / HTTP/1.0" + expect).expects_continue
    with pytest.raises(wire.ExpectationFailed):
        read(b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: a-miracle")


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"GET /" + b"a" * 256 + b" HTTP/1.1\r\nHost: h", UriTooLong),
        (b"GET / HTTP/1.1\r\nHost: h" + b"\r\nX: y" * 16, HeadersTooLarge),
        (b"GET / HTTP/2.0\r\nHost: h", wire.VersionNotSupported),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h", NotImplementedHere),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip", NotImplementedHere),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked", BadRequest),
        (b"GET ftp://h/ HTTP/1.1\r\nHost: h", BadRequest),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1", BadRequest),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1", BadRequest),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1", BadRequest),
        (b"GET /#part HTTP/1.1\r\nHost: h", BadRequest),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00", BadRequest),
        (b"GET / HTTP/1.1\r\nHost: h\r\n folded: no more", BadRequest),
    ],
)
def test_why_a_head_is_refused(head: bytes, error: type[CloudError]) -> None:
    with pytest.raises(error):
        read(head)


@pytest.mark.parametrize(
    ("begun", "error"),
    [
        (b"G" * (256 + 65), UriTooLong),
        (b"GET / HTTP/1.1\r\n" + b"a" * 1024, HeadersTooLarge),
        (b"GET / HTTP/1.1\nHost: h\n\n", BadRequest),
        (b"GET / HTTP/1.1\r\nHost: h", None),
        (b"", None),
    ],
)
def test_a_head_is_measured_while_it_comes(begun: bytes, error: type[CloudError] | None) -> None:
    if error is None:
        wire.check_size(begun, -1, LIMITS)
        return
    with pytest.raises(error):
        wire.check_size(begun, -1, LIMITS)


def fed(body: wire.Body, data: bytes, step: int) -> tuple[bytes, bytes]:
    """(the body, what came after it) of `data` that comes `step` bytes at a time."""
    pieces: list[bytes] = []
    for at in range(0, len(data), step):
        rest = data[at : at + step]
        while rest and not body.ended:
            rest = body.feed(rest, pieces)
        if body.ended:
            return b"".join(pieces), rest + data[at + step :]
    return b"".join(pieces), b""


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.integers(1, 700), st.binary(max_size=20))
def test_chunks_however_they_come_are_the_body(chunks: list[bytes], step: int, after: bytes) -> None:
    sent = b"".join(b"%X;x=y\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nX-Sum: 1\r\n\r\n"
    body = wire.Chunked(1024)
    assert fed(body, sent + after, step) == (b"".join(chunks), after)
    assert body.ended
    assert body.left is None


@given(st.binary(max_size=50), st.integers(1, 60), st.binary(max_size=20))
def test_a_sized_body_ends_where_it_says(data: bytes, step: int, after: bytes) -> None:
    body = wire.Sized(len(data))
    assert fed(body, data + after, step) == (data, after if data else b"") or not data
    assert body.ended
    assert body.left == 0


@pytest.mark.parametrize(
    "data", [b"5\nhello\r\n", b"3\r\nhello\r\n", b"3\r\nabc\rX", b"-1\r\n", b"5" * 300, b"0\r\nno trailer\r\n"]
)
@pytest.mark.parametrize("step", [1, 1000])
def test_malformed_chunks(data: bytes, step: int) -> None:
    with pytest.raises(BadRequest):
        fed(wire.Chunked(1024), data, step)


def test_a_turn_reads_only_so_many_lines() -> None:
    pieces: list[bytes] = []
    body = wire.Chunked(1024)
    rest = body.feed(b"1\r\nx\r\n" * 5000, pieces)
    assert wire.TURN_LINES - 2 < len(pieces) <= wire.TURN_LINES
    assert not body.ended
    assert len(rest) > 6 * 3000


def test_trailers_are_bounded_all_together() -> None:
    with pytest.raises(BadRequest):
        fed(wire.Chunked(64), b"0\r\n" + b"X: y\r\n" * 11, 1000)
    assert fed(wire.Chunked(64), b"0\r\n" + b"X: y\r\n" * 10 + b"\r\n", 1000) == (b"", b"")


names = st.sampled_from(["Host", "Content-Length", "Transfer-Encoding", "X-A", "connection", "X A", "", "X\t", "é"])
values = st.sampled_from(
    ["h", "5", "5, 5", "+5", "chunked", "chunked, x", "close", "a\x0bb", "a\x00", "a\rb", "a\nb", " x ", "é"]
)
lines = st.lists(st.tuples(names, values), max_size=4)


@given(st.sampled_from(["GET", "POST", "G T", "X" * 33]), st.sampled_from(["/", "/a%00", "*", "a", "/ b", "/é"]), lines)
@example("POST", "/", [("Host", "h"), ("Content-Length", "5")])
def test_what_is_taken_means_the_same_to_another_reader(method: str, target: str, said: list[tuple[str, str]]) -> None:
    """h11 may refuse less or more than we do; what both take, both read alike."""
    text = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: h", *(f"{name}: {value}" for name, value in said)])
    raw = text.encode("latin-1")
    try:
        head = read(raw)
    except CloudError:
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(raw + b"\r\n\r\n")
    event = other.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method.decode(), event.target) == (head.method, head.raw_path)
    assert list(event.headers) == [(name, value) for name, value in head.headers]
    assert head.body.ended == (other.next_event() is not h11.NEED_DATA)
