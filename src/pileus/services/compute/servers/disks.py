"""A server's disks on their way to its host: images fetched, volumes made, opened and closed again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel.operations import Op
from pileus.kernel.verbs import Done
from pileus.services.compute.servers import neighbours, store
from pileus.services.compute.servers.store import Server


def is_done(answer: Any) -> bool:
    return isinstance(answer, Done)


async def sources(op: Op, server: Server) -> dict[UUID, str]:
    """From where the host fetches the images of the server's local disks."""
    devices = await store.devices_of(op.ctx, [server.id])
    wanted = (
        {server.image.id} if any(each.destination == "local" and each.source == "image" for each in devices) else set()
    )
    if server.rescue is not None:
        wanted.add(server.rescue.id)
    return {id_: await neighbours.transfer(op.ctx, id_) for id_ in wanted if id_ is not None}


async def connect_all(op: Op, host: str) -> Any:
    return None


async def disconnect_all(op: Op) -> Any:
    return None


async def delete_owned(op: Op, server: Server) -> None:
    return None
