"""The table behind service providers. Only this noun imports this module."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed

providers = sa.Table(
    "identity_service_provider",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("auth_url", Text, nullable=False),
    sa.Column("sp_url", Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("description", Text),
    sa.Column("relay_state_prefix", Text, nullable=False),
)


class ServiceProvider(msgspec.Struct, frozen=True):
    id: str
    auth_url: str
    sp_url: str
    enabled: bool
    description: str | None
    relay_state_prefix: str


ALL = sa.select(*(providers.c[name] for name in ServiceProvider.__struct_fields__))
LISTED = Listed(
    ServiceProvider,
    ALL,
    providers.c.id,
    filters={"id": Field(providers.c.id), "enabled": Field(providers.c.enabled, "boolean")},
)
BY_ID = ALL.where(providers.c.id == sa.bindparam("provider_id"))
ENABLED = ALL.where(providers.c.enabled).order_by(providers.c.id)


async def get(ctx: Ctx, provider_id: str) -> ServiceProvider | None:
    row = (await ctx.execute(BY_ID, {"provider_id": provider_id})).one_or_none()
    return None if row is None else ServiceProvider(*row)


async def page(ctx: Ctx, query: Query) -> Found[ServiceProvider]:
    return await LISTED.page(ctx, query)


async def enabled(ctx: Ctx) -> list[ServiceProvider]:
    """By id."""
    return [ServiceProvider(*row) for row in await ctx.execute(ENABLED)]


async def add(ctx: Ctx, provider: ServiceProvider) -> None:
    await ctx.execute(providers.insert().values(**msgspec.structs.asdict(provider)))


async def change(ctx: Ctx, provider: ServiceProvider) -> None:
    values = msgspec.structs.asdict(provider)
    await ctx.execute(providers.update().where(providers.c.id == provider.id).values(**values))


async def delete(ctx: Ctx, provider_id: str) -> None:
    await ctx.execute(providers.delete().where(providers.c.id == provider_id))
