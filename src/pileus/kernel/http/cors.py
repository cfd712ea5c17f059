"""Scripts of other origins: which may call, and what they may see."""

from __future__ import annotations

from pileus.kernel.http.answers import RawHeaders, Rendered

ALLOW_HEADERS = (
    b"Content-Type, Accept, X-Auth-Token, X-Subject-Token, OpenStack-API-Version, X-OpenStack-Nova-API-Version, "
    b"X-OpenStack-Request-ID, Idempotency-Key, If-Match, If-None-Match, Range"
)
EXPOSE_HEADERS = (
    b"X-OpenStack-Request-ID, X-OpenStack-Global-Request-ID, X-Subject-Token, OpenStack-API-Version, X-OpenStack-Nova-API-Version, Location, "
    b"Content-Range, ETag, Link, Retry-After"
)
MAX_AGE_S = 3600


class Cors:
    """The origins that the operator lets in; none: nothing is said about origins at all."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._all = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, origin: bytes | None) -> RawHeaders:
        """What goes with each answer to this Origin."""
        if origin is None or not (self._all or origin in self._origins):
            return []
        allowed = b"*" if self._all else origin
        return [(b"access-control-allow-origin", allowed), (b"access-control-expose-headers", EXPOSE_HEADERS)]

    @property
    def varies(self) -> bool:
        """Whether answers differ by Origin."""
        return bool(self._origins) and not self._all

    def preflight(self, origin: bytes | None, allowed: str) -> Rendered | None:
        """The answer to a preflight of this Origin for a path with these methods; None when it may not call."""
        if not self.headers(origin):
            return None
        said = [
            (b"access-control-allow-methods", allowed.encode()),
            (b"access-control-allow-headers", ALLOW_HEADERS),
            (b"access-control-max-age", b"%d" % MAX_AGE_S),
        ]
        return Rendered(204, said, b"")
