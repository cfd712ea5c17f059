"""How a machine becomes a host: from a join token to a certificate of its own, kept in the agent's state directory.

key.pem     the host's key, made here; it never leaves the machine
ca.pem      the cloud's authority
host.pem    the certificate
name        the host's name, as the token said
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from pileus.agent import tls, wire
from pileus.agent.wire import AgentError
from pileus.engines.files import read_or_none, write_whole
from pileus.kernel.errors import Unavailable
from pileus.kernel.join_token import JoinToken
from pileus.kernel.tls import request as make_request

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Identity:
    """Who this host is."""

    name: str
    ca: bytes
    chain: bytes  # certificate and key, PEM
    joined_by: str  # digest of the token

    def server_context(self) -> ssl.SSLContext:
        """For the agent's listener: who has no certificate of the cloud is not let in."""
        return tls.server_context(self.chain, self.ca)

    def client_context(self) -> ssl.SSLContext:
        """For posts to the control plane."""
        return tls.client_context(self.chain, self.ca)


def load(state: Path) -> Identity | None:
    """The identity this machine has, or None when it has not joined."""
    files = [read_or_none(state / name) for name in ("joined-by", "ca.pem", "host.pem", "key.pem")]
    joined, ca, certificate, key = files
    if joined is None or ca is None or certificate is None or key is None:
        return None
    name, _, digest = joined.decode().partition(" ")
    return Identity(name, ca, certificate + key, digest)


async def join(state: Path, control: str, token: JoinToken, address: str) -> Identity:
    """Trade the token for a certificate. May be repeated with the same token until it answered. Raises AgentError.

    `control` is the URL of the control plane's listener for agents, `address` where this agent will listen.
    """
    request, key = ensure_request(state, token.host)
    ca = await fetch_ca(control, token.ca)
    body = wire.Join(secret=token.secret, csr=request.decode(), address=address)
    try:
        async with connection(tls.client_context(None, ca), control) as client:
            response = await client.post("/agent/v1/join", content=msgspec.json.encode(body), extensions=EXPECT)
    except httpx.TransportError as e:
        raise AgentError(f"{control} does not answer: {e or type(e).__name__}") from e
    if response.status_code != 200:
        raise AgentError(str(wire.error_of(response, control)))
    joined = msgspec.json.decode(response.content, type=wire.Joined)
    if joined.host != token.host:
        raise AgentError(f"the token is for {token.host}, the certificate for {joined.host}")
    files = {
        "ca.pem": ca,
        "host.pem": joined.certificate.encode(),
        "joined-by": f"{joined.host} {token.digest}".encode(),
    }
    for name, data in files.items():  # the last one says that all are there
        write_whole(state / name, data, durable=True)
    return Identity(joined.host, ca, files["host.pem"] + key, token.digest)


async def certify(state: Path, name: str, client: httpx.AsyncClient) -> Identity:
    """Who the host is that shares its machine with the control plane: by a certificate, for other hosts. Raises Unavailable."""
    request, key = ensure_request(state, name)
    content = msgspec.json.encode(wire.Certify(csr=request.decode()))
    try:
        response = await client.post("/agent/v1/certify", content=content)
    except httpx.TransportError as e:
        raise Unavailable(str(e) or type(e).__name__) from e
    if response.status_code != 200:
        raise Unavailable(f"it answered {response.status_code}: {response.text[:300]}")
    certified = msgspec.json.decode(response.content, type=wire.Certified)
    return Identity(name, certified.ca.encode(), certified.certificate.encode() + key, "")


EXPECT = {"sni_hostname": tls.CONTROL_NAME}


def connection(context: ssl.SSLContext, control: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(verify=context, base_url=control, timeout=TIMEOUT_S, trust_env=False)


def ensure_request(state: Path, name: str) -> tuple[bytes, bytes]:
    """The machine's signing request and its key, PEM; made when there is none."""
    request, key = read_or_none(state / "request.pem"), read_or_none(state / "key.pem")
    if request is None or key is None:
        request, key = make_request(name)
        write_whole(state / "key.pem", key, durable=True)
        write_whole(state / "request.pem", request, durable=True)  # last: it is of this key
    return request, key


async def fetch_ca(control: str, fingerprint: str) -> bytes:
    """The authority's certificate, if it is the one that the token names. Raises AgentError."""
    try:
        async with connection(tls.unverified_context(), control) as client:
            response = await client.get("/agent/v1/ca")
    except httpx.TransportError as e:
        raise AgentError(f"{control} does not answer: {e or type(e).__name__}") from e
    try:
        seen = tls.fingerprint(response.content)
    except ValueError:
        seen = ""
    if seen != fingerprint:
        raise AgentError(f"{control} is not the cloud that made this token, or somebody stands between.")
    return response.content
