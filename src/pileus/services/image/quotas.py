"""What Image limits, and how it says that a limit is reached."""

from __future__ import annotations

from collections.abc import Sequence

from pileus.kernel.errors import OverQuota
from pileus.kernel.quota import Excess, QuotaKind, noted

MIB = 1 << 20


class ImageOverQuota(OverQuota):
    """413, as Glance says it."""

    status, code, title = 413, "overLimit", "Request Entity Too Large"


def fault(excesses: Sequence[Excess]) -> OverQuota:
    said = ", ".join(
        f"Resource {e.resource} is over limit of {e.limit} due to current usage {e.used} and delta {e.wanted}"
        for e in excesses
    )
    return ImageOverQuota(f"The project is over a limit for [{said}]", **noted(excesses))


SIZE_MIB = QuotaKind("image", "image_size_total", fault)
STAGED_MIB = QuotaKind("image", "image_stage_total", fault)
COUNT = QuotaKind("image", "image_count_total", fault)
UPLOADING = QuotaKind("image", "image_count_uploading", fault)
KINDS = (SIZE_MIB, STAGED_MIB, COUNT, UPLOADING)


def mib(size: int) -> int:
    """So many begun MiB."""
    return -(-size // MIB)
