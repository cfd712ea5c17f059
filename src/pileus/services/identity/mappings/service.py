"""Mappings: what the API and identity providers may ask for."""

from __future__ import annotations

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict, NotFound
from pileus.kernel.http import Query
from pileus.services.identity.lists import Found
from pileus.services.identity.mappings import rules, store
from pileus.services.identity.mappings.store import Mapping
from pileus.services.identity.revision import service as revision

__all__ = ["Mapping", "change", "create", "delete", "find", "get", "page"]

MAPPING = "identity.mapping"


async def find(ctx: Ctx, mapping_id: str) -> Mapping | None:
    """The mapping of that id."""
    return await store.get(ctx, mapping_id)


async def get(ctx: Ctx, mapping_id: str) -> Mapping:
    """The mapping of that id. Raises NotFound."""
    found = await store.get(ctx, mapping_id)
    if found is None:
        raise NotFound(f"Could not find mapping: {mapping_id}.")
    return found


async def page(ctx: Ctx, query: Query) -> Found[Mapping]:
    """The mappings that the query string asks for. Raises BadRequest."""
    return await store.page(ctx, query)


async def create(ctx: Ctx, mapping: Mapping) -> Mapping:
    """Raises BadRequest, Conflict."""
    rules.check(mapping.rules, mapping.schema_version)
    async with revision.change(ctx) as ctx:
        if await store.get(ctx, mapping.id) is not None:
            raise Conflict(
                f"Conflict occurred attempting to store mapping - Duplicate entry found with ID {mapping.id}."
            )
        await store.add(ctx, mapping)
        await changed(ctx, MAPPING, "created", mapping.id, project_id=None)
    return mapping


async def change(ctx: Ctx, mapping: Mapping) -> Mapping:
    """Exchange the rules of the mapping of that id. Raises NotFound, BadRequest."""
    rules.check(mapping.rules, mapping.schema_version)
    async with revision.change(ctx) as ctx:
        await get(ctx, mapping.id)
        await store.change(ctx, mapping)
        await changed(ctx, MAPPING, "updated", mapping.id, project_id=None)
    return mapping


async def delete(ctx: Ctx, mapping_id: str) -> None:
    """A protocol that names it is useless until it names another. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        await get(ctx, mapping_id)
        await store.delete(ctx, mapping_id)
        await changed(ctx, MAPPING, "deleted", mapping_id, project_id=None)
