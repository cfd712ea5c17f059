"""Real servers in a running cloud, and hosts that have something to give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

from pileus.kernel.context import Caller, Ctx
from pileus.services.compute.servers import service as servers
from pileus.services.compute.servers.service import Server, WantedServer
from support.cloud import Client, RunningCloud

SERVERS = "/compute/v2.1/servers"
TINY = "42"  # a flavor that every cloud has: 1 vCPU, 192 MiB, 1 GiB
HOST = "h1"  # that it has an engine: other tests make hosts that have none


def caller_of(client: Client) -> Caller:
    """Somebody with every role of a project, as an operation goes on in a name."""
    roles = frozenset({"admin", "manager", "member", "reader"})
    return Caller(client.user_id, project_id=client.project_id, roles=roles)


def ctx_of(cloud: RunningCloud, client: Client | None = None) -> Ctx:
    return replace(cloud.ctx(), caller=caller_of(client or cloud))


async def made(cloud: RunningCloud, client: Client | None = None, **more: Any) -> Server:
    """A server that runs."""
    wanted = WantedServer(
        **{"name": uuid4().hex, "flavor_id": TINY, "image_id": uuid4(), "networks": "none", "host": HOST, **more}
    )
    found = await servers.create(ctx_of(cloud, client), wanted)
    await cloud.settle()
    return found.servers[0]


async def a_server(cloud: RunningCloud) -> str:
    return str((await made(cloud)).id)


async def a_new_server(cloud: RunningCloud) -> Any:
    return {"server": {"name": "new", "flavorRef": TINY, "imageRef": str(uuid4())}}


BODIES: dict[str, Any] = {
    "POST /compute/v2.1/servers": a_new_server,
    "PUT /compute/v2.1/servers/{server_id}": {"server": {"name": "other"}},
}
