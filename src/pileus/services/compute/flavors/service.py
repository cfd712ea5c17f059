"""Flavors: what the rest of Compute may ask for.

A server keeps a copy of its flavor: one that is deleted leaves its servers as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.facts import facts
from pileus.kernel.paging import Page, Sort
from pileus.services.compute.flavors import rules, store
from pileus.services.compute.flavors.store import Flavor
from pileus.services.identity.projects import service as projects

__all__ = [
    "Flavor",
    "by_ids",
    "change",
    "check_specs",
    "create",
    "delete",
    "delete_spec",
    "get",
    "give_access",
    "page",
    "projects_of",
    "seed",
    "set_specs",
    "take_access",
]

FLAVOR = "compute.flavor"

by_ids = store.by_ids


def unknown(flavor_id: str) -> NotFound:
    return NotFound(f"Flavor {flavor_id} could not be found.")


async def get(ctx: Ctx, flavor_id: str, *, everywhere: bool = False) -> Flavor:
    """The flavor of that id, if the caller's project may use it, or `everywhere`. Raises NotFound."""
    seen = () if everywhere else (store.seen_by(ctx.caller.project_id),)
    found = await store.find(ctx, flavor_id, *seen)
    if found is None:
        raise unknown(flavor_id)
    return found


async def page(
    ctx: Ctx,
    asked: Mapping[str, Any],
    sort: Sort,
    *,
    everywhere: bool = False,
    limit: int | None = None,
    marker: str | None = None,
) -> tuple[list[Flavor], Page]:
    """Flavors that the caller's project may use; `everywhere`: whoever may.

    `asked`: min_memory_mib, min_disk_gib, name, is_public. Raises BadRequest for a marker or key that is none.
    """
    visible = store.flavors.c.id.is_not(None) if everywhere else store.seen_by(ctx.caller.project_id)
    return await store.page(ctx, visible, asked, sort, limit, marker)


async def create(ctx: Ctx, flavor: Flavor) -> Flavor:
    """Raises Conflict for a name or an id that is taken."""
    flavor = msgspec.structs.replace(flavor, made_at=ctx.now())
    async with ctx.transaction() as ctx:
        await ctx.lock("flavor", "")
        if await store.named(ctx, flavor.name) is not None:
            raise Conflict(f"Flavor with name {flavor.name} already exists.")
        if await store.find(ctx, flavor.id) is not None:
            raise Conflict(f"Flavor with ID {flavor.id} already exists.")
        await store.add(ctx, [flavor])
        await changed(ctx, FLAVOR, "created", flavor.id, project_id=None)
    return flavor


async def seed(ctx: Ctx) -> None:
    """The flavors that a new cloud starts with, but for names and ids that are taken. In an open transaction."""
    await ctx.lock("flavor", "")
    wanted = [Flavor(**_columns(each), made_at=ctx.now()) for each in facts("compute", "flavors")["flavors"]]
    taken = await store.by_ids(ctx, [each.id for each in wanted])
    new = [each for each in wanted if each.id not in taken and await store.named(ctx, each.name) is None]
    if new:
        await store.add(ctx, new)


def _columns(fact: Mapping[str, Any]) -> dict[str, Any]:
    return {"memory_mib" if name == "ram_mib" else name: value for name, value in fact.items()}


async def change(ctx: Ctx, flavor_id: str, description: str | None) -> Flavor:
    """Raises NotFound."""
    async with ctx.transaction() as ctx:
        before = await _held(ctx, flavor_id)
        await store.change(ctx, flavor_id, description=description, changed_at=ctx.now())
        await changed(ctx, FLAVOR, "updated", flavor_id, project_id=None)
    return msgspec.structs.replace(before, description=description)


async def delete(ctx: Ctx, flavor_id: str) -> None:
    """Raises NotFound."""
    async with ctx.transaction() as ctx:
        await _held(ctx, flavor_id)
        await store.delete(ctx, flavor_id)
        await changed(ctx, FLAVOR, "deleted", flavor_id, project_id=None)


async def _held(ctx: Ctx, flavor_id: str) -> Flavor:
    await ctx.lock("flavor", flavor_id)
    return await get(ctx, flavor_id, everywhere=True)


# extra specs


def check_specs(specs: Mapping[str, str]) -> None:
    """Raises BadRequest for a value that its name does not allow, or a name of a known kind that is none."""
    for name, value in specs.items():
        why = rules.fault_of(name, value)
        if why is not None:
            raise BadRequest(why, field=name)


async def set_specs(ctx: Ctx, flavor_id: str, specs: Mapping[str, str]) -> None:
    """Add these, or give them another value. Raises NotFound."""
    async with ctx.transaction() as ctx:
        before = await _held(ctx, flavor_id)
        await _write_specs(ctx, flavor_id, {**before.extra_specs, **specs})


async def delete_spec(ctx: Ctx, flavor_id: str, name: str) -> None:
    """Raises NotFound."""
    async with ctx.transaction() as ctx:
        before = await _held(ctx, flavor_id)
        if name not in before.extra_specs:
            raise no_spec(flavor_id, name)
        await _write_specs(ctx, flavor_id, {key: value for key, value in before.extra_specs.items() if key != name})


def no_spec(flavor_id: str, name: str) -> NotFound:
    return NotFound(f"Flavor {flavor_id} has no extra specs with key {name}.")


async def _write_specs(ctx: Ctx, flavor_id: str, specs: dict[str, str]) -> None:
    await store.change(ctx, flavor_id, extra_specs=specs, changed_at=ctx.now())
    await changed(ctx, FLAVOR, "updated", flavor_id, project_id=None)


# access


async def projects_of(ctx: Ctx, flavor_id: str) -> list[str]:
    """The projects that may use a flavor that is not public. Raises NotFound; for a public one, too."""
    async with ctx.read() as ctx:
        if (await get(ctx, flavor_id, everywhere=True)).is_public:
            raise NotFound("Access list not available for public flavors.")
        return await store.given_to(ctx, flavor_id)


async def give_access(ctx: Ctx, flavor_id: str, project_id: str, *, to_public: bool) -> list[str]:
    """Let a project use it. Returns all that may. `to_public`: a flavor that all may use takes it, too.

    Raises BadRequest for a project that is none, NotFound, Conflict.
    """
    async with ctx.transaction() as ctx:
        if await projects.find(ctx, project_id) is None:
            raise BadRequest(f"Project ID {project_id} is not a valid project.")
        if (await _held(ctx, flavor_id)).is_public and not to_public:
            raise Conflict("Can not add access to a public flavor.")
        if project_id in await store.given_to(ctx, flavor_id):
            raise Conflict(f"Flavor access already exists for flavor {flavor_id} and project {project_id} combination.")
        await store.give(ctx, flavor_id, project_id)
        await changed(ctx, FLAVOR, "updated", flavor_id, project_id=None)
        return await store.given_to(ctx, flavor_id)


async def take_access(ctx: Ctx, flavor_id: str, project_id: str) -> list[str]:
    """Returns all that may use it still. Raises NotFound."""
    async with ctx.transaction() as ctx:
        await _held(ctx, flavor_id)
        if not await store.take(ctx, flavor_id, project_id):
            raise NotFound(f"Flavor access not found for {flavor_id} / {project_id} combination.")
        await changed(ctx, FLAVOR, "updated", flavor_id, project_id=None)
        return await store.given_to(ctx, flavor_id)


@projects.on_delete
async def forget_projects(ctx: Ctx, project_ids: Sequence[str]) -> None:
    """What they were given is nobody's any longer."""
    await store.forget_projects(ctx, project_ids)
