"""The table behind the addresses of ports. Only this noun imports this module."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import msgspec
import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata
from pileus.services.network.addresses import place, read_address

allocations = sa.Table(
    "network_allocation",
    metadata,
    sa.Column("port_id", sa.Uuid, primary_key=True),
    sa.Column("subnet_id", sa.Uuid, primary_key=True),
    sa.Column("place", Text, primary_key=True),  # of the address, see `addresses.place`
    sa.Column("address", Text, nullable=False, index=True),
    sa.Column("ordinal", sa.Integer, nullable=False),  # in the port's list
    sa.Column("released", sa.BigInteger),  # from this generation of the port on it is not the port's any more
    sa.Index(
        "network_allocation_address_uq",
        "subnet_id",
        "place",
        unique=True,
        sqlite_where=sa.text("released IS NULL"),
        postgresql_where=sa.text("released IS NULL"),
    ),
    sa.Index("network_allocation_place_ix", "subnet_id", "place"),
)

NEVER = 2**62  # no generation comes to that
HELD = allocations.c.released.is_(None)
ADD = allocations.insert()
RELEASE = allocations.update().where(among(allocations.c.port_id, "ids_"), HELD)
FORGET = allocations.delete().where(
    allocations.c.port_id == sa.bindparam("id_"), allocations.c.released <= sa.bindparam("generation_")
)
BETWEEN = sa.and_(
    allocations.c.subnet_id == sa.bindparam("subnet_"),
    allocations.c.place >= sa.bindparam("first_"),
    allocations.c.place <= sa.bindparam("last_"),
)
TAKEN = sa.select(allocations.c.place).where(BETWEEN).distinct().order_by(allocations.c.place)
TAKEN = TAKEN.limit(sa.bindparam("most_"))
LAST_TAKEN = sa.select(sa.func.max(allocations.c.place)).where(BETWEEN)


class Fixed(msgspec.Struct, frozen=True):
    """An address of a port."""

    subnet_id: UUID
    address: str


async def hold(ctx: Ctx, held: Iterable[tuple[UUID, Sequence[Fixed]]]) -> None:
    """These ports have these addresses, in this order. Raises sa.exc.IntegrityError for one that is taken."""
    rows = [
        {
            "port_id": port_id,
            "subnet_id": each.subnet_id,
            "place": place_of(each.address),
            "address": each.address,
            "ordinal": ordinal,
            "released": None,
        }
        for port_id, fixed in held
        for ordinal, each in enumerate(fixed)
    ]
    if rows:
        await ctx.execute(ADD, rows)


async def rehold(ctx: Ctx, port_id: UUID, fixed: Sequence[Fixed], *, generation: int) -> None:
    """The port has these addresses from `generation` on; others that it had stay out of use until the overlay knows."""
    mine = allocations.c.port_id == port_id
    kept = sa.tuple_(allocations.c.subnet_id, allocations.c.place).in_(
        [(each.subnet_id, place_of(each.address)) for each in fixed]
    )
    await ctx.execute(allocations.delete().where(mine, kept))
    await ctx.execute(allocations.update().where(mine, HELD).values(released=generation))
    await hold(ctx, [(port_id, fixed)])


async def release(ctx: Ctx, port_ids: Collection[UUID]) -> None:
    """All addresses of ports that go: out of use until the overlay knows, and the rows go."""
    await ctx.execute(RELEASE, {"ids_": port_ids, "released": NEVER})


async def forget_released(ctx: Ctx, port_id: UUID, generation: int) -> None:
    """The overlay has seen this generation: what was released by then is free."""
    await ctx.execute(FORGET, {"id_": port_id, "generation_": generation})


async def taken(ctx: Ctx, subnet_id: UUID, first: str, last: str, most: int) -> list[str]:
    """The places in use between two, in order, also those that are about to be free."""
    asked = {"subnet_": subnet_id, "first_": first, "last_": last, "most_": most}
    return list((await ctx.execute(TAKEN, asked)).scalars())


async def last_taken(ctx: Ctx, subnet_id: UUID, first: str, last: str) -> str | None:
    """The last place in use between two, also one that is about to be free."""
    asked = {"subnet_": subnet_id, "first_": first, "last_": last}
    return (await ctx.execute(LAST_TAKEN, asked)).scalar()


async def count_taken(ctx: Ctx, subnet_id: UUID, first: str, last: str) -> int:
    query = sa.select(sa.func.count(sa.distinct(allocations.c.place))).where(
        allocations.c.subnet_id == subnet_id, allocations.c.place >= first, allocations.c.place <= last
    )
    return int((await ctx.execute(query)).scalar_one())


async def count_by_subnet(ctx: Ctx, subnet_ids: Collection[UUID]) -> dict[UUID, int]:
    """How many addresses of each are in use; no entry for one of which none is."""
    if not subnet_ids:
        return {}
    query = sa.select(allocations.c.subnet_id, sa.func.count()).where(
        HELD, allocations.c.subnet_id.in_(list(subnet_ids))
    )
    return {row[0]: row[1] for row in await ctx.execute(query.group_by(allocations.c.subnet_id))}


async def holders(ctx: Ctx, fixed: Collection[Fixed]) -> dict[Fixed, UUID]:
    """Whose each of these addresses is; no entry for one that is free, or about to be."""
    if not fixed:
        return {}
    columns = (allocations.c.subnet_id, allocations.c.address, allocations.c.port_id)
    query = sa.select(*columns).where(
        HELD,
        allocations.c.subnet_id.in_({each.subnet_id for each in fixed}),
        allocations.c.place.in_({place_of(each.address) for each in fixed}),
    )
    return {Fixed(row.subnet_id, row.address): row.port_id for row in await ctx.execute(query)}


def place_of(address: str) -> str:
    return place(read_address(address, "ip_address"))
