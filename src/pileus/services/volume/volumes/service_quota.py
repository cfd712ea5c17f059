"""What volumes use of their project's quotas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.quota import UNLIMITED, Claim, Owners, QuotaKind, claim_all, limits
from pileus.services.volume.quotas import GIGABYTES, VOLUMES, VolumeOverQuota, fault
from pileus.services.volume.types.service import Type
from pileus.services.volume.volumes import hooks, store

LARGEST = "per_volume_gigabytes"


def gigabytes(type_: Type | None = None) -> Callable[[Owners], sa.Select[Any]]:
    """GiB of volumes and of what hangs on them, of one type or of all."""
    type_id = type_.id if type_ else None

    def used(owners: Owners) -> sa.Select[Any]:
        parts = [store.gigabytes(owners, type_id), *hooks.gigabytes_beside(owners, type_id)]
        total = sum((part.scalar_subquery() for part in parts), start=sa.literal(0))
        return sa.select(total)

    return used


def volumes(type_: Type | None = None) -> Callable[[Owners], sa.Select[Any]]:
    """How many volumes, of one type or of all."""
    return lambda owners: store.counted(owners, type_.id if type_ else None)


def of_type(kind: QuotaKind, type_: Type) -> QuotaKind:
    """The same, of one volume type alone."""
    return QuotaKind(kind.service, f"{kind.resource}_{type_.name}", fault)


def more_gigabytes(type_: Type, wanted: int) -> list[Claim]:
    return [
        Claim(GIGABYTES, wanted, gigabytes()),
        Claim(of_type(GIGABYTES, type_), wanted, gigabytes(type_)),
    ]


def a_volume(type_: Type, size_gib: int) -> list[Claim]:
    return [
        Claim(VOLUMES, 1, volumes()),
        Claim(of_type(VOLUMES, type_), 1, volumes(type_)),
        *more_gigabytes(type_, size_gib),
    ]


def of_another_type(type_: Type, size_gib: int) -> list[Claim]:
    """A volume that is there becomes one of this type."""
    return [
        Claim(of_type(VOLUMES, type_), 1, volumes(type_)),
        Claim(of_type(GIGABYTES, type_), size_gib, gigabytes(type_)),
    ]


async def claim(ctx: Ctx, project_id: str, claims: list[Claim], *, size_gib: int) -> None:
    """In the transaction that writes the rows, before they are locked. Raises VolumeOverQuota."""
    await claim_all(ctx, project_id, claims)
    most = (await limits(ctx, "volume", [LARGEST], project_id))[LARGEST]
    if most != UNLIMITED and size_gib > most:
        raise VolumeOverQuota(
            f"Requested volume size {size_gib}G is larger than maximum allowed limit {most}G.",
            headers={"Retry-After": "0"},
        )
