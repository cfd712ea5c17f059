"""A local disk on its way to another host: for as long as that takes an image of nobody's, which no project is charged for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec

from pileus.engines.hypervisor import Domain, Image, LocalDisk
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.errors import HostDown
from pileus.kernel.operations import Op
from pileus.services.compute.servers.disks import is_done
from pileus.services.image.images import service as images

FORMAT = "qcow2"


def as_cloud(op: Op) -> Ctx:
    return replace(op.ctx, caller=PILEUS)


def id_of(op: Op, disk: LocalDisk) -> UUID:
    return op.uuid(f"carried:{disk.name}")


def local(domain: Domain) -> list[LocalDisk]:
    return [disk for disk in domain.disks if isinstance(disk, LocalDisk)]


async def send(op: Op, domain: Domain, host: str) -> Any:
    """In a step: each local disk of a guest that is off there was sent away by its host. None when all were."""
    ctx = as_cloud(op)
    for disk in local(domain):
        image_id = id_of(op, disk)
        async with ctx.transaction() as writing:
            image = await images.find(writing, image_id)
            if image is None:
                name = f"{disk.name} of {op.subject_id}, on its way"
                facts = {"disk_format": FORMAT, "container_format": "bare", "visibility": "private", "hidden": True}
                image = await images.create_for(writing, id=image_id, name=name, owner=None, **facts)
        if image.status == "active":
            continue
        url = await images.receive(ctx, image_id, subject_id=op.subject_id)
        answer = await op.engine("hypervisor", host).ensure_uploaded(op.subject_id, disk.name, url)
        if not is_done(answer):
            return answer
    return None


async def arriving(op: Op, domain: Domain) -> Domain:
    """The guest as the other host is told of it: its local disks begin as what was sent."""
    ctx, disks = as_cloud(op), {}
    for disk in local(domain):
        image = await images.get(ctx, id_of(op, disk))
        disks[disk.name] = msgspec.structs.replace(
            disk,
            image=Image(
                id=image.id,
                url=await images.transfer(ctx, image.id, subject_id=op.subject_id),
                format=FORMAT,
                size=image.size or 0,
                sha512=image.hash_value if image.hash_algo == "sha512" else None,
            ),
        )
    whole = tuple(disks[disk.name] if isinstance(disk, LocalDisk) else disk for disk in domain.disks)
    return msgspec.structs.replace(domain, disks=whole)


async def forget(op: Op, domain: Domain) -> None:
    """Nothing is on its way any more. May be repeated."""
    ctx = as_cloud(op)
    for disk in local(domain):
        async with ctx.transaction() as writing:
            if await images.find(writing, id_of(op, disk)) is not None:
                await images.delete(writing, id_of(op, disk))


async def stop_sending(op: Op, domain: Domain, host: str) -> Any:
    """In an undo: nobody reads the disks any more, and what was sent is gone. A host that is down reads nothing."""
    try:
        answer = await op.engine("hypervisor", host).cancel(op.subject_id, "ensure_uploaded")
    except HostDown:
        answer = None
    await forget(op, domain)
    return answer
