"""Block Storage of a running cloud, as one of its users at one microversion; and real things of it, to be asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx

from pileus.kernel.context import Caller, Ctx
from pileus.services.identity.registered_limits import service as registered_limits
from pileus.services.identity.services import service as services
from pileus.services.volume.messages import service as messages
from support.cloud import Asks, Client, RunningCloud

NEWEST = "3.71"


@dataclass(frozen=True)
class BlockStorage(Asks):
    """Who asks, and at which microversion; `None`: without the header."""

    cloud: RunningCloud
    who: Client
    version: str | None = NEWEST

    def as_(self, who: str) -> BlockStorage:
        """A user with that role, in the project of all the others; or `admin`, or `stranger`."""
        return replace(self, who=self.cloud if who == "admin" else self.cloud.people[who])

    def at(self, version: str | None) -> BlockStorage:
        return replace(self, version=version)

    def ctx(self) -> Ctx:
        """A Ctx of this user."""
        caller = Caller(self.who.user_id, project_id=self.who.project_id, roles=frozenset({"member", "reader"}))
        return replace(self.cloud.ctx(), caller=caller)

    async def request(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """A path of Block Storage: /v3/volumes."""
        headers = {} if self.version is None else {"OpenStack-API-Version": f"volume {self.version}"}
        return await self.who.request(method, f"/volume{path}", headers={**headers, **sent.pop("headers", {})}, **sent)

    async def worked(self, asking: Any) -> httpx.Response:
        """The answer of a request that waits for an operation, which runs beside it."""
        return await self.cloud.worked(asking)

    async def volume(self, **wanted: Any) -> dict[str, Any]:
        """A volume that was made, of 1 GiB, as it is shown then."""
        made = await self.post("/v3/volumes", json={"volume": {"size": 1, **wanted}})
        assert made.status_code == 202, made.text
        await self.cloud.settle()
        return await self.shown(made.json()["volume"]["id"])

    async def shown(self, volume_id: str) -> dict[str, Any]:
        answer = await self.get(f"/v3/volumes/{volume_id}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()["volume"]
        return document

    async def snapshot(self, volume_id: str, **wanted: Any) -> dict[str, Any]:
        """A snapshot that was made, as it is shown then."""
        made = await self.post("/v3/snapshots", json={"snapshot": {"volume_id": volume_id, **wanted}})
        assert made.status_code == 202, made.text
        await self.cloud.settle()
        document: dict[str, Any] = (await self.get(f"/v3/snapshots/{made.json()['snapshot']['id']}")).json()["snapshot"]
        return document

    async def attachment(self, volume_id: str, **wanted: Any) -> dict[str, Any]:
        """A reserved attachment."""
        named = {"volume_uuid": volume_id, "instance_uuid": str(uuid4()), **wanted}
        made = await self.post("/v3/attachments", json={"attachment": named})
        assert made.status_code == 200, made.text
        document: dict[str, Any] = made.json()["attachment"]
        return document

    def held(self, host: str, what: str) -> list[str]:
        """The files of a simulated host: `volumes`, `snapshots` or `exports`, by id."""
        folder = self.cloud.world.state / "hosts" / host / "blocks" / what
        return sorted(file.stem for file in folder.glob("*.json") if not file.name.startswith("."))

    def everywhere(self, what: str) -> list[str]:
        """The same of all hosts."""
        return sorted(id_ for host in ("h1", "h2") for id_ in self.held(host, what))


def error(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, name and message of a fault."""
    [(name, fault)] = answer.json().items()
    assert fault["code"] == answer.status_code
    return answer.status_code, name, fault["message"]


async def running_block_storage(cloud: RunningCloud) -> BlockStorage:
    """As a member of the project `people`."""
    return BlockStorage(cloud, cloud.as_("member"))


# real things, made for the administrator


def mine(cloud: RunningCloud) -> BlockStorage:
    return BlockStorage(cloud, cloud)


async def a_volume(cloud: RunningCloud) -> str:
    await unlimited(cloud)
    return str((await mine(cloud).volume(metadata={"encryption_key_id": "1"}))["id"])


async def a_snapshot(cloud: RunningCloud) -> str:
    made = await mine(cloud).snapshot(await a_volume(cloud), metadata={"encryption_key_id": "1"})
    return str(made["id"])


async def a_transfer(cloud: RunningCloud) -> str:
    body = {"transfer": {"volume_id": await a_volume(cloud)}}
    answer = await mine(cloud).post("/v3/volume-transfers", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["transfer"]["id"])


async def a_qos(cloud: RunningCloud) -> str:
    answer = await mine(cloud).post("/v3/qos-specs", json={"qos_specs": {"name": uuid4().hex}})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["qos_specs"]["id"])


async def a_volume_host(cloud: RunningCloud) -> str:
    return "h1"


async def an_alias(cloud: RunningCloud) -> str:
    return "os-hosts"


async def a_cluster(cloud: RunningCloud) -> str:
    return uuid4().hex  # there are none


async def a_type(cloud: RunningCloud) -> str:
    named = {"volume_type": {"name": uuid4().hex, "extra_specs": {"spec": "1"}}}
    answer = await mine(cloud).post("/v3/types", json=named)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["volume_type"]["id"])


async def an_encryption(cloud: RunningCloud) -> str:
    return "provider"


async def a_key(cloud: RunningCloud) -> str:
    return "encryption_key_id"


async def a_spec(cloud: RunningCloud) -> str:
    return "spec"


async def an_attachment(cloud: RunningCloud) -> str:
    return str((await mine(cloud).attachment(await a_volume(cloud)))["id"])


async def a_message(cloud: RunningCloud) -> str:
    ctx = mine(cloud).ctx()
    volume_id = uuid4()
    async with ctx.transaction() as writing:
        await messages.tell(writing, "extend volume", ("VOLUME", volume_id, cloud.project_id), "no")
    answer = await mine(cloud).get(f"/v3/messages?resource_uuid={volume_id}")
    return str(answer.json()["messages"][0]["id"])


async def unlimited(cloud: RunningCloud) -> None:
    """As much as a test of lists needs."""
    async with cloud.ctx().transaction() as ctx:
        service = await services.ensure(ctx, "block-storage", "cinder")
    if await registered_limits.of_services(cloud.ctx(), {service.id}):
        return
    place = {"service_id": service.id, "region_id": None, "description": None}
    names = ("volumes", "gigabytes", "snapshots")
    wanted = [{**place, "resource_name": name, "default_limit": 100_000} for name in names]
    await registered_limits.create(cloud.ctx(), wanted)
