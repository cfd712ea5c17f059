"""Where a request came in, for the links of its answer; and where it came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any
from urllib.parse import quote, urlencode

HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*")  # what needs no quoting
FORWARDED = re.compile(r'(?:^|;)\s*(host|proto)\s*=\s*"?([^";,\s]+)', re.I)


def root_url(scope: Mapping[str, Any], headers: Mapping[bytes, bytes], public_url: str) -> str:
    """scheme://host[:port] as the client knows it, without a slash at the end.

    `public_url` if the operator said one; else what a proxy in front says (Forwarded, X-Forwarded-*), else Host. A host
    that is none is not repeated: then it is the address that was connected to.
    """
    if public_url:
        return public_url.rstrip("/")
    scheme, host = scope.get("scheme", "http"), _text(headers, b"host")
    if b"forwarded" in headers:
        for name, value in FORWARDED.findall(_first(headers, b"forwarded")):
            scheme, host = (value, host) if name.lower() == "proto" else (scheme, value)
    else:
        scheme = _first(headers, b"x-forwarded-proto") or scheme
        host = _first(headers, b"x-forwarded-host") or host
    if scheme not in {"http", "https"}:
        scheme = "http"
    if HOST.fullmatch(host) is None:
        name, port = scope.get("server") or ("localhost", None)
        host = f"[{name}]" if ":" in name else "localhost" if "/" in name else name  # a path: a Unix socket
        host = f"{host}:{port}" if port else host
    return f"{scheme}://{host}"


def source(
    scope: Mapping[str, Any], headers: Mapping[bytes, bytes], proxies: Sequence[IPv4Network | IPv6Network]
) -> str:
    """The address of who asks; empty over a Unix socket. It is who connected, or whom one of these proxies names.

    X-Forwarded-For is read from its end, as long as it is a proxy of ours that says so: what comes before, anybody could say.
    """
    client = scope.get("client")
    found = str(client[0]) if client else ""
    if not proxies:
        return found
    for said in reversed(_text(headers, b"x-forwarded-for").split(",")):
        if not _among(found, proxies) or not said.strip():
            break
        found = said.strip()
    return found


def _among(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        return any(ip_address(address) in network for network in networks)
    except ValueError:
        return False


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1").strip()


def _first(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """The first of the values: the one of the proxy that the client spoke to."""
    return _text(headers, name).partition(",")[0].strip()


@dataclass(frozen=True, slots=True)
class Here:
    """The request's own address. `base` ends before `path`, which begins with a slash: base + path is the URL."""

    base: str  # http://cloud.example/compute
    path: str  # /v2.1/servers, decoded
    query: Mapping[str, list[str]]

    def url(self, path: str) -> str:
        """The URL of another path of the same service."""
        return f"{self.base}{path if PLAIN.fullmatch(path) else quote(path)}"

    def again(self, **changed: str | None) -> str:
        """The path and query of this request with some parameters changed; None takes one away."""
        kept = {k: v for k, v in self.query.items() if k not in changed}
        new = {k: [v] for k, v in changed.items() if v is not None}
        query = urlencode({**kept, **new}, doseq=True)
        return f"{quote(self.path)}?{query}" if query else quote(self.path)
