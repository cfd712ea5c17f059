"""The tables behind policies. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import JSON, Text, metadata
from pileus.kernel.http import Query
from pileus.services.identity.lists import Field, Found, Listed
from pileus.services.identity.policies.rules import Place

policies = sa.Table(
    "identity_policy",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("type", Text, nullable=False),
    sa.Column("blob", Text, nullable=False),
    sa.Column("extra", JSON, nullable=False),
)


def part(name: str, of: str) -> sa.Column[Any]:
    return sa.Column(name, Text, sa.ForeignKey(of, ondelete="CASCADE"), index=True)


associations = sa.Table(
    "identity_policy_association",
    metadata,
    sa.Column("place", Text, primary_key=True),  # Place.key: what the three ids say together
    sa.Column("policy_id", Text, sa.ForeignKey("identity_policy.id", ondelete="CASCADE"), nullable=False, index=True),
    part("endpoint_id", "identity_endpoint.id"),
    part("service_id", "identity_service.id"),
    part("region_id", "identity_region.id"),
)


class Policy(msgspec.Struct, frozen=True):
    id: str
    type: str
    blob: str
    extra: dict[str, Any]


ALL = sa.select(*(policies.c[name] for name in Policy.__struct_fields__))
BY_ID = ALL.where(policies.c.id == sa.bindparam("policy_id"))
LISTED = Listed(Policy, ALL, policies.c.id, filters={"type": Field(policies.c.type)})


async def page(ctx: Ctx, query: Query) -> Found[Policy]:
    """The policies that the query string asks for. Raises BadRequest."""
    return await LISTED.page(ctx, query)


async def get(ctx: Ctx, policy_id: str) -> Policy | None:
    row = (await ctx.execute(BY_ID, {"policy_id": policy_id})).one_or_none()
    return None if row is None else Policy(*row)


async def add(ctx: Ctx, policy: Policy) -> None:
    await ctx.execute(policies.insert().values(**msgspec.structs.asdict(policy)))


async def change(ctx: Ctx, policy_id: str, columns: Mapping[str, Any]) -> None:
    await ctx.execute(policies.update().where(policies.c.id == policy_id).values(**columns))


async def delete(ctx: Ctx, policy_id: str) -> None:
    await ctx.execute(policies.delete().where(policies.c.id == policy_id))


async def policy_ids_at(ctx: Ctx, places: Collection[Place]) -> dict[str, str]:
    """The policy of each of these places that has one, by the key of the place."""
    keys = [place.key for place in places]
    query = sa.select(associations.c.place, associations.c.policy_id).where(associations.c.place.in_(keys))
    return {row[0]: row[1] for row in await ctx.execute(query)}


async def places_of(ctx: Ctx, policy_id: str) -> set[Place]:
    names = Place.__struct_fields__
    query = sa.select(*(associations.c[name] for name in names)).where(associations.c.policy_id == policy_id)
    return {Place(**dict(zip(names, row, strict=True))) for row in await ctx.execute(query)}


async def associate(ctx: Ctx, policy_id: str, place: Place) -> None:
    """Instead of the policy that was for it."""
    await ctx.execute(associations.delete().where(associations.c.place == place.key))
    row = {"place": place.key, "policy_id": policy_id, **msgspec.structs.asdict(place)}
    await ctx.execute(associations.insert().values(**row))


async def dissociate(ctx: Ctx, policy_id: str, place: Place) -> None:
    own = associations.c.policy_id == policy_id
    await ctx.execute(associations.delete().where(own, associations.c.place == place.key))
