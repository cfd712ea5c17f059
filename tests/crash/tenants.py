"""Clients of one project, who know only what the cloud shows them, and see that it shows them nothing else."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

COMPUTE, NETWORK, VOLUME, IMAGE = "/compute/v2.1", "/network/v2.0", "/volume/v3", "/image/v2"
TINY, SMALL = "42", "1"  # flavors that every cloud has, of 1 GiB each
LISTS = {
    "server": f"{COMPUTE}/servers/detail",
    "network": f"{NETWORK}/networks",
    "subnet": f"{NETWORK}/subnets",
    "port": f"{NETWORK}/ports",
    "router": f"{NETWORK}/routers",
    "floatingip": f"{NETWORK}/floatingips",
    "volume": f"{VOLUME}/volumes/detail",
    "snapshot": f"{VOLUME}/snapshots/detail",
    "transfer": f"{VOLUME}/volume-transfers/detail",
    "image": f"{IMAGE}/images",
    "security_group": f"{NETWORK}/security-groups",
    "server_group": f"{COMPUTE}/os-server-groups",
}
OWNER = {
    "server": "tenant_id",
    "volume": "os-vol-tenant-attr:tenant_id",
    "snapshot": "os-extended-snapshot-attributes:project_id",
    "transfer": "source_project_id",
    "image": "owner",
}
"""What says whose something in a list is; of other kinds project_id."""
Document = dict[str, Any]
Deed = Callable[["Tenant"], Awaitable[None]]


@dataclass
class History:
    """What was done by all. `left`: so many operations are still to be asked for."""

    left: int
    up: asyncio.Event
    public: str  # the network outside
    image: str  # that everybody may boot from
    counted: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)  # what was acknowledged: POST servers, PUT ports
    wrong: list[str] = field(default_factory=list)  # answers that no client should ever get
    outside: set[str] = field(default_factory=set)  # networks that are known to be everybody's

    def judge(self, status: int | None, what: str) -> None:
        """A cloud in trouble may be away for a while; it may not fail."""
        if status is not None and status >= 500 and status != 503:
            self.wrong.append(what)


@dataclass
class Tenant:
    """A client of one project, who knows only what the cloud shows it."""

    http: httpx.AsyncClient
    project_id: str
    history: History
    chance: random.Random
    written: dict[str, bytes] = field(default_factory=dict)  # by path: what was acknowledged

    async def live(self, deeds: Sequence[Deed]) -> None:
        """Do one thing after the other until all is done. Whoever gets no answer waits until the cloud serves again."""
        while self.history.left > 0:
            try:
                await self.chance.choice(deeds)(self)
            except (httpx.TransportError, httpx.HTTPStatusError):
                await self.history.up.wait()

    async def act(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """One operation of the history. Raises TransportError without an answer."""
        self.history.left -= 1
        return await self.ask(method, path, **sent)

    async def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        try:
            answer = await self.http.request(method, path, **sent)
        except httpx.TransportError:
            self.history.counted["no answer"] += 1
            raise
        what = f"{method} {path.partition('?')[0]} {sent.get('json') or ''}: {answer.status_code} {answer.text[:300]}"
        self.history.judge(answer.status_code, what)
        if method != "GET":
            self.history.counted[f"{answer.status_code // 100}xx"] += 1
        if method != "GET" and answer.is_success:
            self.history.done[f"{method} {path.partition('?')[0].split('/')[3]}"] += 1
        return answer

    async def every(self, kind: str) -> list[Document]:
        """Those of the project; what is another's has no place in its lists. Raises HTTPStatusError when it is not told."""
        answer = await self.ask("GET", LISTS[kind])
        answer.raise_for_status()
        found: list[Document] = answer.json()[f"{kind}s"]
        owner = OWNER.get(kind, "project_id")
        foreign = [each for each in found if each[owner] != self.project_id]
        self.history.wrong += [
            f"a stranger's in the list of {self.project_id}: {kind} {each}"
            for each in foreign
            if each[owner] and not await self.is_everybodys(kind, each)  # the ports of a network itself are nobody's
        ]
        return [each for each in found if each not in foreign]

    async def is_everybodys(self, kind: str, item: Document) -> bool:
        """An image for all, or a network outside with its subnets."""
        if kind == "image":
            return bool(item["visibility"] == "public")
        if kind == "subnet" and item["network_id"] not in self.history.outside:
            answer = await self.ask("GET", f"{NETWORK}/networks/{item['network_id']}")
            if answer.status_code == 404:
                return False
            kind, item = "network", answer.raise_for_status().json()["network"]
        if kind == "network" and item["router:external"]:
            self.history.outside.add(item["id"])
        return {"network": item["id"], "subnet": item.get("network_id")}.get(kind) in self.history.outside

    async def one(self, kind: str) -> Document | None:
        found = await self.every(kind)
        return self.chance.choice(found) if found else None

    async def server_action(self, server: Document, body: Document) -> None:
        await self.act("POST", f"{COMPUTE}/servers/{server['id']}/action", json=body)

    def maybe(self, likely: float = 0.5) -> bool:
        return self.chance.random() < likely
