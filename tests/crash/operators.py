"""An administrator at work while tenants live: servers are moved about, hosts emptied, and those of dead hosts had elsewhere."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import httpx

from crash.tenants import COMPUTE, Document, History

HOSTS = "/pileus/v1/hosts"
TASK, HOST = "OS-EXT-STS:task_state", "OS-EXT-SRV-ATTR:host"


@dataclass
class Operator:
    """`spares` the servers of that name. Each method raises TransportError or HTTPStatusError when it is not told."""

    http: httpx.AsyncClient
    chance: random.Random
    history: History
    spares: str = ""

    async def ask(self, what: str, method: str, path: str, **sent: Any) -> httpx.Response:
        answer = await self.http.request(method, path, **sent)
        self.history.counted[f"{what} {answer.status_code}"] += 1
        self.history.judge(answer.status_code, f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer

    async def servers(self, **narrowed: str) -> list[Document]:
        """Of all tenants, that may be taken from their hosts."""
        answer = await self.http.get(f"{COMPUTE}/servers/detail", params={"all_tenants": "1", **narrowed})
        return [each for each in answer.raise_for_status().json()["servers"] if each["name"] != self.spares]

    async def migrate(self) -> None:
        """Mostly while it runs."""
        steady = [each for each in await self.servers(status="ACTIVE") if not each[TASK]]
        if steady:
            live = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
            body = live if self.chance.random() < 0.7 else {"migrate": None}
            path = f"{COMPUTE}/servers/{self.chance.choice(steady)['id']}/action"
            await self.ask("migration", "POST", path, json=body)

    async def drain(self) -> None:
        """A host on which there are servers."""
        if host := await self.busy():
            await self.ask("drain", "POST", f"{HOSTS}/{host}/action", json={"drain": None})

    async def busy(self, *, but: str = "") -> str:
        """A host with servers, another than that; empty when there is none."""
        hosts = sorted({each[HOST] for each in await self.servers() if each[HOST] not in (None, but)})
        return self.chance.choice(hosts) if hosts else ""

    async def evacuate(self, host: str) -> None:
        """State it dead, and have what it ran elsewhere."""
        await self.ask("fence", "POST", f"{HOSTS}/{host}/action", json={"fence": None})
        for each in await self.servers(host=host):
            path = f"{COMPUTE}/servers/{each['id']}/action"
            await self.ask("evacuation", "POST", path, json={"evacuate": {}})

    async def let_in(self) -> None:
        """Every host may be used again."""
        services = (await self.http.get(f"{COMPUTE}/os-services?binary=nova-compute")).raise_for_status().json()
        for each in services["services"]:
            if each["status"] == "disabled":
                path = f"{COMPUTE}/os-services/{each['id']}"
                (await self.ask("let in", "PUT", path, json={"status": "enabled"})).raise_for_status()
        for each in (await self.http.get(HOSTS)).raise_for_status().json()["hosts"]:
            if each["fenced"]:
                path = f"{HOSTS}/{each['name']}/action"
                (await self.ask("lift fence", "POST", path, json={"lift_fence": None})).raise_for_status()
