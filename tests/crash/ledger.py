"""Who writes to a cloud that is killed all the time, and what it acknowledged."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx


@dataclass
class Ledger:
    """What must be there in the end. A value that was sent but not acknowledged may be, too."""

    machines: dict[str, str] = field(default_factory=dict)  # id: made | deleting (no answer) | deleted
    networks: dict[str, set[int]] = field(default_factory=dict)  # id: sizes that it may have
    projects: dict[str, set[str]] = field(default_factory=dict)  # id: descriptions that it may have
    counted: Counter[str] = field(default_factory=Counter)

    def writes(self) -> int:
        return sum(number for what, number in self.counted.items() if what != "no answer")


class Writer:
    """One client that writes until told to stop, and notes each answer."""

    def __init__(self, http: httpx.AsyncClient, ledger: Ledger, seed: int) -> None:
        self.http, self.ledger = http, ledger
        self.random = random.Random(seed)
        self.mine: dict[str, list[str]] = {"machines": [], "networks": [], "projects": []}
        self.deeds: list[Callable[[], Awaitable[None]]] = [
            self.create_machine,
            self.create_machine,
            self.delete_machine,
            self.create_network,
            self.resize_network,
            self.create_project,
            self.describe_project,
        ]

    async def write_until(self, stop: asyncio.Event, up: asyncio.Event) -> None:
        """Do one thing after the other. Whoever gets no answer waits until the cloud serves again."""
        while not stop.is_set():
            try:
                await self.random.choice(self.deeds)()
            except httpx.TransportError:
                self.ledger.counted["no answer"] += 1
                await up.wait()

    async def send(self, method: str, path: str, want: int, body: Any = None) -> Any:
        """The document of the answer; TransportError for a 503, too: the cloud says that it does not know."""
        answer = await self.http.request(method, path, json=body)
        if answer.status_code == 503:
            raise httpx.TransportError(answer.text)
        assert answer.status_code == want, f"{method} {path}: {answer.status_code} {answer.text}"
        self.ledger.counted[f"{method} {path.split('/')[3]}"] += 1
        return answer.json() if answer.content else None

    def one_of(self, kind: str) -> str | None:
        return self.random.choice(self.mine[kind]) if self.mine[kind] else None

    async def create_machine(self) -> None:
        wanted = {"name": uuid4().hex, "host": self.random.choice(["h1", "h2"]), "disk": self.random.random() < 0.3}
        made = (await self.send("POST", "/demo/v1/machines", 202, {"machine": wanted}))["machine"]
        self.ledger.machines[made["id"]] = "made"
        self.mine["machines"].append(made["id"])

    async def delete_machine(self) -> None:
        if machine_id := self.one_of("machines"):
            self.mine["machines"].remove(machine_id)
            self.ledger.machines[machine_id] = "deleting"
            await self.send("DELETE", f"/demo/v1/machines/{machine_id}", 204)
            self.ledger.machines[machine_id] = "deleted"

    async def create_network(self) -> None:
        size = self.random.randrange(1, 1000)
        made = (await self.send("POST", "/demo/v1/networks", 201, {"network": {"size": size}}))["network"]
        self.ledger.networks[made["id"]] = {size}
        self.mine["networks"].append(made["id"])

    async def resize_network(self) -> None:
        if network_id := self.one_of("networks"):
            size = self.random.randrange(1, 1000)
            self.ledger.networks[network_id].add(size)
            await self.send("PUT", f"/demo/v1/networks/{network_id}", 200, {"network": {"size": size}})
            self.ledger.networks[network_id] = {size}

    async def create_project(self) -> None:
        project = {"name": uuid4().hex, "description": "new"}
        made = (await self.send("POST", "/identity/v3/projects", 201, {"project": project}))["project"]
        self.ledger.projects[made["id"]] = {"new"}
        self.mine["projects"].append(made["id"])

    async def describe_project(self) -> None:
        if project_id := self.one_of("projects"):
            text = uuid4().hex
            self.ledger.projects[project_id].add(text)
            await self.send("PATCH", f"/identity/v3/projects/{project_id}", 200, {"project": {"description": text}})
            self.ledger.projects[project_id] = {text}
