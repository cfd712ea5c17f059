"""What this machine does meanwhile: CPU of one process tree, of others, and memory."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.load.processes import machine_busy, proc_table, smaps, tree

KERNEL = 2  # the parent of the kernel's own threads
MOST_OTHERS = 0.4  # cores; above it a run is void


@dataclass
class Use:
    """What was used between the beginning and the end of a `watched` block."""

    seconds: float = 0.0
    cpu_s: float = 0.0  # of the target's process tree
    others_cores: float = 0.0  # neither the target, nor the bench and its children, nor the kernel's threads

    @property
    def void(self) -> bool:
        return self.others_cores > MOST_OTHERS


def cpu_s(pid: int) -> float:
    """CPU seconds used so far by a process with all its threads, to the nanosecond."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def own_cpu_s() -> float:
    """CPU seconds used so far by this process and its ended children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def kernel_cpu_s() -> float:
    return sum(seconds for ppid, seconds, _ in proc_table().values() if ppid == KERNEL)


@contextmanager
def watched(pid: int) -> Iterator[Use]:
    """Measure a process, and what else the machine does, during the block."""
    use = Use()
    before = time.perf_counter(), cpu_s(pid), machine_busy(), own_cpu_s() + kernel_cpu_s()
    yield use
    after = time.perf_counter(), cpu_s(pid), machine_busy(), own_cpu_s() + kernel_cpu_s()
    use.seconds, use.cpu_s, busy, ours = (b - a for a, b in zip(before, after, strict=True))
    use.others_cores = max(0.0, busy - use.cpu_s - ours) / max(use.seconds, 1e-9)


def pss_mb(pid: int) -> float:
    """Proportional set size of a process tree, MB (10^6 bytes)."""
    return sum(smaps(p)["Pss"] for p in tree(proc_table(), pid)) * 1024 / 1e6
