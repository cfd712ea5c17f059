"""What is shown of servers, as rows of one SELECT: see `kernel.db.given`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import among
from pileus.kernel.db.given import Given, apart, gathered, given
from pileus.services.compute.servers.store import Server, devices, nics, not_deleted, servers, tags

Row = tuple[Any, ...]

UNSEEN = {"old_flavor", "key", "old_host", "user_data", "sealed", "edition", "rescue", "shaper"}
COLUMNS = tuple(name for name in Server.__struct_fields__ if name not in UNSEEN)
_GIVEN = Given(*(servers.c[name] for name in COLUMNS))
_NIC = sa.cast(nics.c.position, sa.Text) + " " + sa.cast(nics.c.port_id, sa.Text)
_LAST = sa.cast(sa.case((devices.c.delete_with_server, 1), else_=0), sa.Text)
_VOLUME = sa.cast(devices.c.position, sa.Text) + " " + sa.cast(devices.c.id, sa.Text) + " "
_VOLUME += sa.cast(devices.c.volume_id, sa.Text) + " " + _LAST
WHOLE = sa.select(
    *_GIVEN.columns,
    servers.c.user_data.is_not(None),
    gathered(_NIC, nics.c.server_id == servers.c.id),
    gathered(_VOLUME, devices.c.server_id == servers.c.id, devices.c.volume_id.is_not(None)),
    gathered(tags.c.tag, tags.c.server_id == servers.c.id),
)
BRIEF = sa.select(servers.c.id, servers.c.name)
ONE = WHOLE.where(servers.c.id == sa.bindparam("id_"), not_deleted)
USER_DATA = sa.select(servers.c.id, servers.c.user_data).where(among(servers.c.id, "ids_"))

owner_of: Callable[[Row], tuple[str, str]] = itemgetter(*map(COLUMNS.index, ("project_id", "user_id")))
"""Of a row of `WHOLE`: its project and its user."""
host_of: Callable[[Row], str | None] = itemgetter(COLUMNS.index("host"))


async def find(ctx: Ctx, server_id: UUID) -> Row | None:
    """The row of `WHOLE` of a server that is not deleted."""
    rows = given(await ctx.execute(ONE, {"id_": server_id}))
    return rows[0] if rows else None


def ports_of(row: Row) -> tuple[UUID, ...]:
    """Of its NICs, in their order."""
    return _ports(row[-3])


@lru_cache(4_000)
def _ports(words: str | None) -> tuple[UUID, ...]:
    found = sorted((word.split(" ") for word in apart(words)), key=_place)
    return tuple(UUID(port_id) for _, port_id in found)


def has_user_data(row: Row) -> bool:
    return bool(row[-4])


def read(row: Row) -> tuple[Server, list[tuple[UUID, bool]], list[str]]:
    """The server that a row of `WHOLE` is, but for what nobody sees; its volumes, and whether they go with it; its tags."""
    *_, volumes, words = row
    found = sorted((word.split(" ") for word in apart(volumes)), key=_place)
    return Server(**_GIVEN.read(row)), [(UUID(id_), last == "1") for *_, id_, last in found], apart(words)


def _place(word: Sequence[str]) -> tuple[int, str]:
    """Where what begins with a position and an id stands."""
    return int(word[0]), word[1]


async def user_data_of(ctx: Ctx, ids: Collection[UUID]) -> dict[UUID, bytes]:
    """As it is kept: sealed."""
    return dict(map(tuple, await ctx.execute(USER_DATA, {"ids_": ids}))) if ids else {}
