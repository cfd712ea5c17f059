"""The table behind resource providers. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata

providers = sa.Table(
    "placement_provider",
    metadata,
    sa.Column("id", Text, primary_key=True),  # a UUID
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("generation", sa.BigInteger, nullable=False),  # what clients see of changes
    sa.Column("parent_id", Text, sa.ForeignKey("placement_provider.id"), index=True),
    sa.Column("root_id", Text, sa.ForeignKey("placement_provider.id"), nullable=False, index=True),
    sa.Column("edition", Text, nullable=False),  # drawn anew with each change of the provider or of what is used of it
    sa.Column("updated_at", sa.Double, nullable=False),  # seconds since the epoch
)


class Provider(msgspec.Struct, frozen=True):
    id: str
    name: str
    generation: int
    parent_id: str | None
    root_id: str
    updated_at: float


ALL = sa.select(*(providers.c[name] for name in Provider.__struct_fields__))
BY_IDS = ALL.where(among(providers.c.id, "ids_"))
RENEW = (
    providers.update()
    .where(among(providers.c.id, "ids_"))
    .values(generation=providers.c.generation + sa.bindparam("steps_"))
)
NAMED = ALL.where(providers.c.name == sa.bindparam("name"))
EDITION = sa.select(sa.func.aggregate_strings(providers.c.edition, " "))
EDITIONS = sa.select(providers.c.id, providers.c.edition).order_by(providers.c.id)
CHILD = sa.select(providers.c.id).where(providers.c.parent_id == sa.bindparam("id_")).limit(1)

_down = sa.select(providers.c.id).where(providers.c.id == sa.bindparam("id_")).cte(recursive=True)
_child = providers.alias()
_down = _down.union_all(sa.select(_child.c.id).join(_down, _child.c.parent_id == _down.c.id))
SUBTREE = sa.select(_down.c.id)


async def by_ids(ctx: Ctx, ids: Collection[str]) -> dict[str, Provider]:
    return {row[0]: Provider(*row) for row in await ctx.execute(BY_IDS, {"ids_": ids})}


async def named(ctx: Ctx, name: str) -> Provider | None:
    row = (await ctx.execute(NAMED, {"name": name})).one_or_none()
    return None if row is None else Provider(*row)


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[Provider]:
    """Those with these columns, in the order of their ids."""
    query = ALL.where(*(providers.c[name] == value for name, value in columns.items())).order_by(providers.c.id)
    return [Provider(*row) for row in await ctx.execute(query)]


async def edition(ctx: Ctx) -> str:
    """What is the same text only while every provider is as it was: each change draws a word that there never was."""
    return (await ctx.execute(EDITION)).scalar() or ""


async def editions(ctx: Ctx) -> dict[str, str]:
    """That of every provider, in the order of their ids."""
    return dict((await ctx.execute(EDITIONS)).tuples().all())


async def has_child(ctx: Ctx, provider_id: str) -> bool:
    return (await ctx.execute(CHILD, {"id_": provider_id})).first() is not None


async def subtree(ctx: Ctx, provider_id: str) -> list[str]:
    """The id, and those of all below."""
    return [row[0] for row in await ctx.execute(SUBTREE, {"id_": provider_id})]


async def add(ctx: Ctx, provider: Provider, edition: str) -> None:
    await ctx.execute(providers.insert().values(**msgspec.structs.asdict(provider), edition=edition))


async def change(ctx: Ctx, ids: Collection[str], **columns: Any) -> None:
    """Write these columns of some providers."""
    await ctx.execute(providers.update().where(providers.c.id.in_(list(ids))).values(**columns))


async def renew(ctx: Ctx, ids: Collection[str], edition: str, steps: int) -> None:
    """A new edition of some providers, and `steps` generations on."""
    await ctx.execute(RENEW, {"ids_": ids, "steps_": steps, "edition": edition, "updated_at": ctx.now()})


async def delete(ctx: Ctx, provider_id: str) -> None:
    await ctx.execute(providers.delete().where(providers.c.id == provider_id))
