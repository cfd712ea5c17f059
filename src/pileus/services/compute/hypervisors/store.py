"""The table behind hypervisors. Only this noun imports this module.

What a host says of itself, and whether it lives, is in the kernel's row of the same name: read with it, kept there only.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
import sqlalchemy as sa

from pileus.engines.hypervisor import HostFacts
from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, among, metadata
from pileus.kernel.filters import Condition, contains
from pileus.kernel.hosts import hosts
from pileus.kernel.paging import Listing, Page, Sort

hypervisors = sa.Table(
    "compute_host",
    metadata,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),  # its id before 2.53
    sa.Column("id", Text, nullable=False, unique=True),  # its resource provider's, too
    sa.Column("service_id", Text, nullable=False, unique=True),
    sa.Column("name", Text, nullable=False, unique=True),
    sa.Column("enabled", sa.Boolean, nullable=False),  # may get new guests
    sa.Column("disabled_reason", Text),
    sa.Column("forced_down", sa.Boolean, nullable=False),  # stated dead by an administrator
    sa.Column("traits", Text, nullable=False),  # those that its provider has by us, with spaces between
    sa.Column("changed_at", sa.Float, nullable=False),
    sqlite_autoincrement=True,
)

UNKNOWN = HostFacts(type="", version=0, hostname="", vcpus=0, memory_mib=0, disk_gib=0, accelerator="")


class Hypervisor(msgspec.Struct, frozen=True, kw_only=True):
    """A host. `up`: it lives, as far as is known; `facts`: what it is made of."""

    number: int
    id: str
    service_id: str
    name: str
    enabled: bool
    disabled_reason: str | None
    forced_down: bool
    traits: str
    changed_at: float
    up: bool
    address: str
    seen_at: float | None
    facts: HostFacts


class State(msgspec.Struct, frozen=True):
    """What a host is in for, and no more: all of them are read for each server that is placed."""

    id: str
    name: str
    enabled: bool
    disabled_reason: str | None
    up: bool
    architecture: str


OWN = [each for each in Hypervisor.__struct_fields__ if each in hypervisors.c]
TOGETHER = hypervisors.outerjoin(hosts, hosts.c.name == hypervisors.c.name)
LIVES = sa.func.coalesce(hosts.c.usable & ~hosts.c.fenced & ~hypervisors.c.forced_down, sa.false()).label("up")
ARCHITECTURE = hosts.c.facts["described"]["hypervisor"]["architecture"].as_string()
ALL = sa.select(
    *(hypervisors.c[name] for name in OWN),
    LIVES,
    hosts.c.address,
    hosts.c.renewed_at,
    hosts.c.facts,
).select_from(TOGETHER)
STATES = sa.select(
    hypervisors.c.id,
    hypervisors.c.name,
    hypervisors.c.enabled,
    hypervisors.c.disabled_reason,
    LIVES,
    sa.func.coalesce(ARCHITECTURE, UNKNOWN.architecture),
).select_from(TOGETHER)
STATES_OF = STATES.where(among(hypervisors.c.name, "names_"))
BY_NUMBER = Listing(hypervisors.c.number, {}, default=())
BY_ID = Listing(hypervisors.c.id, {"number": hypervisors.c.number}, default=(Sort("number"),))


def read(row: sa.Row[Any]) -> Hypervisor:
    facts = facts_of(row.facts or {})
    own = {name: row._mapping[name] for name in OWN}
    return Hypervisor(**own, up=row.up, address=row.address or "", seen_at=row.renewed_at, facts=facts or UNKNOWN)


def facts_of(said: dict[str, Any]) -> HostFacts | None:
    """What a host's hypervisor is made of, out of what its agent says; None when it says nothing of use."""
    try:
        return msgspec.convert(said["described"]["hypervisor"], HostFacts)
    except (KeyError, TypeError, msgspec.ValidationError):
        return None


async def find(ctx: Ctx, *which: Condition) -> Hypervisor | None:
    row = (await ctx.execute(ALL.where(*which))).one_or_none()
    return None if row is None else read(row)


async def list_(ctx: Ctx, *which: Condition) -> list[Hypervisor]:
    """In the order in which they came."""
    return [read(row) for row in await ctx.execute(ALL.where(*which).order_by(hypervisors.c.number))]


async def states(ctx: Ctx) -> list[State]:
    """Of every host, in the order in which they came."""
    return [State(*row) for row in await ctx.execute(STATES.order_by(hypervisors.c.number))]


async def states_of(ctx: Ctx, names: Collection[str]) -> list[State]:
    return [State(*row) for row in await ctx.execute(STATES_OF, {"names_": names})]


async def page(ctx: Ctx, *, limit: int | None, marker: str | None, by_number: bool) -> tuple[list[Hypervisor], Page]:
    listing = BY_NUMBER if by_number else BY_ID
    ask, order = listing.ask(limit, marker), listing.order()
    found = await listing.page(ctx, ALL, visible=sa.true(), order=order, ask=ask)
    return [read(row) for row in found.rows], found


def named(names: Collection[str]) -> Condition:
    return hypervisors.c.name.in_(names)


def alike(pattern: str) -> Condition:
    return contains(hypervisors.c.name, pattern)


async def add(ctx: Ctx, **columns: Any) -> None:
    await ctx.execute(hypervisors.insert().values(**columns))


async def change(ctx: Ctx, name: str, **columns: Any) -> None:
    await ctx.execute(hypervisors.update().where(hypervisors.c.name == name).values(**columns))


async def remove(ctx: Ctx, name: str) -> None:
    await ctx.execute(hypervisors.delete().where(hypervisors.c.name == name))
