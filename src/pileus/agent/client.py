"""The control plane's end of the agents: engines that are on other machines, spoken to by the same protocols."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote
from uuid import UUID

import httpx
import msgspec

from pileus.agent import wire
from pileus.agent.consoles import console
from pileus.engines.consoles import Console
from pileus.engines.kinds import PROTOCOLS
from pileus.engines.reflect import Verb, facade
from pileus.engines.verbs import VERB_ANSWERS_WITHIN_S
from pileus.kernel.errors import CloudError, Unavailable
from pileus.kernel.hosts import Hosts

E = TypeVar("E")

CONNECTIONS = httpx.Limits(max_connections=64, max_keepalive_connections=8, keepalive_expiry=60.0)


class Agent:
    """One agent: its connections, and its engines by their protocols.

    A verb raises Unavailable when the agent does not answer within five seconds, StaleFence, or what the engine raised.
    """

    def __init__(self, name: str, address: str, context: ssl.SSLContext | None) -> None:
        self.name, self.address = name, address
        self._extensions: dict[str, Any] = {}
        if address.startswith(wire.UNIX):
            transport = httpx.AsyncHTTPTransport(uds=address.removeprefix(wire.UNIX), limits=CONNECTIONS)
            base = "http://agent"
        else:
            assert context is not None
            transport = httpx.AsyncHTTPTransport(verify=context, limits=CONNECTIONS)
            base = f"https://{address}"
            self._extensions["sni_hostname"] = name  # the certificate must say this name, whatever the address
        self._client = httpx.AsyncClient(transport=transport, base_url=base, timeout=VERB_ANSWERS_WITHIN_S)

    def engine(self, protocol: type[E]) -> E:
        """The host's engine that speaks this protocol."""
        kind, version = protocol.KIND, protocol.VERSION  # type: ignore[attr-defined]

        async def say(verb: Verb, body: msgspec.Struct) -> Any:
            return await self._say(kind, version, verb, body)

        return cast(E, facade(protocol, say))

    async def _say(self, kind: str, version: int, verb: Verb, body: msgspec.Struct) -> Any:
        path = f"/v1/engines/{kind}/{verb.name}"
        if verb.writes:
            path += "/" + quote(verb.subject(body), safe="")
        said = body if body.__struct_fields__ else None
        response = await self._send("PUT" if verb.writes else "GET", path, version, said)
        if response.status_code != 200:
            raise wire.error_of(response, f"The agent of {self.name}")
        try:
            return msgspec.json.decode(response.content, type=verb.answer)
        except msgspec.DecodeError as e:
            raise CloudError(f"The agent of {self.name} answered what {kind} {verb.name} does not: {e}") from e

    async def _send(self, method: str, path: str, version: int, body: Any) -> httpx.Response:
        content = None if body is None else msgspec.json.encode(body)
        headers = {wire.VERSION_HEADER: str(version)}
        try:
            async with asyncio.timeout(VERB_ANSWERS_WITHIN_S):  # httpx's own is per wait, not for all of them
                return await self._client.request(
                    method, path, content=content, headers=headers, extensions=self._extensions
                )
        except (httpx.TransportError, TimeoutError) as e:
            why = str(e) or type(e).__name__
            raise Unavailable(f"The agent of {self.name} does not answer: {why}.", host=self.name) from e

    async def close(self) -> None:
        await self._client.aclose()


def local_client(path: Path, name: str = "local") -> Agent:
    """The agent of this machine, behind a Unix socket."""
    return Agent(name, f"{wire.UNIX}{path}", None)


class Agents:
    """The agents of all hosts: a connection pool for each that was spoken to."""

    def __init__(self, hosts: Hosts, context: ssl.SSLContext | None) -> None:
        self._hosts, self._context = hosts, context
        self._agents: dict[str, Agent] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def engine(self, kind: str, host: str) -> Any:
        """The engine of that kind on that host. Raises HostDown, Unavailable for a host not seen yet, KeyError."""
        return self._agent(host).engine(PROTOCOLS[kind])

    def console(self, host: str, guest_id: UUID, kind: str) -> AbstractAsyncContextManager[Console]:
        """A console of a guest on that host. Raises as `engine` does; opening it raises NotFound, Conflict, Unavailable."""
        return console(host, self._hosts.address(host), self._context, guest_id, kind)

    def _agent(self, host: str) -> Agent:
        address = self._hosts.address(host)
        agent = self._agents.get(host)
        if agent is None or agent.address != address:
            if agent is not None:
                task = asyncio.ensure_future(agent.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            agent = self._agents[host] = Agent(host, address, self._context)
        return agent

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(*self._closing, *(agent.close() for agent in self._agents.values()))
        self._agents.clear()
