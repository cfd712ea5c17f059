"""Which microversion a request asks for, as OpenStack negotiates it.

OpenStack-API-Version: compute 2.93          the way of all services
X-OpenStack-Nova-API-Version: 2.93           the older way of some
"""

from __future__ import annotations

import re

from pileus.kernel.context import Version, version
from pileus.kernel.errors import BadRequest, NotAcceptable
from pileus.kernel.http.answers import RawHeaders
from pileus.kernel.http.routes import dotted

FORM = re.compile(r"([1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")
COMMON = b"openstack-api-version"

Headers = dict[bytes, bytes]


class Microversions:
    """The range of one service and the headers that it listens to.

    `headers`: "OpenStack-API-Version: compute" for the common header and the service's type in it, or the name of a
    header that holds a version alone. All of them are in each answer.
    """

    def __init__(self, span: tuple[str, str], headers: tuple[str, ...]) -> None:
        self.minimum, self.maximum = version(span[0]), version(span[1])
        named = [tuple(part.strip() for part in text.partition(":")[::2]) for text in headers]
        self._types = [kind for _, kind in named if kind]
        self._alone = [name.lower().encode() for name, kind in named if not kind]
        self._names = [(name, kind) for name, kind in named]

    def negotiate(self, headers: Headers) -> Version:
        """The version asked for, or the service's first one. Raises BadRequest, NotAcceptable."""
        text = self._asked(headers)
        if text is None:
            return self.minimum
        if text == "latest":
            return self.maximum
        if FORM.fullmatch(text) is None:
            raise BadRequest(
                f"API Version String {text[:40]!r} is of invalid format. Must be of format MajorNum.MinorNum.",
                headers=self._range(),
            )
        asked = version(text)
        if not self.minimum <= asked <= self.maximum:
            low, high = dotted(self.minimum), dotted(self.maximum)
            raise NotAcceptable(
                f"Version {text} is not supported by the API. Minimum is {low} and maximum is {high}.",
                headers=self._range(),
                min_version=low,
                max_version=high,
            )
        return asked

    def _asked(self, headers: Headers) -> str | None:
        if COMMON in headers:
            for item in headers[COMMON].decode("latin-1").split(","):
                kind, _, text = item.strip().partition(" ")
                if kind.lower() in self._types and text.strip():
                    return text.strip()
        for name in self._alone:
            if name in headers:
                return headers[name].decode("latin-1").strip()
        return None

    def _range(self) -> dict[str, str]:
        """What tells a client which versions there are."""
        said: dict[str, str] = {}
        for name, kind in self._names:
            stem = name.removesuffix("-Version")
            lead = f"{kind} " if kind else ""
            said[f"{stem}-Minimum-Version"] = f"{lead}{dotted(self.minimum)}"
            said[f"{stem}-Maximum-Version"] = f"{lead}{dotted(self.maximum)}"
        return said

    def answered(self, number: Version) -> tuple[RawHeaders, list[str]]:
        """The headers that say which version answered, and the names for Vary."""
        said = [(name.lower().encode(), f"{kind} {dotted(number)}".strip().encode()) for name, kind in self._names]
        return said, list(dict.fromkeys(name for name, _ in self._names))
