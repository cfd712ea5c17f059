"""The table behind routers. Their legs and gateways are ports. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.http import Query
from pileus.services.network import standard
from pileus.services.network.lists import Condition, Field, Found, Listed
from pileus.services.network.routers.rules import Route
from pileus.services.network.standard import Standard
from pileus.services.network.tags import service as tags

routers = sa.Table(
    "network_router",
    metadata,
    *standard.columns(),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("status", Text, nullable=False),  # ACTIVE | ERROR
    sa.Column("gw_port_id", sa.Uuid, unique=True),
    sa.Column("enable_snat", sa.Boolean, nullable=False),
    sa.Column("routes", JSON, nullable=False),  # [[destination, nexthop], ...]
    sa.Column("zone_hints", JSON, nullable=False),
    sa.Column("deleted", sa.Boolean, nullable=False),  # and not yet gone from the overlay
    sa.Column("wanted_generation", sa.BigInteger, nullable=False),
    sa.Column("done_generation", sa.BigInteger, nullable=False),
)
ANY = sa.true()
is_there = routers.c.deleted.is_(False)


class Router(Standard, frozen=True, kw_only=True):
    """A row."""

    admin_state_up: bool = True
    status: str = "ACTIVE"
    gw_port_id: UUID | None = None
    enable_snat: bool = True
    routes: list[list[str]] = msgspec.field(default_factory=list)
    zone_hints: list[str] = msgspec.field(default_factory=list)
    deleted: bool = False

    @property
    def hops(self) -> tuple[Route, ...]:
        return tuple(Route(*each) for each in self.routes)


ALL = sa.select(*(routers.c[name] for name in Router.__struct_fields__))


LISTED = Listed(
    "router",
    Router,
    ALL.where(is_there),
    routers.c.id,
    filters={
        **standard.filters(routers),
        "admin_state_up": Field(routers.c.admin_state_up, "boolean"),
        "status": Field(routers.c.status),
        "enable_snat": Field(routers.c.enable_snat, "boolean"),
    },
    more=tags.filters(routers.c.id),
    sorts=("name", "admin_state_up", "status", "tenant_id", "project_id", "created_at", "updated_at"),
)


async def page(ctx: Ctx, query: Query, *visible: Condition) -> Found[Router]:
    return await LISTED.page(ctx, query, *visible)


async def find(ctx: Ctx, router_id: UUID, visible: Condition = is_there) -> Router | None:
    row = (await ctx.execute(ALL.where(routers.c.id == router_id, visible))).one_or_none()
    return None if row is None else Router(**row._mapping)


async def hold(ctx: Ctx, router_id: UUID) -> None:
    """Nobody else changes this row, or holds it, until the transaction ends."""
    await ctx.hold(sa.select(routers.c.id).where(routers.c.id == router_id).with_for_update())


async def by_ids(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, Router]:
    """Those that are there, and not deleted."""
    return {
        row.id: Router(**row._mapping) for row in await ctx.execute(ALL.where(routers.c.id.in_(list(ids)), is_there))
    }


async def add(ctx: Ctx, router: Router) -> None:
    await ctx.execute(
        routers.insert(), {**msgspec.structs.asdict(router), "wanted_generation": 0, "done_generation": 0}
    )


async def change(ctx: Ctx, router_id: UUID, **columns: Any) -> None:
    """Write these columns, and raise the revision."""
    values = {**columns, **standard.touched(ctx, routers)}
    await ctx.execute(routers.update().where(routers.c.id == router_id).values(**values))


async def mark(ctx: Ctx, router_id: UUID, status: str) -> None:
    """Its status, which is no change of its owner's."""
    await ctx.execute(routers.update().where(routers.c.id == router_id).values(status=status))


async def remove(ctx: Ctx, router_id: UUID) -> None:
    """One that was deleted."""
    await ctx.execute(routers.delete().where(routers.c.id == router_id, routers.c.deleted))


async def every_project(ctx: Ctx) -> dict[UUID, str]:
    """Whose each is, of all that are not deleted."""
    return await standard.every_project(ctx, routers, is_there)


def count_of(owners: Any) -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(routers.c.project_id.in_(owners), is_there)


async def names_of(ctx: Ctx, project_ids: Sequence[str]) -> tuple[int, list[str]]:
    """How many these projects have, and the names of a few."""
    return await standard.names_of(ctx, routers, project_ids, is_there)


async def ids_of(ctx: Ctx, project_ids: Sequence[str]) -> list[UUID]:
    query = sa.select(routers.c.id).where(routers.c.project_id.in_(project_ids), is_there).order_by(routers.c.id)
    return list((await ctx.execute(query)).scalars())
