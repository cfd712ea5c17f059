"""The tables behind identity providers and their protocols. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed

providers = sa.Table(
    "identity_provider",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("domain_id", Text, sa.ForeignKey("identity_project.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("description", Text),
    sa.Column("authorization_ttl", sa.BigInteger),  # minutes that groups it says somebody is in are believed
)

remote_ids = sa.Table(
    "identity_provider_remote_id",
    metadata,
    sa.Column("remote_id", Text, primary_key=True),  # what it calls itself: no two may be called the same
    sa.Column("idp_id", Text, sa.ForeignKey("identity_provider.id", ondelete="CASCADE"), nullable=False, index=True),
)

protocols = sa.Table(
    "identity_federation_protocol",
    metadata,
    sa.Column("idp_id", Text, sa.ForeignKey("identity_provider.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("id", Text, primary_key=True),
    sa.Column("mapping_id", Text, nullable=False),  # may name what has been deleted since
    sa.Column("remote_id_attribute", Text),
)


class Row(msgspec.Struct, frozen=True):
    id: str
    domain_id: str
    enabled: bool
    description: str | None
    authorization_ttl: int | None


class Protocol(msgspec.Struct, frozen=True):
    id: str
    idp_id: str
    mapping_id: str
    remote_id_attribute: str | None


ALL = sa.select(*(providers.c[name] for name in Row.__struct_fields__))
LISTED = Listed(
    Row,
    ALL,
    providers.c.id,
    filters={"id": Field(providers.c.id), "enabled": Field(providers.c.enabled, "boolean")},
)
BY_ID = ALL.where(providers.c.id == sa.bindparam("idp_id"))
NAMES = sa.select(remote_ids.c.idp_id, remote_ids.c.remote_id).order_by(remote_ids.c.remote_id)
PROTOCOLS = sa.select(*(protocols.c[name] for name in Protocol.__struct_fields__))
PROTOCOL = PROTOCOLS.where(protocols.c.idp_id == sa.bindparam("idp_id"), protocols.c.id == sa.bindparam("protocol_id"))
LISTED_PROTOCOLS = Listed(Protocol, PROTOCOLS, protocols.c.id, filters={})


async def get(ctx: Ctx, idp_id: str) -> Row | None:
    row = (await ctx.execute(BY_ID, {"idp_id": idp_id})).one_or_none()
    return None if row is None else Row(*row)


async def page(ctx: Ctx, query: Query) -> Found[Row]:
    return await LISTED.page(ctx, query)


async def names(ctx: Ctx, idp_ids: Sequence[str]) -> dict[str, list[str]]:
    """The remote ids of each of them."""
    found: dict[str, list[str]] = {}
    for idp_id, remote_id in await ctx.execute(NAMES.where(remote_ids.c.idp_id.in_(idp_ids))):
        found.setdefault(idp_id, []).append(remote_id)
    return found


async def taken(ctx: Ctx, wanted: Iterable[str], *, by_others_than: str) -> str | None:
    """The first of these remote ids that another identity provider has."""
    query = NAMES.where(remote_ids.c.remote_id.in_(list(wanted)), remote_ids.c.idp_id != by_others_than).limit(1)
    row = (await ctx.execute(query)).one_or_none()
    return None if row is None else str(row[1])


async def add(ctx: Ctx, provider: Row) -> None:
    await ctx.execute(providers.insert().values(**msgspec.structs.asdict(provider)))


async def change(ctx: Ctx, provider: Row) -> None:
    values = msgspec.structs.asdict(provider)
    await ctx.execute(providers.update().where(providers.c.id == provider.id).values(**values))


async def set_names(ctx: Ctx, idp_id: str, wanted: Iterable[str]) -> None:
    await ctx.execute(remote_ids.delete().where(remote_ids.c.idp_id == idp_id))
    if rows := [{"remote_id": each, "idp_id": idp_id} for each in wanted]:
        await ctx.execute(remote_ids.insert().values(rows))


async def delete(ctx: Ctx, idp_id: str) -> None:
    await ctx.execute(providers.delete().where(providers.c.id == idp_id))


async def protocol(ctx: Ctx, idp_id: str, protocol_id: str) -> Protocol | None:
    row = (await ctx.execute(PROTOCOL, {"idp_id": idp_id, "protocol_id": protocol_id})).one_or_none()
    return None if row is None else Protocol(*row)


async def protocols_of(ctx: Ctx, query: Query, idp_id: str) -> Found[Protocol]:
    return await LISTED_PROTOCOLS.page(ctx, query, protocols.c.idp_id == idp_id)


async def add_protocol(ctx: Ctx, wanted: Protocol) -> None:
    await ctx.execute(protocols.insert().values(**msgspec.structs.asdict(wanted)))


async def change_protocol(ctx: Ctx, wanted: Protocol) -> None:
    found = protocols.update().where(protocols.c.idp_id == wanted.idp_id, protocols.c.id == wanted.id)
    await ctx.execute(found.values(**msgspec.structs.asdict(wanted)))


async def delete_protocol(ctx: Ctx, idp_id: str, protocol_id: str) -> None:
    await ctx.execute(protocols.delete().where(protocols.c.idp_id == idp_id, protocols.c.id == protocol_id))
