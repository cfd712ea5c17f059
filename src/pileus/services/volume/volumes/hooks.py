"""What the nouns above volumes have to say when volumes change: they register it at import, and it runs in the transaction of
the change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.operations import Op, Wait
from pileus.kernel.quota import Owners
from pileus.services.volume.volumes.store import Volume

__all__ = ["VOLUME", "Deletion", "Loose", "Origin", "Part", "extended", "origin", "part"]

VOLUME = sa.bindparam("volume_", type_=sa.Uuid())
"""The id of the volume that is asked about."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """How a volume shall go: alone, with what was made of it, whatever it is doing, or because its project goes."""

    volume: Volume
    cascade: bool = False
    force: bool = False
    with_project: bool = False


class Part(Protocol):
    """Things that belong to volumes. Those of which a volume has none are not asked about it, but for `subjects`."""

    those: sa.ColumnElement[bool]
    """Which rows are those of VOLUME."""

    async def subjects(self, ctx: Ctx, volume_id: UUID) -> list[UUID]:
        """Those that go along by operations of their own, when the volume goes with all that was made of it."""
        ...

    async def begin(self, ctx: Ctx, deletion: Deletion) -> bool:
        """A volume shall go: False when it may not because of these. What goes along is on its way from now on."""
        ...

    async def waits(self, ctx: Ctx, volume_id: UUID) -> bool:
        """Whether something that goes along is still there."""
        ...

    async def exports(self, ctx: Ctx, volume_id: UUID) -> list[UUID]:
        """The attachments by which its host may still give the volume away."""
        ...

    async def forget(self, ctx: Ctx, volume_id: UUID) -> None:
        """The volume is gone, and what went along with it."""
        ...

    def gigabytes(self, owners: Owners, type_id: UUID | None) -> sa.Select[Any] | None:
        """How many GiB of the quota these use, if any."""
        ...


class Loose:
    """Things that have little to say: a Part to be derived from."""

    async def subjects(self, ctx: Ctx, volume_id: UUID) -> list[UUID]:
        return []

    async def begin(self, ctx: Ctx, deletion: Deletion) -> bool:
        return True

    async def waits(self, ctx: Ctx, volume_id: UUID) -> bool:
        return False

    async def exports(self, ctx: Ctx, volume_id: UUID) -> list[UUID]:
        return []

    async def forget(self, ctx: Ctx, volume_id: UUID) -> None:
        return None

    def gigabytes(self, owners: Owners, type_id: UUID | None) -> sa.Select[Any] | None:
        return None


@dataclass(frozen=True, slots=True)
class Origin:
    """What a volume can be made of, beside another volume and an image."""

    id: UUID
    volume_id: UUID
    size_gib: int
    host: str
    status: str


Extended = Callable[[Op, UUID], Awaitable[Wait | None]]
Find = Callable[[Ctx, UUID], Awaitable[Origin]]

_parts: list[Part] = []
_extended: list[Extended] = []
_origins: list[Find] = []


def part(new: Part) -> Part:
    """Register things that belong to volumes; those registered later go first."""
    _parts.insert(0, new)
    return new


def extended(call: Extended) -> Extended:
    """Call this with the id of a volume that has grown, in a step of the operation that has made it so: whoever uses it sees
    that, or will not see it soon. Wait: to be called again."""
    _extended.append(call)
    return call


def origin(call: Find) -> Find:
    """Register what finds a snapshot that the caller may use. It raises NotFound."""
    _origins.append(call)
    return call


async def origin_of(ctx: Ctx, snapshot_id: UUID) -> Origin:
    """Raises NotFound."""
    for call in _origins:
        return await call(ctx, snapshot_id)
    raise NotFound(f"Snapshot {snapshot_id} could not be found.")


async def having(ctx: Ctx, volume_id: UUID) -> list[Part]:
    """The parts of which this volume has any, by one query."""
    parts = tuple(_parts)
    found = (await ctx.execute(_any_of(parts), {VOLUME.key: volume_id})).one()
    return [part for part, any_ in zip(parts, found, strict=True) if any_]


@cache
def _any_of(parts: tuple[Part, ...]) -> sa.Select[Any]:
    return sa.select(*(sa.exists().where(part.those).label(f"any_{n}") for n, part in enumerate(parts)))


async def begin_deletion(ctx: Ctx, deletion: Deletion) -> bool:
    """Whether all that belongs to the volume lets it go."""
    for each in await having(ctx, deletion.volume.id):
        if not await each.begin(ctx, deletion):
            return False
    return True


async def subjects_of(ctx: Ctx, volume_id: UUID) -> list[UUID]:
    return [id_ for each in _parts for id_ in await each.subjects(ctx, volume_id)]


async def waits_for(ctx: Ctx, volume_id: UUID, parts: Collection[Part]) -> bool:
    for each in parts:
        if await each.waits(ctx, volume_id):
            return True
    return False


async def exports_of(ctx: Ctx, volume_id: UUID, parts: Collection[Part]) -> list[UUID]:
    return [id_ for each in parts for id_ in await each.exports(ctx, volume_id)]


async def forget_with(ctx: Ctx, volume_id: UUID) -> None:
    """Its row is gone: nobody adds anything any more."""
    for each in await having(ctx, volume_id):
        await each.forget(ctx, volume_id)


async def tell_extended(op: Op, volume_id: UUID) -> Wait | None:
    for call in _extended:
        if wait := await call(op, volume_id):
            return wait
    return None


def gigabytes_beside(owners: Owners, type_id: UUID | None = None) -> Sequence[sa.Select[Any]]:
    found = [each.gigabytes(owners, type_id) for each in _parts]
    return [each for each in found if each is not None]
