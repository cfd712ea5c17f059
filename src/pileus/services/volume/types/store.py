"""The tables behind volume types. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, insert_if_new, metadata
from pileus.kernel.filters import Condition, Field
from pileus.kernel.operations.start import insert_for
from pileus.services.volume.bags import Bag
from pileus.services.volume.lists import Asked, Found, Listed, pairs

types = sa.Table(
    "volume_type",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("description", Text),
    sa.Column("is_public", sa.Boolean, nullable=False),
    sa.Column("qos_id", sa.Uuid, index=True),  # of the QoS specs that it is associated with
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double),
)

access = sa.Table(
    "volume_type_access",
    metadata,
    sa.Column("type_id", sa.Uuid, primary_key=True),
    sa.Column("project_id", Text, primary_key=True, index=True),
)

encryption = sa.Table(
    "volume_type_encryption",
    metadata,
    sa.Column("type_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Uuid, nullable=False),
    sa.Column("provider", Text, nullable=False),
    sa.Column("control_location", Text, nullable=False),
    sa.Column("cipher", Text),
    sa.Column("key_size", sa.Integer),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double),
)

defaults = sa.Table(
    "volume_default_type",
    metadata,
    sa.Column("project_id", Text, primary_key=True),
    sa.Column("type_id", sa.Uuid, nullable=False, index=True),
)

SPECS = Bag("volume_type_spec")
MULTIATTACH = "<is> True"


class Type(msgspec.Struct, frozen=True, kw_only=True):
    """A row. Times are seconds since the epoch."""

    id: UUID
    name: str
    description: str | None = None
    is_public: bool = True
    qos_id: UUID | None = None
    created_at: float = 0.0
    updated_at: float | None = None


class Encryption(msgspec.Struct, frozen=True, kw_only=True):
    """How volumes of a type shall be encrypted."""

    type_id: UUID
    id: UUID
    provider: str
    control_location: str
    cipher: str | None = None
    key_size: int | None = None
    created_at: float = 0.0
    updated_at: float | None = None


COLUMNS = [types.c[name] for name in Type.__struct_fields__]
ALL = sa.select(*COLUMNS)
BY_IDS = ALL.where(among(types.c.id, "ids_"))
ENSURE = insert_if_new(types)
HOLD = sa.select(types.c.id).where(types.c.id == sa.bindparam("id_")).with_for_update(read=True)
ENCRYPTION_OF = sa.select(*(encryption.c[name] for name in Encryption.__struct_fields__))
ENCRYPTION_OF = ENCRYPTION_OF.where(encryption.c.type_id == sa.bindparam("id_"))
TRAITS = sa.select(
    sa.exists().where(encryption.c.type_id == sa.bindparam("id_")).label("encrypted"),
    sa.select(SPECS.table.c.value)
    .where(SPECS.table.c.owner_id == sa.bindparam("id_"), SPECS.table.c.key == "multiattach")
    .scalar_subquery()
    .label("multiattach"),
)
DEFAULT_OF = sa.select(defaults.c.type_id).where(defaults.c.project_id == sa.bindparam("project_"))
DEFAULT_TYPE = ALL.where(
    types.c.id == sa.func.coalesce(DEFAULT_OF.scalar_subquery(), sa.bindparam("otherwise_", type_=sa.Uuid()))
)
NAMED = ALL.where(types.c.name == sa.bindparam("name_"))

LISTED = Listed(
    Type,
    ALL,
    types.c.id,
    filters={"is_public": Field(types.c.is_public, "boolean"), "name": Field(types.c.name)},
    sorts={"name": types.c.name, "created_at": types.c.created_at, "updated_at": types.c.updated_at},
    special={"extra_specs": lambda text: SPECS.having(types.c.id, pairs(text))},
)


def of_project(project_id: str | None) -> Condition:
    """The types that a project may use."""
    granted = sa.select(access.c.type_id).where(access.c.project_id == (project_id or ""))
    return sa.or_(types.c.is_public, types.c.id.in_(granted))


async def page(ctx: Ctx, asked: Asked, visible: Condition) -> Found[Type]:
    return await LISTED.page(ctx, asked, visible)


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, Type]:
    return {row[0]: Type(**row._mapping) for row in await ctx.execute(BY_IDS, {"ids_": ids})} if ids else {}


async def every(ctx: Ctx) -> list[Type]:
    """All of them, by name: types are few."""
    return [Type(**row._mapping) for row in await ctx.execute(ALL.order_by(types.c.name))]


async def find(ctx: Ctx, type_id: UUID, condition: Condition) -> Type | None:
    row = (await ctx.execute(ALL.where(types.c.id == type_id, condition))).one_or_none()
    return None if row is None else Type(**row._mapping)


async def named(ctx: Ctx, name: str) -> Type | None:
    row = (await ctx.execute(NAMED, {"name_": name})).one_or_none()
    return None if row is None else Type(**row._mapping)


async def of_qos(ctx: Ctx, qos_id: UUID) -> list[Type]:
    """The types that are associated with these QoS specs."""
    return [
        Type(**row._mapping) for row in await ctx.execute(ALL.where(types.c.qos_id == qos_id).order_by(types.c.name))
    ]


async def hold(ctx: Ctx, type_id: UUID) -> bool:
    """Let nobody change or delete the type until this transaction ends. Whether it is there."""
    return (await ctx.execute(HOLD, {"id_": type_id})).first() is not None


async def ensure(ctx: Ctx, new: Type) -> None:
    """Add it, unless there is one of that id or name."""
    await ctx.execute(ENSURE, msgspec.structs.asdict(new))


async def add(ctx: Ctx, new: Type) -> None:
    await ctx.execute(types.insert(), msgspec.structs.asdict(new))


async def change(ctx: Ctx, type_id: UUID, columns: Mapping[str, Any]) -> None:
    await ctx.execute(types.update().where(types.c.id == type_id).values(**columns))


async def leave_qos(ctx: Ctx, qos_id: UUID) -> None:
    """No type is associated with these QoS specs any more."""
    await ctx.execute(types.update().where(types.c.qos_id == qos_id).values(qos_id=None))


async def remove(ctx: Ctx, type_id: UUID) -> None:
    """With all that hangs on it."""
    await SPECS.drop(ctx, type_id)
    for table in (access, encryption):
        await ctx.execute(table.delete().where(table.c.type_id == type_id))
    await ctx.execute(types.delete().where(types.c.id == type_id))


# who may use it


async def projects_of(ctx: Ctx, type_id: UUID) -> list[str]:
    found = sa.select(access.c.project_id).where(access.c.type_id == type_id).order_by(access.c.project_id)
    return list((await ctx.execute(found)).scalars())


async def grant(ctx: Ctx, type_id: UUID, project_id: str) -> bool:
    """False when it could use it before."""
    row = {"type_id": type_id, "project_id": project_id}
    return bool((await ctx.execute(insert_if_new(access), row)).rowcount)


async def revoke(ctx: Ctx, type_id: UUID, project_id: str) -> bool:
    """False when it could not use it before."""
    gone = access.delete().where(access.c.type_id == type_id, access.c.project_id == project_id)
    return bool((await ctx.execute(gone)).rowcount)


# how volumes of it are encrypted


async def encryption_of(ctx: Ctx, type_id: UUID) -> Encryption | None:
    row = (await ctx.execute(ENCRYPTION_OF, {"id_": type_id})).one_or_none()
    return None if row is None else Encryption(**row._mapping)


async def traits(ctx: Ctx, type_id: UUID) -> tuple[bool, bool]:
    """Whether volumes of the type shall be encrypted, and whether several servers may attach one at once."""
    encrypted, multiattach = (await ctx.execute(TRAITS, {"id_": type_id})).one()
    return bool(encrypted), multiattach == MULTIATTACH


async def add_encryption(ctx: Ctx, new: Encryption) -> None:
    await ctx.execute(encryption.insert(), msgspec.structs.asdict(new))


async def change_encryption(ctx: Ctx, type_id: UUID, columns: Mapping[str, Any]) -> None:
    await ctx.execute(encryption.update().where(encryption.c.type_id == type_id).values(**columns))


async def remove_encryption(ctx: Ctx, type_id: UUID) -> None:
    await ctx.execute(encryption.delete().where(encryption.c.type_id == type_id))


# which is the default


async def default_type(ctx: Ctx, project_id: str | None, otherwise: UUID) -> Type | None:
    """The default of a project, or the type of that id."""
    params = {"project_": project_id or "", "otherwise_": otherwise}
    row = (await ctx.execute(DEFAULT_TYPE, params)).one_or_none()
    return None if row is None else Type(**row._mapping)


async def default_of(ctx: Ctx, project_id: str | None) -> UUID | None:
    return (await ctx.execute(DEFAULT_OF, {"project_": project_id or ""})).scalar()


async def default_ids(ctx: Ctx) -> dict[str, UUID]:
    """The default of each project that has one of its own."""
    found = sa.select(defaults.c.project_id, defaults.c.type_id).order_by(defaults.c.project_id)
    return {row[0]: row[1] for row in await ctx.execute(found)}


async def set_default(ctx: Ctx, project_id: str, type_id: UUID) -> None:
    new = insert_for(ctx, defaults).values(project_id=project_id, type_id=type_id)
    await ctx.execute(new.on_conflict_do_update(index_elements=["project_id"], set_={"type_id": type_id}))


async def unset_default(ctx: Ctx, project_id: str) -> None:
    await ctx.execute(defaults.delete().where(defaults.c.project_id == project_id))


async def is_default(ctx: Ctx, type_id: UUID) -> bool:
    found = sa.select(defaults.c.project_id).where(defaults.c.type_id == type_id).limit(1)
    return (await ctx.execute(found)).first() is not None
