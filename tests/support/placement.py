"""Placement alone over HTTP, in one process; who asks is said with each request instead of proven."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx

from pileus.kernel.clock import SteppingClock
from pileus.kernel.context import PILEUS, Caller, Ctx
from pileus.kernel.db import Database
from pileus.kernel.errors import Unauthorized
from pileus.kernel.http import build_app
from pileus.services.placement.routes import api
from support.identity import Process

PROJECT, OTHER, USER = "a" * 32, "b" * 32, "c" * 32
CALLERS = {
    name: Caller(user_id=USER, project_id=PROJECT, roles=frozenset(roles.split()))
    for name, roles in {
        "admin": "admin manager member reader",
        "service": "service",
        "member": "member reader",
        "reader": "reader",
        "nobody": "",
    }.items()
}
CALLERS["stranger"] = Caller(user_id="d" * 32, project_id=OTHER, roles=frozenset({"member", "reader"}))
CALLERS["system"] = Caller(user_id=USER, system=True, roles=frozenset({"admin", "member", "reader"}))


async def named(ctx: Ctx, token: str, service: str) -> Caller:
    """The caller of that name."""
    if token not in CALLERS:
        raise Unauthorized("The request you have made requires authentication.")
    return CALLERS[token]


@dataclass(frozen=True)
class Placement:
    """Who asks Placement, and at which microversion."""

    http: httpx.AsyncClient
    process: Process
    who: str = "admin"
    version: str | None = "1.39"

    @property
    def ctx(self) -> Ctx:
        """A Ctx of the cloud itself: as a service above has it."""
        return Ctx(self.process, PILEUS)

    def as_(self, who: str) -> Placement:
        return replace(self, who=who)

    def at(self, version: str | None) -> Placement:
        return replace(self, version=version)

    async def request(self, method: str, path: str, json: Any = None, **headers: str) -> httpx.Response:
        sent = {"X-Auth-Token": self.who, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if self.version is not None:
            sent["OpenStack-API-Version"] = f"placement {self.version}"
        body = {} if json is None else {"json": json}
        return await self.http.request(method, path, headers=sent, **body)

    async def get(self, path: str) -> httpx.Response:
        return await self.request("GET", path)

    async def post(self, path: str, json: Any = None) -> httpx.Response:
        return await self.request("POST", path, json)

    async def put(self, path: str, json: Any = None) -> httpx.Response:
        return await self.request("PUT", path, json)

    async def delete(self, path: str) -> httpx.Response:
        return await self.request("DELETE", path)

    # what tests begin with

    async def provider(
        self,
        name: str = "",
        *,
        parent: str | None = None,
        traits: Sequence[str] = (),
        aggregates: Sequence[str] = (),
        **inventories: int | Mapping[str, Any],
    ) -> str:
        """The id of a new provider, with what it has: an inventory is said in full, or by its total."""
        provider_id = str(uuid4())
        body = {"name": name or provider_id, "uuid": provider_id, "parent_provider_uuid": parent}
        made = await self.at("1.39").post("/resource_providers", body)
        assert made.status_code == 200, made.text
        if inventories:
            await self.set_inventories(provider_id, **inventories)
        if traits:
            sent = {"traits": list(traits), "resource_provider_generation": await self.generation(provider_id)}
            assert (await self.at("1.39").put(f"/resource_providers/{provider_id}/traits", sent)).status_code == 200
        if aggregates:
            put = await self.at("1.1").put(f"/resource_providers/{provider_id}/aggregates", list(aggregates))
            assert put.status_code == 200
        return provider_id

    async def set_inventories(self, provider_id: str, **inventories: int | Mapping[str, Any]) -> None:
        said = {name: {"total": each} if isinstance(each, int) else each for name, each in inventories.items()}
        body = {"resource_provider_generation": await self.generation(provider_id), "inventories": said}
        put = await self.at("1.39").put(f"/resource_providers/{provider_id}/inventories", body)
        assert put.status_code == 200, put.text

    async def generation(self, provider_id: str) -> int:
        return int((await self.at("1.39").get(f"/resource_providers/{provider_id}")).json()["generation"])

    async def consumer(self, resources: Mapping[str, Mapping[str, int]], *, kind: str = "INSTANCE") -> str:
        """The id of a new consumer that uses so much of whom."""
        consumer_id = str(uuid4())
        put = await self.at("1.39").put(f"/allocations/{consumer_id}", claim(resources, consumer_type=kind))
        assert put.status_code == 204, put.text
        return consumer_id

    async def used(self, provider_id: str) -> dict[str, int]:
        answer = await self.at("1.39").get(f"/resource_providers/{provider_id}/usages")
        return dict(answer.json()["usages"])


def claim(resources: Mapping[str, Mapping[str, int]], **more: Any) -> dict[str, Any]:
    """The body of a claim, as from 1.38 on."""
    return {
        "allocations": {provider_id: {"resources": dict(amounts)} for provider_id, amounts in resources.items()},
        "project_id": PROJECT,
        "user_id": USER,
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
        **more,
    }


def error(answer: httpx.Response) -> tuple[int, str | None, str]:
    """Status, code and detail of a fault."""
    (said,) = answer.json()["errors"]
    assert said["status"] == answer.status_code
    assert said["request_id"] == answer.headers["x-openstack-request-id"]
    return answer.status_code, said.get("code"), said["detail"]


@asynccontextmanager
async def running_placement(database: Database) -> AsyncIterator[Placement]:
    process = Process(database, SteppingClock())
    app = build_app(process, [api], named)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cloud.example/placement") as http:
        yield Placement(http, process)
