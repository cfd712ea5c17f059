"""The errors of the cloud, as a tree.

    CloudError                     something a caller is told about
    |- BadRequest        400       the request is malformed
    |- Unauthorized      401       nobody, or somebody who can't prove it
    |- Forbidden         403       known, but not allowed
    |- NotFound          404       not there, or not there for this caller
    |- MethodNotAllowed  405       the path exists, the verb does not
    |- NotAcceptable     406       no such microversion or media type
    |- RequestTimeout    408       the client was too slow
    |- Conflict          409       well formed, but not now
    |- Gone              410
    |- PreconditionFailed 412
    |- TooLarge          413       the body or a number of things exceeds a limit
    |- UriTooLong        414
    |- UnsupportedMediaType 415
    |- RangeNotSatisfiable 416
    |- Unprocessable     422       understood, but it contradicts what was said before
    |- TooManyRequests   429       slow down; `retry_after_s` says how long
    |- HeadersTooLarge   431
    |- NotImplementedHere 501
    `- Unavailable       503       something we need is away; the same request may work later
       `- HostDown       503       a host whose lease has run out

    TryAgain                       the transaction was undone by the database and may run again (never shown)
    LeaseLost                      another worker has taken the operation over (never shown)
    ClientGone                     nobody is there to read an answer (never shown)

A message is for the client: it names the cause and the way out. `facts` are for the log. An error is raised where it
is known and mapped to HTTP once, by the service's fault shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

WHO = "The request you have made requires authentication."
"""What everybody is told who cannot prove to be somebody, whatever the cause."""


class CloudError(Exception):
    """A failure with a status, a stable code, a message for the client and facts for the log."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internalError"
    title: ClassVar[str] = "Internal Server Error"
    request_id: str = ""  # of the request that failed; set at the HTTP rim, for fault shapes that show it
    details: Mapping[str, Any] = MappingProxyType({})  # what a program may read beside the message
    accept: str = ""  # what the client wants to read; set at the HTTP rim, for fault shapes that differ by it
    version: tuple[int, int] | None = None  # the microversion of that request, for fault shapes that differ by it

    def __init__(self, message: str, *, headers: dict[str, str] | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}
        self.facts = facts


class BadRequest(CloudError):
    """The request is malformed; sending it again will not help."""

    status, code, title = 400, "badRequest", "Bad Request"


class Unauthorized(CloudError):
    """Nobody, or somebody who cannot prove it."""

    status, code, title = 401, "unauthorized", "Unauthorized"


class Forbidden(CloudError):
    """The caller is known and may know of the thing, but may not do this. Name the rule and the role that would do."""

    status, code, title = 403, "forbidden", "Forbidden"


class OverQuota(Forbidden):
    """A limit would be passed. The message says limit, use and what was asked for."""

    code = "overQuota"


class NotFound(CloudError):
    """Not there, or not there for this caller: the two read the same."""

    status, code, title = 404, "itemNotFound", "Not Found"


class MethodNotAllowed(CloudError):
    """The path exists, the method does not; `Allow` says which do."""

    status, code, title = 405, "badMethod", "Method Not Allowed"


class NotAcceptable(CloudError):
    """No such microversion or media type."""

    status, code, title = 406, "notAcceptable", "Not Acceptable"


class RequestTimeout(CloudError):
    """The client was too slow in sending its request."""

    status, code, title = 408, "requestTimeout", "Request Timeout"


class Conflict(CloudError):
    """Well formed, but not now: the resource is busy, full, or in the wrong state. The caller may ask again."""

    status, code, title = 409, "conflictingRequest", "Conflict"


class Gone(CloudError):
    """It was there and will not be again."""

    status, code, title = 410, "gone", "Gone"


class PreconditionFailed(CloudError):
    """A condition of the request (If-Match and its kin) does not hold."""

    status, code, title = 412, "preconditionFailed", "Precondition Failed"


class TooLarge(CloudError):
    """The body exceeds what this route takes."""

    status, code, title = 413, "overLimit", "Request Entity Too Large"


class UriTooLong(CloudError):
    """The request line exceeds its limit."""

    status, code, title = 414, "uriTooLong", "URI Too Long"


class UnsupportedMediaType(CloudError):
    """The body is of a kind this route does not read."""

    status, code, title = 415, "badMediaType", "Unsupported Media Type"


class RangeNotSatisfiable(CloudError):
    """The Range lies outside of the data."""

    status, code, title = 416, "rangeNotSatisfiable", "Range Not Satisfiable"


class Unprocessable(CloudError):
    """Understood, but it contradicts what the same client said before."""

    status, code, title = 422, "unprocessable", "Unprocessable Entity"


class TooManyRequests(CloudError):
    """Slow down. `retry_after_s` becomes the Retry-After header (whole seconds, at least 1)."""

    status, code, title = 429, "overLimit", "Too Many Requests"

    def __init__(self, message: str, *, retry_after_s: float, **facts: Any) -> None:
        seconds = max(1, int(-(-retry_after_s // 1)))
        super().__init__(message, headers={"Retry-After": str(seconds)}, **facts)


class HeadersTooLarge(CloudError):
    """The header block exceeds its limit."""

    status, code, title = 431, "headersTooLarge", "Request Header Fields Too Large"


class NotImplementedHere(CloudError):
    """The API has it, this cloud does not."""

    status, code, title = 501, "notImplemented", "Not Implemented"


class Unavailable(CloudError):
    """Something we need is away. The same request may work later; a saga's step is tried again."""

    status, code, title = 503, "serviceUnavailable", "Service Unavailable"


class HostDown(Unavailable):
    """The lease of this host has run out. A step fails at once; an undo or delete becomes a debt of the host."""

    def __init__(self, host: str) -> None:
        super().__init__("The host is not reachable: its lease has run out.", host=host)  # members read it
        self.host = host


class TryAgain(Exception):
    """The database undid this transaction (serialization, deadlock, lost connection before COMMIT): run it again."""


class LeaseLost(Exception):
    """Another worker has taken this operation over: whatever we know is stale and nothing may be recorded."""


class ClientGone(ConnectionError):
    """Whoever asked has left, or was told off by the server: nobody will read an answer. No fault of ours."""
