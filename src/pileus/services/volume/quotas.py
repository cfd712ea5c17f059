"""What Block Storage limits, and how it says that a limit is reached."""

from __future__ import annotations

from collections.abc import Sequence

from pileus.kernel.errors import OverQuota
from pileus.kernel.quota import Excess, QuotaKind, noted


class VolumeOverQuota(OverQuota):
    """413, as Cinder says it."""

    status, code, title = 413, "overLimit", "Request Entity Too Large"


def fault(excesses: Sequence[Excess]) -> OverQuota:
    return VolumeOverQuota(" ".join(map(said, excesses)), headers={"Retry-After": "0"}, **noted(excesses))


def said(excess: Excess) -> str:
    if excess.resource == LARGEST.resource:
        return f"Requested volume size {excess.wanted}G is larger than maximum allowed limit {excess.limit}G."
    if "gigabytes" in excess.resource:
        things = "backup" if excess.resource.startswith("backup") else "volume or snapshot"
        return (
            f"Requested {things} exceeds allowed {excess.resource} quota. Requested {excess.wanted}G, "
            f"quota is {excess.limit}G and {excess.used}G has been consumed."
        )
    return (
        f"Maximum number of {excess.resource} allowed ({excess.limit}) exceeded for quota '{excess.resource}': "
        f"{excess.used} in use, {excess.wanted} requested."
    )


VOLUMES = QuotaKind("volume", "volumes", fault)
GIGABYTES = QuotaKind("volume", "gigabytes", fault)  # GiB
LARGEST = QuotaKind("volume", "per_volume_gigabytes", fault)  # GiB, of one alone
SNAPSHOTS = QuotaKind("volume", "snapshots", fault)
BACKUPS = QuotaKind("volume", "backups", fault)
BACKUP_GIGABYTES = QuotaKind("volume", "backup_gigabytes", fault)  # GiB
GROUPS = QuotaKind("volume", "groups", fault)
