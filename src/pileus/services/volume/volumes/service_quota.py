"""What volumes use of their project's quotas."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.quota import Claim, Owners, QuotaKind, claim_all
from pileus.services.volume.quotas import GIGABYTES, LARGEST, VOLUMES, fault
from pileus.services.volume.types.service import Type
from pileus.services.volume.volumes import hooks, store

COUNTS = 64


@lru_cache(COUNTS)  # a count that is the same is built once
def gigabytes(type_id: UUID | None = None) -> Callable[[Owners], sa.Select[Any]]:
    """GiB of volumes and of what hangs on them, of one type or of all."""

    def used(owners: Owners) -> sa.Select[Any]:
        parts = [store.gigabytes(owners, type_id), *hooks.gigabytes_beside(owners, type_id)]
        total = sum((part.scalar_subquery() for part in parts), start=sa.literal(0))
        return sa.select(total)

    return used


@lru_cache(COUNTS)
def volumes(type_id: UUID | None = None) -> Callable[[Owners], sa.Select[Any]]:
    """How many volumes, of one type or of all."""
    return lambda owners: store.counted(owners, type_id)


def nothing(owners: Owners) -> sa.Select[Any]:
    """What a limit that is on one thing alone counts beside that."""
    return sa.select(sa.literal(0))


def of_type(kind: QuotaKind, type_: Type) -> QuotaKind:
    """The same, of one volume type alone."""
    return QuotaKind(kind.service, f"{kind.resource}_{type_.name}", fault)


def more_gigabytes(type_: Type, wanted: int) -> list[Claim]:
    return [
        Claim(GIGABYTES, wanted, gigabytes()),
        Claim(of_type(GIGABYTES, type_), wanted, gigabytes(type_.id)),
    ]


def a_volume(type_: Type, size_gib: int) -> list[Claim]:
    return [
        Claim(VOLUMES, 1, volumes()),
        Claim(of_type(VOLUMES, type_), 1, volumes(type_.id)),
        *more_gigabytes(type_, size_gib),
    ]


def of_another_type(type_: Type, size_gib: int) -> list[Claim]:
    """A volume that is there becomes one of this type."""
    return [
        Claim(of_type(VOLUMES, type_), 1, volumes(type_.id)),
        Claim(of_type(GIGABYTES, type_), size_gib, gigabytes(type_.id)),
    ]


async def claim(ctx: Ctx, project_id: str, claims: list[Claim], *, size_gib: int) -> None:
    """In the transaction that writes the rows, before they are locked. Raises VolumeOverQuota."""
    await claim_all(ctx, project_id, [*claims, Claim(LARGEST, size_gib, nothing)])
