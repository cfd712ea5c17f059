"""Where an API process listens, and what its clients reach it by."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pileus.cli import Failure
from pileus.kernel.config import Config
from pileus.kernel.config_limits import address
from pileus.kernel.http.server import Listener, Server

CLASSIC_PORTS = frozenset({5000, 8080, 8774, 8775, 8776, 8778, 9292, 9696, 35357})
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared, not bound)


@dataclass(frozen=True)
class Secure:
    """TLS of the API: the context, and the CA that clients must be told of; None for one they trust anyway."""

    context: ssl.SSLContext
    ca: Path | None


def secure(config: Config) -> Secure | None:
    """The TLS that is asked for; the cloud's own certificate is made on the spot. Raises Failure."""
    options = config.api
    if not (options.tls or options.tls_certificate):
        return None
    from pileus.kernel import tls

    try:
        if options.tls_certificate:
            return Secure(tls.server_context(Path(options.tls_certificate), Path(options.tls_key)), None)
        ca = tls.ensure_ca(Path(config.state) / "ca")
        certificate, key = tls.ensure_server(ca, ca.path.parent, names(config))
        return Secure(tls.server_context(certificate, key), ca.path)
    except (tls.TlsError, OSError) as e:
        raise Failure(f"TLS: {e}") from e


def names(config: Config) -> list[str]:
    """The host names and addresses that the own certificate is good for."""
    said = (address(config.api.listen)[0], urlsplit(config.api.public_url).hostname or "")
    known = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    return list(dict.fromkeys(known + [name for name in said if name and name not in EVERYWHERE]))


def listeners(config: Config, tls: ssl.SSLContext | None = None) -> list[Listener]:
    """That of `api.listen` first, then the classic ports, if they are asked for.

    On a service's own port the service is at the root; on that of a service this cloud has not, the list of those it has.
    """
    host, port = address(config.api.listen)
    more = sorted(CLASSIC_PORTS) if config.api.classic_ports else ()
    return [Listener(host, each, tls=tls) for each in (port, *more)]


async def listen(server: Server, config: Config) -> tuple[str, str]:
    """Begin to serve. The URL of the API, and HOST:PORT where it listens. Raises Failure."""
    try:
        addresses = await server.start()
    except OSError as e:
        hint = "another program listens there; name another address by --listen" if e.errno == 98 else e.strerror
        raise Failure(f"cannot listen on {config.api.listen}{classic(config)}: {hint}") from e
    port = addresses[0][1]
    return url(config, port), f"{config.api.listen.rpartition(':')[0]}:{port}"


def classic(config: Config) -> str:
    return " and the classic ports" if config.api.classic_ports else ""


def url(config: Config, port: int) -> str:
    """What clients reach the API by, without a path."""
    if config.api.public_url:
        return config.api.public_url.rstrip("/")
    host = address(config.api.listen)[0]
    host = EVERYWHERE.get(host, host)
    scheme = "https" if config.api.tls or config.api.tls_certificate else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def shared_sockets(config: Config) -> list[socket.socket]:
    """Bound and listening, for processes that accept from the same ones: `api.listen` first. Raises Failure."""
    try:
        return [listener.open() for listener in listeners(config)]
    except OSError as e:
        raise Failure(f"cannot listen on {config.api.listen}{classic(config)}: {e.strerror}") from e
