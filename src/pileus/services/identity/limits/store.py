"""The table behind limits. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata
from pileus.kernel.filters import Condition
from pileus.kernel.http import Query
from pileus.kernel.quota import Owners
from pileus.services.identity.limits.rules import Row
from pileus.services.identity.lists import Field, Found, Listed
from pileus.services.identity.registered_limits import service as registered_limits
from pileus.services.identity.services import service as services

limits = sa.Table(
    "identity_limit",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column(
        "registered_limit_id",
        Text,
        sa.ForeignKey("identity_registered_limit.id", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("project_id", Text, sa.ForeignKey("identity_project.id", ondelete="CASCADE"), index=True),
    sa.Column("domain_id", Text, sa.ForeignKey("identity_project.id", ondelete="CASCADE"), index=True),
    sa.Column("resource_limit", sa.Integer, nullable=False),  # -1: no limit
    sa.Column("description", Text),
    sa.UniqueConstraint("registered_limit_id", "project_id", name="identity_limit_project_uq"),
    sa.UniqueConstraint("registered_limit_id", "domain_id", name="identity_limit_domain_uq"),
    sa.CheckConstraint("(project_id IS NULL) <> (domain_id IS NULL)", name="identity_limit_owner"),
)


class Limit(msgspec.Struct, frozen=True):
    id: str
    registered_limit_id: str
    project_id: str | None
    domain_id: str | None
    service_id: str
    region_id: str | None
    resource_name: str
    resource_limit: int
    description: str | None

    @property
    def owner(self) -> str:
        """The project or domain whose limit it is."""
        return self.project_id or self.domain_id or ""


_registered = registered_limits.every().subquery()
_owner = sa.func.coalesce(limits.c.project_id, limits.c.domain_id)
DERIVED = ("service_id", "region_id", "resource_name")  # of the registered limit, which stays as it is meanwhile
ALL = sa.select(
    *(_registered.c[name] if name in DERIVED else limits.c[name] for name in Limit.__struct_fields__)
).join_from(limits, _registered, limits.c.registered_limit_id == _registered.c.id)
BY_ID = ALL.where(limits.c.id == sa.bindparam("id"))
LISTED = Listed(
    Limit,
    ALL,
    limits.c.id,
    filters={
        **{name: Field(_registered.c[name]) for name in DERIVED},
        "project_id": Field(limits.c.project_id),
        "domain_id": Field(limits.c.domain_id),
    },
    sorts={"project_id": limits.c.project_id, "domain_id": limits.c.domain_id},
)


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[Limit]:
    """The limits that the query string asks for, of those that are visible. Raises BadRequest."""
    return await LISTED.page(ctx, query, *visible)


async def of_projects(ctx: Ctx, ids: Collection[str]) -> list[Limit]:
    query = ALL.where(limits.c.project_id.in_(ids)).order_by(limits.c.id)
    return [Limit(*row) for row in await ctx.execute(query)]


def of_owners(owners: Owners) -> Condition:
    """Whose limit it is."""
    return sa.or_(limits.c.project_id.in_(owners), limits.c.domain_id.in_(owners))


async def get(ctx: Ctx, id_: str) -> Limit | None:
    row = (await ctx.execute(BY_ID, {"id": id_})).one_or_none()
    return None if row is None else Limit(*row)


async def any_on(ctx: Ctx, registered_limit_id: str) -> bool:
    query = sa.select(limits.c.id).where(limits.c.registered_limit_id == registered_limit_id).limit(1)
    return (await ctx.execute(query)).first() is not None


async def owners_of(ctx: Ctx, registered_limit_ids: Collection[str]) -> set[tuple[str, str]]:
    """Who has a limit that rests on one of these: (registered limit, owner)."""
    query = sa.select(limits.c.registered_limit_id, _owner)
    rows = await ctx.execute(query.where(limits.c.registered_limit_id.in_(registered_limit_ids)))
    return {(row[0], row[1]) for row in rows}


async def values(ctx: Ctx, registered_limit_id: str, owners: Owners) -> dict[str, int]:
    """The limits of these owners that rest on it."""
    query = sa.select(_owner, limits.c.resource_limit)
    rows = await ctx.execute(query.where(limits.c.registered_limit_id == registered_limit_id, of_owners(owners)))
    return {row[0]: row[1] for row in rows}


_own = sa.and_(
    limits.c.registered_limit_id == _registered.c.id,
    sa.or_(among(limits.c.project_id, "owners_"), among(limits.c.domain_id, "owners_")),
)
ROWS_FOR = (
    sa.select(
        *(_registered.c[name] for name in ("id", "resource_name", "region_id", "default_limit")),
        _owner,
        limits.c.resource_limit,
    )
    .outerjoin_from(_registered, limits, _own)
    .where(
        _registered.c.service_id.in_(services.ids_of_types("types_")),
        among(_registered.c.resource_name, "names_"),
        sa.or_(_registered.c.region_id.is_(None), _registered.c.region_id == sa.bindparam("region_")),
    )
)


async def rows_for(
    ctx: Ctx, types: Collection[str], names: Collection[str], owners: Sequence[str], region_id: str
) -> list[Row]:
    """The registered limits of these resources of the services of these types, in this region or in all, each beside the
    limits of these owners.
    """
    asked = {"types_": types, "names_": names, "owners_": owners, "region_": region_id}
    return [Row(*row) for row in await ctx.execute(ROWS_FOR, asked)]


async def add(ctx: Ctx, rows: Sequence[Limit]) -> None:
    columns = [
        {name: value for name, value in msgspec.structs.asdict(row).items() if name not in DERIVED} for row in rows
    ]
    await ctx.execute(limits.insert(), columns)


async def change(ctx: Ctx, id_: str, columns: Mapping[str, Any]) -> None:
    await ctx.execute(limits.update().where(limits.c.id == id_).values(**columns))


async def delete(ctx: Ctx, id_: str) -> None:
    await ctx.execute(limits.delete().where(limits.c.id == id_))
