"""What a handler returns: plain data. Who sends it is elsewhere.

A dict (wrapped as the route says) or None is the usual answer. `Answer` is for a status, a header or a body of another
kind; `Stream` for what is too large to hold.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

JSON_TYPE = "application/json"
NO_BODY = frozenset({204, 304})
ENCODER = msgspec.json.Encoder()
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # all but the tab

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer said in full: the body is sent as it is, without the route's `wrap`.

    bytes and str go out unchanged, None is no body, anything else becomes JSON. `status` None is the route's own.
    """

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = ""  # empty: JSON for JSON, plain text for str, octets for bytes


@dataclass(frozen=True, slots=True)
class FilePart:
    """`length` bytes of a file, from `offset` on."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer too large to hold. `size` in bytes, None when it is not known beforehand.

    An iterator that has `aclose` is closed when the answer ends, also when the client has gone.
    """

    source: AsyncIterator[bytes] | FilePart
    size: int | None = None
    media_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """An answer as bytes: what is sent, and what an idempotency key keeps. Headers of the request's own (its id, its
    microversion) are not in it."""

    status: int
    headers: RawHeaders
    body: bytes


def raw_headers(headers: Mapping[str, str]) -> RawHeaders:
    """Names in lower case; values in Latin-1, anything else in them as UTF-8. A control character is a ValueError."""
    raw: RawHeaders = []
    for name, value in headers.items():
        data = value.encode("latin-1") if value.isascii() else value.encode()
        if CONTROL.search(data):
            raise ValueError(f"header {name}: control character in the value")
        raw.append((name.lower().encode("ascii"), data))
    return raw


def rendered(answer: Answer, status: int) -> Rendered:
    """The answer as bytes; `status` counts where the answer names none."""
    body = answer.body
    if body is None:
        payload, media_type = b"", answer.media_type
    elif isinstance(body, bytes):
        payload, media_type = body, answer.media_type or "application/octet-stream"
    elif isinstance(body, str):
        payload, media_type = body.encode(), answer.media_type or "text/plain; charset=utf-8"
    else:
        payload, media_type = ENCODER.encode(body), answer.media_type or JSON_TYPE
    headers = raw_headers(answer.headers) if answer.headers else []
    if media_type:
        headers.append((b"content-type", media_type.encode("ascii")))
    final = answer.status or status
    if final in NO_BODY:
        payload = b""
    else:
        headers.append((b"content-length", b"%d" % len(payload)))
    return Rendered(final, headers, payload)


def rendered_json(document: Any, status: int) -> Rendered:
    """The short way for the usual answer."""
    payload = ENCODER.encode(document)
    return Rendered(
        status, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(payload))], payload
    )
