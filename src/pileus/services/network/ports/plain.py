"""What is told of ports where their devices are shown: little, of many at once."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import among
from pileus.kernel.db.given import apart, given, given_uuid
from pileus.services.network.ports.store import LIVE, PARTS, held_of, ports

PLAIN = sa.select(ports.c.id, ports.c.network_id, ports.c.mac_address, *PARTS).where(LIVE, among(ports.c.id, "ids_"))


class Plain(NamedTuple):
    """A port."""

    id: UUID
    network_id: UUID
    mac: str
    addresses: tuple[str, ...]
    groups: tuple[UUID, ...]


async def plain(ctx: Ctx, port_ids: Collection[UUID]) -> list[Plain]:
    """Those of these that are not deleted."""
    return [*map(_read, given(await ctx.execute(PLAIN, {"ids_": port_ids})))] if port_ids else []


@lru_cache(2_000)
def _read(row: tuple[Any, ...]) -> Plain:
    id_, network_id, mac, addresses, groups = row
    there = tuple(address for *_, address in held_of(addresses))
    return Plain(given_uuid(id_), given_uuid(network_id), mac, there, tuple(map(UUID, apart(groups))))
