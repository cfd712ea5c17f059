"""What a host's resource provider has: decided by what the host is made of and by the configuration alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pileus.engines.hypervisor import HostFacts
from pileus.kernel.config import Compute
from pileus.services.placement.inventories.service import Inventory

NODE = "COMPUTE_NODE"
DISABLED = "COMPUTE_STATUS_DISABLED"
TRAIT = re.compile(r"[A-Z0-9_]{1,255}")


def inventories(facts: HostFacts, options: Compute) -> dict[str, Inventory]:
    """What of the host can be promised. Classes of which there is nothing are left out.

    A guest gets at most what is there, whatever the ratio.
    """
    totals = {
        "VCPU": (facts.vcpus, options.reserved_host_cpus, options.cpu_allocation_ratio),
        "MEMORY_MB": (facts.memory_mib, options.reserved_host_memory_mib, options.ram_allocation_ratio),
        "DISK_GB": (facts.disk_gib, options.reserved_host_disk_gib, options.disk_allocation_ratio),
    }
    return {
        name: Inventory(total=total, reserved=min(reserved, total), max_unit=total, allocation_ratio=ratio)
        for name, (total, reserved, ratio) in totals.items()
        if total > 0
    }


def traits(facts: HostFacts, *, enabled: bool) -> set[str]:
    """What is said of the host, by itself and by its service's state."""
    own = {trait for trait in facts.traits if TRAIT.fullmatch(trait)}
    return own | {NODE} | (set() if enabled else {DISABLED})


def joined(names: Iterable[str]) -> str:
    return " ".join(sorted(names))
