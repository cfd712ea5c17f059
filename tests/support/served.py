"""Real servers in a running cloud, and hosts that have something to give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from pileus.kernel.context import Caller, Ctx
from pileus.services.compute.servers import consoles
from pileus.services.compute.servers import service as servers
from pileus.services.compute.servers.service import Server, WantedServer
from pileus.services.identity.projects import service as projects
from support.cloud import Client, RunningCloud
from support.imaged import uploaded

SERVERS = "/compute/v2.1/servers"
TINY = "42"  # a flavor that every cloud has: 1 vCPU, 192 MiB, 1 GiB
HOST = "h1"  # that it has an engine: other tests make hosts that have none


async def an_image(cloud: RunningCloud) -> str:
    """One that everybody may boot from."""
    return str((await uploaded(cloud, visibility="public"))["id"])


def caller_of(client: Client) -> Caller:
    """Somebody with every role of a project, as an operation goes on in a name."""
    roles = frozenset({"admin", "manager", "member", "reader"})
    return Caller(client.user_id, project_id=client.project_id, roles=roles)


def ctx_of(cloud: RunningCloud, client: Client | None = None) -> Ctx:
    return replace(cloud.ctx(), caller=caller_of(client or cloud))


async def made(cloud: RunningCloud, client: Client | None = None, **more: Any) -> Server:
    """A server that runs, from an image of its own unless one is named."""
    wanted = WantedServer(
        **{
            "name": uuid4().hex,
            "flavor_id": TINY,
            "image_id": UUID(await an_image(cloud)),
            "networks": "none",
            "metadata": {"encryption_key_id": "v"},
            "host": HOST,
            **more,
        }
    )
    found = await servers.create(ctx_of(cloud, client), wanted)
    await cloud.settle()
    return found.servers[0]


async def a_server(cloud: RunningCloud) -> str:
    """In a project of its own, for the sake of quotas."""
    name = uuid4().hex
    project = await projects.create(cloud.ctx(), name, parent_id=None, domain_id=projects.DEFAULT, facts={})
    owner = Client(cloud.http, cloud.headers, cloud.user_id, project.id)
    return str((await made(cloud, owner)).id)


async def a_network_label(cloud: RunningCloud) -> str:
    return "net"


async def a_console_token(cloud: RunningCloud) -> str:
    """Of the kind that every version shows."""
    server_id = UUID(await a_server(cloud))
    server = (await servers.by_ids(cloud.ctx(), [server_id]))[server_id]
    said = consoles.Pass(server_id, server.host or HOST, "rdp", cloud.ctx().now() + consoles.GOOD_S)
    return consoles.sealed(cloud.ctx(), said)


async def a_file(cloud: RunningCloud) -> str:
    return "none.html"


async def a_request(cloud: RunningCloud) -> str:
    return "req-none"


async def a_migration(cloud: RunningCloud) -> str:
    return "1"


async def a_new_server(cloud: RunningCloud) -> Any:
    return {"server": {"name": "new", "flavorRef": TINY, "imageRef": await an_image(cloud)}}


BODIES: dict[str, Any] = {
    "POST /compute/v2.1/servers": a_new_server,
    "PUT /compute/v2.1/servers/{server_id}": {"server": {"name": "other"}},
    "POST /compute/v2.1/servers/{server_id}/metadata": {"metadata": {"a": "b"}},
    "PUT /compute/v2.1/servers/{server_id}/metadata": {"metadata": {"a": "b"}},
    "PUT /compute/v2.1/servers/{server_id}/metadata/{key}": {"meta": {"encryption_key_id": "b"}},
    "PUT /compute/v2.1/servers/{server_id}/tags": {"tags": ["a"]},
}
