"""What agents and the control plane say to each other, as JSON. Both sides import it, so it knows no database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pileus.engines.verbs import Change, StaleFence
from pileus.kernel.errors import BadRequest, CloudError, Conflict, Forbidden, NotFound, TooLarge, Unavailable

if TYPE_CHECKING:
    import httpx

BODY_BYTES = 16 * 2**20
VERSION_HEADER = "pileus-engine-version"
STALE_FENCE = "staleFence"
UNIX = "unix:"  # begins an address that is the path of a socket
ERRORS: Mapping[int, type[CloudError]] = {
    kind.status: kind for kind in (BadRequest, Forbidden, NotFound, Conflict, Unavailable)
}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A body. Unknown fields are ignored: releases N and N-1 talk to each other."""


class Join(Body, frozen=True):
    secret: str
    csr: str  # PEM
    address: str


class Joined(Body, frozen=True):
    host: str
    certificate: str  # PEM


class Certify(Body, frozen=True):
    csr: str  # PEM


class Certified(Body, frozen=True):
    ca: str  # PEM
    certificate: str  # PEM


class Lease(Body, frozen=True):
    """`observed` is what each engine's `observe` answers, `described` what its `describe` does, if it has that; `ended`
    are jobs whose result nobody has collected."""

    address: str
    versions: dict[str, int]  # of the engine protocols, by kind
    observed: dict[str, Any] = {}
    described: dict[str, Any] = {}
    ended: list[Change] = []


class Leased(Body, frozen=True):
    renew_s: float  # when to post the next renewal


class Changed(Body, frozen=True):
    changes: list[Change]


class Error(Body, frozen=True):
    error: str  # a stable code
    message: str


class AgentError(Exception):
    """An agent cannot start; the message says why and what to do."""


async def read_body(request: Request) -> bytes:
    """The whole body. Raises TooLarge, BadRequest."""
    parts, total = [], 0
    try:
        async for part in request.stream():
            total += len(part)
            if total > BODY_BYTES:
                raise TooLarge(f"A body may have {BODY_BYTES} bytes.")
            parts.append(part)
    except ClientDisconnect as e:
        raise BadRequest("The connection was lost before the body had ended.") from e
    return b"".join(parts)


T = TypeVar("T")


def decode(data: bytes, wanted: type[T]) -> T:
    """Raises BadRequest with the cause."""
    try:
        return msgspec.json.decode(data, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise BadRequest(f"The body cannot be read: {e}") from e


def answer(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def refusal(error: CloudError) -> Response:
    return answer(Error(error=error.code, message=error.message), error.status)


def error_of(response: httpx.Response, who: str) -> Exception:
    """What a refusal means to who asked: the error that was raised at the other end, as far as it is one of ours."""
    try:
        error = msgspec.json.decode(response.content, type=Error)
    except msgspec.DecodeError:
        return Unavailable(f"{who} answered {response.status_code} without saying why.", peer=who)
    if error.error == STALE_FENCE:
        return StaleFence(error.message)
    return ERRORS.get(response.status_code, CloudError)(error.message, peer=who)
