"""How each operation of Image starts, and where it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import sqlalchemy as sa

from demo.world import DemoWorld
from pileus.kernel.context import PILEUS, Ctx
from pileus.kernel.operations import Worker
from pileus.services.image.image_data import service as image_data
from pileus.services.image.images import sagas, service
from pileus.services.image.images.service import Image
from pileus.services.image.images.store import images as image_table
from pileus.services.image.imports import sagas as import_sagas
from pileus.services.image.imports import service as imports
from sagas.scenario import Scenario

DATA = bytes(4096)


async def seen(world: DemoWorld) -> dict[str, str]:
    """Rows, and what bytes there are."""
    async with world.db.read() as read:
        rows = ", ".join(sorted((await read.execute(sa.select(image_table.c.status))).scalars()))
    sizes = sorted(facts.size for facts in (await world.blobs().observe()).values())
    return {"image": rows, "bytes": ", ".join(map(str, sizes))}


def ours(world: DemoWorld) -> Ctx:
    return world.ctx(PILEUS)


async def pieces() -> AsyncIterator[bytes]:
    yield DATA


async def registered(world: DemoWorld) -> Image:
    ctx = ours(world)
    return await service.create_for(ctx, name="tiny", disk_format="raw", container_format="bare")


async def delete_image(world: DemoWorld) -> UUID:
    image = await registered(world)
    writing = await service.begin(ours(world), image, "saving")
    await image_data.take_in(ours(world), writing, pieces())
    await service.delete(ours(world), image.id)
    return image.id


async def import_image(world: DemoWorld) -> UUID:
    image = await registered(world)
    writing = await service.begin(ours(world), image, "uploading")
    await image_data.take_in(ours(world), writing, pieces())
    await Worker(world.ctx()).drain()
    await imports.begin(ours(world), image.id, {"method": {"name": "glance-direct"}})
    return image.id


IMAGE_SCENARIOS = [
    Scenario(sagas.delete_image, delete_image, done={}),
    Scenario(
        import_sagas.import_image,
        import_image,
        done={"image": "active", "bytes": "4096"},
        undone={"image": "queued"},
    ),
]
