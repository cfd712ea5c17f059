"""QoS specs: what the API may ask for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict
from pileus.services.volume.http import missing
from pileus.services.volume.lists import Asked, Found
from pileus.services.volume.qos_specs import store
from pileus.services.volume.qos_specs.store import Qos
from pileus.services.volume.types import service as types

__all__ = ["LISTED", "SPECS", "Qos", "associate", "change", "create", "delete", "delete_keys", "get", "leave", "page"]

KIND = "volume.qos_specs"
LISTED, SPECS = store.LISTED, store.SPECS


async def page(ctx: Ctx, asked: Asked) -> Found[Qos]:
    """Raises BadRequest."""
    return await store.page(ctx, asked)


async def get(ctx: Ctx, qos_id: UUID) -> Qos:
    """Raises NotFound."""
    found = await store.find(ctx, qos_id)
    if found is None:
        raise missing("qos_id", qos_id)
    return found


async def create(ctx: Ctx, name: str, consumer: str, specs: Mapping[str, str]) -> Qos:
    """Raises Conflict for a name that is taken."""
    async with ctx.transaction() as ctx:
        await ctx.lock("volume_qos", "")
        if await store.named(ctx, name):
            raise Conflict(f"QoS Specs {name} already exists.")
        qos = Qos(id=ctx.world.ids.uuid(), name=name, consumer=consumer, created_at=ctx.now())
        await store.add(ctx, qos)
        await SPECS.put(ctx, qos.id, specs)
        await changed(ctx, KIND, "created", qos.id, project_id=None)
    return qos


async def change(ctx: Ctx, qos_id: UUID, specs: Mapping[str, str], consumer: str | None) -> None:
    """Raises NotFound."""
    async with ctx.transaction() as ctx:
        await get(ctx, qos_id)
        if consumer is not None:
            await store.change(ctx, qos_id, consumer=consumer)
        await SPECS.put(ctx, qos_id, specs)
        await changed(ctx, KIND, "updated", qos_id, project_id=None)


async def delete_keys(ctx: Ctx, qos_id: UUID, keys: Collection[str]) -> None:
    """Raises NotFound; BadRequest for a key that is not there."""
    async with ctx.transaction() as ctx:
        await get(ctx, qos_id)
        for key in keys:
            if not await SPECS.drop(ctx, qos_id, key):
                raise BadRequest(f"QoS spec {qos_id} has no spec with key {key}.")
        await changed(ctx, KIND, "updated", qos_id, project_id=None)


async def associate(ctx: Ctx, qos_id: UUID, type_id: UUID, *, so: bool) -> None:
    """Raises NotFound; BadRequest for a type that has others."""
    async with ctx.transaction() as ctx:
        await ctx.lock("volume_type", "")
        await get(ctx, qos_id)
        type_ = await types.get(ctx, type_id)
        if so and type_.qos_id not in (None, qos_id):
            raise BadRequest(f"Type {type_id} is already associated with another qos specs: {type_.qos_id}")
        if so or type_.qos_id == qos_id:
            await types.associate(ctx, type_id, qos_id if so else None)


async def leave(ctx: Ctx, qos_id: UUID) -> None:
    """No type has them any more. Raises NotFound."""
    async with ctx.transaction() as ctx:
        await ctx.lock("volume_type", "")
        await get(ctx, qos_id)
        for type_ in await types.of_qos(ctx, qos_id):
            await types.associate(ctx, type_.id, None)


async def delete(ctx: Ctx, qos_id: UUID, *, force: bool) -> None:
    """Raises NotFound; BadRequest while types have them, unless by `force`."""
    async with ctx.transaction() as ctx:
        await ctx.lock("volume_type", "")
        await get(ctx, qos_id)
        found = await types.of_qos(ctx, qos_id)
        if found and not force:
            raise BadRequest(f"QoS Specs {qos_id} is still associated with entities.")
        for type_ in found:
            await types.associate(ctx, type_.id, None)
        await store.remove(ctx, qos_id)
        await changed(ctx, KIND, "deleted", qos_id, project_id=None)
