"""/resource_providers/{provider_id}/inventories: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.http import Answer, Here
from pileus.services.placement.bodies import GivenAt, GivenOfClass, Inventories
from pileus.services.placement.http import api, dated, latest
from pileus.services.placement.inventories import service
from pileus.services.placement.inventories.service import Held, Inventory
from pileus.services.placement.resource_providers import service as providers

ALL = "/resource_providers/{provider_id}/inventories"
ONE = ALL + "/{resource_class}"


def shown(inventory: Inventory) -> dict[str, Any]:
    return msgspec.structs.asdict(inventory)


def all_shown(ctx: Ctx, held: dict[str, Held], generation: int) -> Answer:
    inventories = {name: shown(each.inventory) for name, each in held.items()}
    document = {"resource_provider_generation": generation, "inventories": inventories}
    return dated(ctx, document, latest([each.updated_at for each in held.values()]))


def one_shown(ctx: Ctx, inventory: Inventory, generation: int) -> dict[str, Any]:
    return {**shown(inventory), "resource_provider_generation": generation}


@api.get(ALL, rule="placement:resource_providers:inventories:list")
async def list_inventories(ctx: Ctx, provider_id: UUID) -> Answer:
    async with ctx.read() as ctx:
        provider = await providers.get(ctx, str(provider_id))
        return all_shown(ctx, await service.of(ctx, provider.id), provider.generation)


@api.post(ALL, rule="placement:resource_providers:inventories:create", status=201)
async def create_inventory(ctx: Ctx, provider_id: UUID, body: GivenOfClass, here: Here) -> Answer:
    inventory, of_id = body.inventory, str(provider_id)
    await providers.get(ctx, of_id)
    service.check(of_id, {body.resource_class: inventory}, may_be_full=ctx.at("1.26"))
    generation = await service.add(ctx, of_id, body.resource_class, inventory)
    return dated(
        ctx,
        one_shown(ctx, inventory, generation),
        location=here.url(f"{here.path}/{body.resource_class}"),
    )


@api.put(ALL, rule="placement:resource_providers:inventories:update")
async def set_inventories(ctx: Ctx, provider_id: UUID, body: Inventories) -> Answer:
    wanted, of_id = body.wanted, str(provider_id)
    await providers.get(ctx, of_id)
    service.check(of_id, wanted, may_be_full=ctx.at("1.26"))
    generation = await service.replace(ctx, of_id, wanted, body.resource_provider_generation)
    return all_shown(ctx, {name: Held(each, ctx.now()) for name, each in wanted.items()}, generation)


@api.delete(ALL, rule="placement:resource_providers:inventories:delete", since="1.5", status=204)
async def clear_inventories(ctx: Ctx, provider_id: UUID) -> None:
    await service.replace(ctx, str(provider_id), {})


@api.get(ONE, rule="placement:resource_providers:inventories:show")
async def show_inventory(ctx: Ctx, provider_id: UUID, resource_class: str) -> Answer:
    async with ctx.read() as ctx:
        provider = await providers.get(ctx, str(provider_id))
        found = (await service.of(ctx, provider.id)).get(resource_class)
        if found is None:
            raise NotFound(f"No inventory of class {resource_class} for {provider.id}")
        return dated(ctx, one_shown(ctx, found.inventory, provider.generation), found.updated_at)


@api.put(ONE, rule="placement:resource_providers:inventories:update")
async def change_inventory(ctx: Ctx, provider_id: UUID, resource_class: str, body: GivenAt) -> Answer:
    inventory, of_id = body.inventory, str(provider_id)
    await providers.get(ctx, of_id)
    service.check(of_id, {resource_class: inventory}, may_be_full=ctx.at("1.26"))
    generation = await service.change(ctx, of_id, resource_class, inventory, body.resource_provider_generation)
    return dated(ctx, one_shown(ctx, inventory, generation))


@api.delete(ONE, rule="placement:resource_providers:inventories:delete", status=204)
async def delete_inventory(ctx: Ctx, provider_id: UUID, resource_class: str) -> None:
    await service.remove(ctx, str(provider_id), resource_class)
