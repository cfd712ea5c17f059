"""What Compute limits, how it says that a limit is reached, and who counts what is in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pileus.kernel.errors import OverQuota
from pileus.kernel.quota import Excess, Owners, QuotaKind, Used, noted

Count = Callable[[Owners], Used]


class ComputeOverQuota(OverQuota):
    """403, as Nova says it."""

    code = "forbidden"


def fault(excesses: Sequence[Excess]) -> OverQuota:
    names = ", ".join(e.resource for e in excesses)
    wanted = ", ".join(str(e.wanted) for e in excesses)
    used = ", ".join(str(e.used) for e in excesses)
    limits = ", ".join(str(e.limit) for e in excesses)
    message = f"Quota exceeded for {names}: Requested {wanted}, but already used {used} of {limits} {names}"
    return ComputeOverQuota(message, **noted(excesses))


INSTANCES = QuotaKind("compute", "instances", fault)
CORES = QuotaKind("compute", "cores", fault)
RAM_MIB = QuotaKind("compute", "ram", fault)
KEY_PAIRS = QuotaKind("compute", "key_pairs", fault)  # of a user
SERVER_GROUPS = QuotaKind("compute", "server_groups", fault)
SERVER_GROUP_MEMBERS = QuotaKind("compute", "server_group_members", fault)  # of a group

counts: dict[str, Count] = {}
"""By resource: a SELECT of how much some projects use. What is limited for each user or group alone is not counted so."""


def counted(kind: QuotaKind, count: Count) -> None:
    """This counts what projects use of a resource. Said by the noun that has the rows, at import."""
    counts[kind.resource] = count
