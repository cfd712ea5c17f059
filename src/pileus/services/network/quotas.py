"""What Networking limits, and how it says that a limit is reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pileus.kernel.errors import OverQuota
from pileus.kernel.quota import Excess, Owners, QuotaKind, Used, noted


class NetworkOverQuota(OverQuota):
    """409, as Neutron says it."""

    status, code, title = 409, "OverQuota", "Conflict"


def fault(excesses: Sequence[Excess]) -> OverQuota:
    figures = ", ".join(f"{e.resource}: limit {e.limit}, in use {e.used}, requested {e.wanted}" for e in excesses)
    names = [e.resource for e in excesses]
    return NetworkOverQuota(f"Quota exceeded for resources: {names}. ({figures})", **noted(excesses))


NETWORKS = QuotaKind("network", "network", fault)
SUBNETS = QuotaKind("network", "subnet", fault)
PORTS = QuotaKind("network", "port", fault)
ROUTERS = QuotaKind("network", "router", fault)
FLOATING_IPS = QuotaKind("network", "floatingip", fault)
SECURITY_GROUPS = QuotaKind("network", "security_group", fault)
SECURITY_GROUP_RULES = QuotaKind("network", "security_group_rule", fault)
RBAC_POLICIES = QuotaKind("network", "rbac_policy", fault)
SUBNET_POOLS = QuotaKind("network", "subnetpool", fault)

counts: dict[str, Callable[[Owners], Used]] = {}
"""By resource: a SELECT of how much some projects use."""


def counted(kind: QuotaKind, count: Callable[[Owners], Used]) -> None:
    """This counts what projects use of a resource. Said by the noun that has the rows, at import."""
    counts[kind.resource] = count
