"""HTTP/1.1 as bytes, without any I/O: what the head of a request says, and where its body ends.

One grammar, the strict one of RFC 9110 and 9112, and no leniency: whatever two parsers could read in two ways (both
lengths, a folded line, a bare CR or LF, a space before a colon) is refused, for that is what request smuggling is made
of. Sizes are looked at before contents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pileus.kernel.config import Http
from pileus.kernel.errors import BadRequest, CloudError, HeadersTooLarge, NotImplementedHere, UriTooLong

END = b"\r\n\r\n"
LINE_BYTES = 64  # what a request line may have beside its target: method, version, blanks
CHUNK_LINE_BYTES = 256  # a chunk's size and its extensions
TURN_LINES = 1024  # most lines between chunks read in one go, some 2 ms: nobody stops the loop with chunks of one byte

Headers = list[tuple[bytes, bytes]]

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) ([\x21\x22\x24-\x7e]+) HTTP/([0-9])\.([0-9])")
_PRINTABLE = bytes(byte for byte in range(256) if byte == 9 or (byte >= 32 and byte != 127))
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e]*)?")


class VersionNotSupported(CloudError):
    """A version of HTTP that is not spoken here."""

    status, code, title = 505, "versionNotSupported", "HTTP Version Not Supported"


class ExpectationFailed(CloudError):
    """An Expect that is not 100-continue."""

    status, code, title = 417, "expectationFailed", "Expectation Failed"


class Body(Protocol):
    """Where a body ends. `ended` says that all of it was fed; `left` how many bytes are to come, None if unknown."""

    ended: bool

    @property
    def left(self) -> int | None: ...

    def feed(self, data: bytes, pieces: list[bytes]) -> bytes:
        """Append what belongs to the body to `pieces`. Raises BadRequest.

        Returns what was not read: what comes after the end, or what is to be fed again, for this took long enough.
        """
        ...


class Sized:
    """A body of known length."""

    __slots__ = ("ended", "left")

    def __init__(self, length: int) -> None:
        self.left: int = length
        self.ended = length == 0

    def feed(self, data: bytes, pieces: list[bytes]) -> bytes:
        taken, rest = (data, b"") if len(data) <= self.left else (data[: self.left], data[self.left :])
        if taken:
            pieces.append(taken)
        self.left -= len(taken)
        self.ended = self.left == 0
        return rest


class Chunked:
    """A body in chunks. Extensions are ignored; trailers are checked, bounded and dropped."""

    __slots__ = ("_in_trailers", "_line", "_of_chunk", "_trailer_bytes", "ended")

    left: None = None

    def __init__(self, trailer_bytes: int) -> None:
        self.ended = False
        self._of_chunk = 0  # bytes of this chunk to come, with the two that end it
        self._line = b""  # the beginning of a line whose end has not come
        self._in_trailers = False
        self._trailer_bytes = trailer_bytes

    def feed(self, data: bytes, pieces: list[bytes]) -> bytes:
        at = lines = 0
        while at < len(data) and not self.ended and lines < TURN_LINES:
            if self._of_chunk:
                at = self._take_chunk(data, at, pieces)
            else:
                at, lines = self._take_line(data, at), lines + 1
        return data[at:]

    def _take_chunk(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        if self._of_chunk > 2:
            taken = data[at : at + self._of_chunk - 2]
            pieces.append(taken)
        else:
            taken = data[at : at + self._of_chunk]
            if taken != b"\r\n"[2 - self._of_chunk :][: len(taken)]:
                raise BadRequest("A chunk is longer than it says.")
        self._of_chunk -= len(taken)
        return at + len(taken)

    def _take_line(self, data: bytes, at: int) -> int:
        limit = self._trailer_bytes if self._in_trailers else CHUNK_LINE_BYTES
        end = data.find(b"\n", at, at + limit + 1)
        self._line += data[at : end + 1] if end >= 0 else data[at : at + limit + 1]
        if len(self._line) > limit:
            raise BadRequest("A line between the chunks is too long.")
        if end < 0:
            return len(data)
        line, self._line = self._line, b""
        if not line.endswith(b"\r\n"):
            raise BadRequest("A line between the chunks does not end in CR LF.")
        (self._read_trailer if self._in_trailers else self._read_size)(line[:-2])
        return end + 1

    def _read_size(self, line: bytes) -> None:
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise BadRequest("The size of a chunk is malformed.")
        size = int(match[1], 16)
        self._in_trailers = size == 0
        self._of_chunk = size + 2 if size else 0

    def _read_trailer(self, line: bytes) -> None:
        if not line:
            self.ended = True
            return
        self._trailer_bytes -= len(line) + 2
        _read_headers(line)


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a request says. `raw_path` and `query` are as sent, not one escape undone."""

    method: str
    raw_path: bytes
    query: bytes
    http_version: str
    headers: Headers  # names in lower case, order and doubles kept
    body: Body
    keep_alive: bool
    expects_continue: bool
    wants_websocket: bool


def check_size(head: bytes | bytearray, end: int, limits: Http) -> None:
    """Refuse a head that is too large before anything is read in it. `end` is its length, -1 if it has not ended yet.

    Raises UriTooLong, HeadersTooLarge, and BadRequest for lines that end in LF alone (their end would never be found).
    """
    line = head.find(b"\r\n", 0, limits.url_bytes + LINE_BYTES + 2)
    known = len(head) if end < 0 else end
    if line < 0 and known > limits.url_bytes + LINE_BYTES:
        raise UriTooLong(f"The request line is longer than {limits.url_bytes} bytes.")
    if line >= 0 and known - line > limits.header_bytes:
        raise HeadersTooLarge(f"The headers are longer than {limits.header_bytes} bytes.")
    if end < 0 and b"\n\n" in head:
        raise BadRequest("A line does not end in CR LF.")


def read_head(head: bytes, limits: Http) -> Head:
    """The head of a request, without the empty line that ends it.

    Raises BadRequest, UriTooLong, HeadersTooLarge, VersionNotSupported, ExpectationFailed, NotImplementedHere.
    """
    line, _, block = head.partition(b"\r\n")
    if block.count(b"\r\n") >= limits.header_count:
        raise HeadersTooLarge(f"There are more than {limits.header_count} headers.")
    method, target, http_version = _read_request_line(line)
    if len(target) > limits.url_bytes:
        raise UriTooLong(f"The request target is longer than {limits.url_bytes} bytes.")
    raw_path, _, query = _origin_form(method, target).partition(b"?")
    headers = _read_headers(block)
    said = _Said(headers)
    if len(said[b"host"]) > 1 or (http_version == "1.1" and not said[b"host"]):
        raise BadRequest("There must be one Host header.")
    connection = said.tokens(b"connection")
    body = _body(said, http_version, limits)
    return Head(
        method=method,
        raw_path=raw_path,
        query=query,
        http_version=http_version,
        headers=headers,
        body=body,
        keep_alive=b"close" not in connection and (http_version == "1.1" or b"keep-alive" in connection),
        expects_continue=_expects_continue(said, http_version),
        wants_websocket=method == "GET"
        and body.ended
        and b"upgrade" in connection
        and b"websocket" in said.tokens(b"upgrade"),
    )


class _Said(dict[bytes, list[bytes]]):
    """The values of the headers that say how a message is cut and carried."""

    def __init__(self, headers: Headers) -> None:
        names = (b"host", b"connection", b"upgrade", b"content-length", b"transfer-encoding", b"expect")
        super().__init__((name, []) for name in names)
        for name, value in headers:
            if name in self:
                self[name].append(value)

    def tokens(self, name: bytes) -> set[bytes]:
        """The members of a header that is a list, in lower case."""
        return {part.strip(b" \t").lower() for value in self[name] for part in value.split(b",")}


def _read_headers(block: bytes) -> Headers:
    if block.replace(b"\r\n", b"").translate(None, _PRINTABLE):
        raise BadRequest("There is a control character in a header.")
    headers: Headers = []
    for line in block.split(b"\r\n") if block else ():
        name, colon, value = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(name):  # a folded line has no name either
            raise BadRequest("A header is malformed.")
        headers.append((name.lower(), value.strip(b" \t")))
    return headers


def _read_request_line(line: bytes) -> tuple[str, bytes, str]:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise BadRequest("The request line is malformed.")
    method, target, major, minor = match.groups()
    if major != b"1":
        raise VersionNotSupported("HTTP/1.1 is spoken here.")
    return method.decode(), target, "1.0" if minor == b"0" else "1.1"


def _origin_form(method: str, target: bytes) -> bytes:
    """Path and query of a target; of `http://host/path` too, as proxies are asked."""
    if target.startswith(b"/") or (target == b"*" and method == "OPTIONS"):
        return target
    if method == "CONNECT":
        raise NotImplementedHere("This is no proxy.")
    scheme, _, rest = target.partition(b"://")
    if scheme.lower() not in (b"http", b"https"):
        raise BadRequest("The request target is malformed.")
    authority = re.match(rb"[^/?]*", rest)
    path = rest[authority.end() :] if authority else b""
    return path if path.startswith(b"/") else b"/" + path


def _body(said: _Said, http_version: str, limits: Http) -> Body:
    lengths, codings = said[b"content-length"], said[b"transfer-encoding"]
    if not codings and not lengths:
        return Sized(0)
    if codings and (lengths or http_version == "1.0"):
        raise BadRequest("The length of the body is said in two ways.")
    if codings:
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise _unknown_coding(codings)
        return Chunked(limits.header_bytes)
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise BadRequest("Content-Length must be one number.")
    return Sized(int(lengths[0]))


def _unknown_coding(codings: Sequence[bytes]) -> CloudError:
    """501 for a coding that is merely not known here, 400 where `chunked` stands twice or not last."""
    if any(b"chunked" in coding.lower() for coding in codings):
        return BadRequest("Transfer-Encoding is malformed.")
    return NotImplementedHere("The only Transfer-Encoding known here is chunked.")


def _expects_continue(said: _Said, http_version: str) -> bool:
    expected = said.tokens(b"expect")
    if expected - {b"100-continue"}:
        raise ExpectationFailed("The only Expect known here is 100-continue.")
    return bool(expected) and http_version == "1.1"
