"""/traits and the traits of providers: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body, Here
from pileus.services.placement.http import api, dated, latest
from pileus.services.placement.resource_providers import service as providers
from pileus.services.placement.traits import service
from pileus.services.placement.traits.service import Name

ALL, ONE, OF_PROVIDER = "/traits", "/traits/{trait}", "/resource_providers/{provider_id}/traits"

TraitName = Annotated[str, Meta(min_length=1, max_length=255)]


class Narrow(Body, frozen=True):
    """The query of the list."""

    name: str | UnsetType = UNSET
    associated: str | UnsetType = UNSET


class SetTraits(Body, frozen=True):
    traits: Annotated[list[TraitName], Meta(max_length=1000)]
    resource_provider_generation: int


def wanted(name: str) -> Callable[[str], bool]:
    """What `in:A,B` and `startswith:A` choose. Raises BadRequest for another form; an unknown word chooses all."""
    how, colon, what = name.partition(":")
    if not colon:
        raise BadRequest(
            "Badly formatted name parameter. Expected name query string parameter in form: "
            f'?name=[in|startswith]:[name1,name2|prefix]. Got: "{name[:255]}"'
        )
    if how == "in":
        return frozenset(what.split(",")).__contains__
    if how == "startswith":
        return lambda each: each.startswith(what)
    return lambda _: True


def when(names: list[Name]) -> float | None:
    return latest([each.updated_at for each in names if each.updated_at is not None])


@api.get(ALL, rule="placement:traits:list", since="1.6")
async def list_traits(ctx: Ctx, query: Narrow) -> Answer:
    chosen = wanted(query.name) if isinstance(query.name, str) else None
    associated = query.associated.lower() if isinstance(query.associated, str) else None
    if associated not in (None, "true", "false"):
        raise BadRequest('The query parameter "associated" only accepts "true" or "false"')
    found = await service.list_(ctx)
    if chosen is not None:
        found = [each for each in found if chosen(each.name)]
    if associated is not None:
        used = await service.in_use(ctx)
        found = [each for each in found if (each.name in used) == (associated == "true")]
    return dated(ctx, {"traits": [each.name for each in found]}, when(found))


@api.get(ONE, rule="placement:traits:show", since="1.6", status=204)
async def show_trait(ctx: Ctx, trait: str) -> Answer:
    return dated(ctx, at=(await service.get(ctx, trait)).updated_at)


@api.put(ONE, rule="placement:traits:update", since="1.6", status=204)
async def ensure_trait(ctx: Ctx, trait: str, here: Here) -> Answer:
    new = await service.ensure(ctx, trait)
    found = await service.get(ctx, trait)
    return dated(ctx, at=found.updated_at, status=201 if new else 204, location=here.url(f"{ALL}/{trait}"))


@api.delete(ONE, rule="placement:traits:delete", since="1.6", status=204)
async def delete_trait(ctx: Ctx, trait: str) -> None:
    await service.delete(ctx, trait)


@api.get(OF_PROVIDER, rule="placement:resource_providers:traits:list", since="1.6")
async def list_traits_of_provider(ctx: Ctx, provider_id: UUID) -> Answer:
    async with ctx.read() as ctx:
        provider = await providers.get(ctx, str(provider_id))
        return dated(ctx, shown(await service.of(ctx, provider.id), provider.generation))


@api.put(OF_PROVIDER, rule="placement:resource_providers:traits:update", since="1.6")
async def set_traits_of_provider(ctx: Ctx, provider_id: UUID, body: SetTraits) -> Answer:
    generation = await service.replace(ctx, str(provider_id), body.traits, body.resource_provider_generation)
    return dated(ctx, shown(sorted(set(body.traits)), generation))


@api.delete(OF_PROVIDER, rule="placement:resource_providers:traits:delete", since="1.6", status=204)
async def clear_traits_of_provider(ctx: Ctx, provider_id: UUID) -> None:
    await service.replace(ctx, str(provider_id), [])


def shown(traits: list[str], generation: int) -> dict[str, Any]:
    return {"traits": traits, "resource_provider_generation": generation}
