"""Volume types: what the rest of Block Storage may ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import sqlalchemy as sa

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.http.plan import parse_uuid
from pileus.services.identity.projects import service as projects
from pileus.services.volume.http import is_admin, missing
from pileus.services.volume.lists import Asked, Found
from pileus.services.volume.types import store
from pileus.services.volume.types.store import Encryption, Type

__all__ = [
    "DEFAULT",
    "Encryption",
    "Type",
    "associate",
    "by_ids",
    "change",
    "create",
    "default",
    "delete",
    "drop_spec",
    "encryption_of",
    "ensure_default",
    "every",
    "find",
    "get",
    "in_use",
    "of_qos",
    "page",
    "put_specs",
    "specs_of",
    "specs_of_all",
    "traits",
]

KIND = "volume.type"
DEFAULT = Type(
    id=uuid5(NAMESPACE_OID, "pileus volume type __DEFAULT__"), name="__DEFAULT__", description="Default Volume Type"
)

InUse = Callable[[Ctx, UUID], Awaitable[bool]]
_users: list[InUse] = []

by_ids = store.by_ids
specs_of = store.SPECS.of
specs_of_all = store.SPECS.of_all
encryption_of = store.encryption_of
traits = store.traits
of_qos = store.of_qos
every = store.every


class Known:
    """That this process has seen the default type's row: kept in the world's memory."""


def in_use(call: InUse) -> InUse:
    """Ask this whether something is of a type, which then neither goes nor changes what it means. For the nouns above."""
    _users.append(call)
    return call


async def ensure_default(ctx: Ctx) -> None:
    """See to it that there is the type that volumes have when nobody says one."""
    if Known in ctx.world.memory:
        return
    async with ctx.transaction() as tx:
        await store.ensure(tx, DEFAULT)
        tx.after_commit(lambda: ctx.world.memory.setdefault(Known, Known()))


async def page(ctx: Ctx, asked: Asked, *, everything: bool) -> Found[Type]:
    """The types that the query string asks for; `everything`: private ones that the project may not use, too."""
    return await store.page(ctx, asked, sa.true() if everything else store.of_project(ctx.caller.project_id))


async def get(ctx: Ctx, type_id: UUID) -> Type:
    """A type that the caller may know of. Raises NotFound."""
    found = await store.find(ctx, type_id, sa.true() if is_admin(ctx) else store.of_project(ctx.caller.project_id))
    if found is None:
        raise missing("type_id", type_id)
    return found


async def find(ctx: Ctx, text: str) -> Type:
    """As `get`, by id or by name. Raises NotFound."""
    try:
        return await get(ctx, parse_uuid(text))
    except (ValueError, NotFound):
        pass
    named = await store.named(ctx, text)
    if named is None:
        raise NotFound(f"Volume type with name {text} could not be found.")
    return await get(ctx, named.id)


async def default(ctx: Ctx) -> Type:
    """What a volume of the caller's project is when nobody says what."""
    return await store.default_type(ctx, ctx.caller.project_id, DEFAULT.id) or DEFAULT


async def create(ctx: Ctx, new: Type, specs: Mapping[str, str], project_ids: Sequence[str] = ()) -> Type:
    """Raises Conflict for a name that is taken."""
    async with ctx.transaction() as ctx:
        await _check_name(ctx, new.name, new.id)
        await store.add(ctx, new)
        await store.SPECS.put(ctx, new.id, specs)
        for project_id in project_ids:
            await store.grant(ctx, new.id, project_id)
        await changed(ctx, KIND, "created", new.id, project_id=None)
    return new


async def _check_name(ctx: Ctx, name: str, type_id: UUID) -> None:
    await ctx.lock("volume_type", "")
    same = await store.named(ctx, name)
    if same is not None and same.id != type_id:
        raise Conflict(f"Volume Type {type_id if same.id == type_id else name} already exists.")


async def change(ctx: Ctx, type_id: UUID, columns: Mapping[str, Any]) -> Type:
    """Raises NotFound; Conflict for a name that is taken."""
    async with ctx.transaction() as ctx:
        if "name" in columns:
            await _check_name(ctx, columns["name"], type_id)
        before = await get(ctx, type_id)
        await store.change(ctx, before.id, {**columns, "updated_at": ctx.now()})
        await changed(ctx, KIND, "updated", type_id, project_id=None)
        return await get(ctx, type_id)


async def associate(ctx: Ctx, type_id: UUID, qos_id: UUID | None) -> None:
    """Let volumes of the type have this quality of service, or none. Raises NotFound."""
    await change(ctx, type_id, {"qos_id": qos_id})


async def delete(ctx: Ctx, type_id: UUID) -> None:
    """Raises NotFound; BadRequest while something is of it, and for a default."""
    async with ctx.transaction() as ctx:
        await ctx.lock("volume_type", "")
        found = await get(ctx, type_id)
        if found.id == DEFAULT.id or await store.is_default(ctx, type_id):
            raise BadRequest(f"The volume type {type_id} is a default volume type and cannot be deleted.")
        await _refuse_in_use(ctx, type_id, "Target volume type is still in use.")
        await store.remove(ctx, type_id)
        await changed(ctx, KIND, "deleted", type_id, project_id=None)


async def _refuse_in_use(ctx: Ctx, type_id: UUID, message: str) -> None:
    """Nobody makes something of the type while this transaction is open: `hold` waits for its row."""
    await store.change(ctx, type_id, {"updated_at": ctx.now()})
    for call in _users:
        if await call(ctx, type_id):
            raise BadRequest(message)


async def put_specs(ctx: Ctx, type_id: UUID, specs: Mapping[str, str]) -> None:
    """Set some extra specs. Raises NotFound; BadRequest while something is of the type."""
    async with ctx.transaction() as ctx:
        await get(ctx, type_id)
        await _refuse_in_use(ctx, type_id, "Volume Type is currently in use.")
        await store.SPECS.put(ctx, type_id, specs)
        await changed(ctx, KIND, "updated", type_id, project_id=None)


async def drop_spec(ctx: Ctx, type_id: UUID, key: str) -> None:
    """Raises NotFound; BadRequest while something is of the type."""
    async with ctx.transaction() as ctx:
        await get(ctx, type_id)
        await _refuse_in_use(ctx, type_id, "Volume Type is currently in use.")
        if not await store.SPECS.drop(ctx, type_id, key):
            raise NotFound(f"Volume Type {type_id} has no extra specs with key {key}.")
        await changed(ctx, KIND, "updated", type_id, project_id=None)


# who may use it


async def projects_of(ctx: Ctx, type_id: UUID) -> list[str]:
    """The projects that may use a private type. Raises NotFound, also for a public one."""
    if (await get(ctx, type_id)).is_public:
        raise NotFound("Access list not available for public volume types.")
    return await store.projects_of(ctx, type_id)


async def _private(ctx: Ctx, type_id: UUID) -> None:
    if (await get(ctx, type_id)).is_public:
        raise BadRequest("Invalid volume type: Type access modification is not applicable to public volume type.")


async def grant(ctx: Ctx, type_id: UUID, project_id: str) -> None:
    """Raises NotFound; BadRequest for a public type; Conflict when it may already."""
    async with ctx.transaction() as ctx:
        await _private(ctx, type_id)
        if not await store.grant(ctx, type_id, project_id):
            raise Conflict(f"Volume type access for {type_id} / {project_id} combination already exists.")
        await changed(ctx, KIND, "updated", type_id, project_id=None)


async def revoke(ctx: Ctx, type_id: UUID, project_id: str) -> None:
    """Raises NotFound, also when it may not; BadRequest for a public type."""
    async with ctx.transaction() as ctx:
        await _private(ctx, type_id)
        if not await store.revoke(ctx, type_id, project_id):
            raise NotFound(f"Volume type access not found for {type_id} / {project_id} combination.")
        await changed(ctx, KIND, "updated", type_id, project_id=None)


# how volumes of it are encrypted


async def add_encryption(ctx: Ctx, new: Encryption) -> None:
    """Raises NotFound; BadRequest while something is of the type, or when it is encrypted already."""
    async with ctx.transaction() as ctx:
        await get(ctx, new.type_id)
        await _refuse_in_use(ctx, new.type_id, "Cannot create encryption specs. Volume type in use.")
        if await store.encryption_of(ctx, new.type_id) is not None:
            raise BadRequest(f"Volume type encryption for type {new.type_id} already exists.")
        await store.add_encryption(ctx, new)
        await changed(ctx, KIND, "updated", new.type_id, project_id=None)


async def change_encryption(ctx: Ctx, type_id: UUID, columns: Mapping[str, Any]) -> None:
    """Raises NotFound; BadRequest while something is of the type."""
    async with ctx.transaction() as ctx:
        await _encrypted(ctx, type_id)
        await _refuse_in_use(ctx, type_id, "Cannot update encryption specs. Volume type in use.")
        await store.change_encryption(ctx, type_id, {**columns, "updated_at": ctx.now()})
        await changed(ctx, KIND, "updated", type_id, project_id=None)


async def remove_encryption(ctx: Ctx, type_id: UUID) -> None:
    """Raises NotFound; BadRequest while something is of the type."""
    async with ctx.transaction() as ctx:
        await _encrypted(ctx, type_id)
        await _refuse_in_use(ctx, type_id, "Cannot delete encryption specs. Volume type in use.")
        await store.remove_encryption(ctx, type_id)
        await changed(ctx, KIND, "updated", type_id, project_id=None)


async def _encrypted(ctx: Ctx, type_id: UUID) -> None:
    await get(ctx, type_id)
    if await store.encryption_of(ctx, type_id) is None:
        raise missing("encryption_id", type_id)


async def hold(ctx: Ctx, type_: Type) -> None:
    """Something is about to be of the type: it stays as it is until this transaction ends."""
    if not await store.hold(ctx, type_.id) and type_.id == DEFAULT.id:
        await store.ensure(ctx, DEFAULT)


# which is the default of a project


async def defaults(ctx: Ctx) -> dict[str, UUID]:
    """By project."""
    return await store.default_ids(ctx)


async def default_of(ctx: Ctx, project_id: str) -> UUID:
    """Raises NotFound."""
    found = await store.default_of(ctx, project_id)
    if found is None:
        raise NotFound(f"Default type for project {project_id} not found.")
    return found


async def set_default(ctx: Ctx, project_id: str, text: str) -> Type:
    """Let volumes of the project be of this type (its id or name) when nobody says which. Raises NotFound."""
    async with ctx.transaction() as ctx:
        await projects.hold(ctx, project_id)
        found = await find(ctx, text)
        await store.set_default(ctx, project_id, found.id)
        await changed(ctx, "volume.default_type", "updated", project_id, project_id=project_id)
    return found


async def unset_default(ctx: Ctx, project_id: str) -> None:
    """May be repeated."""
    async with ctx.transaction() as ctx:
        await store.unset_default(ctx, project_id)
        await changed(ctx, "volume.default_type", "deleted", project_id, project_id=project_id)
