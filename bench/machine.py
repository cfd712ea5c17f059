"""What this machine does meanwhile: CPU of one process tree, of others, and memory."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load.processes import proc_table, smaps, tree

KERNEL = 2  # the parent of the kernel's own threads
MOST_OTHERS = 0.4  # cores; above it a run is void


@dataclass
class Use:
    """What was used between the beginning and the end of a `watched` block."""

    seconds: float = 0.0
    cpu_s: float = 0.0  # of the target
    others_cores: float = 0.0  # neither the bench with all it started, nor the kernel

    @property
    def void(self) -> bool:
        return self.others_cores > MOST_OTHERS


def cpu_s(*roots: int) -> float:
    """CPU seconds used so far by processes and those below them, with all their threads, to the nanosecond."""
    table = proc_table()
    return sum(map(own_cpu_ns, {pid for root in roots for pid in tree(table, root)})) / 1e9


def own_cpu_ns(pid: int) -> int:
    """Of one process; nothing when it has ended."""
    total = 0
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            total += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
    return total


def others_cpu_s() -> float:
    """CPU seconds of every process that is neither ours nor the kernel's.

    A process counts with the children that it has reaped: of one that ends meanwhile its parent tells.
    """
    tick, used, parents = os.sysconf("SC_CLK_TCK"), {}, {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
            words = f.read().rpartition(")")[2].split()
            parents[pid], used[pid] = int(words[1]), sum(map(int, words[11:15])) / tick
    return sum(seconds for pid, seconds in used.items() if not {os.getpid(), KERNEL} & set(line(pid, parents)))


def line(pid: int, parents: dict[int, int]) -> Iterator[int]:
    """A process and those that it comes from."""
    while pid:
        yield pid
        pid = parents.get(pid, 0)


@contextmanager
def watched(*roots: int) -> Iterator[Use]:
    """Measure processes with those below them, and what else the machine does, during the block."""
    use = Use()
    before = time.perf_counter(), cpu_s(*roots), others_cpu_s()
    yield use
    after = time.perf_counter(), cpu_s(*roots), others_cpu_s()
    use.seconds, use.cpu_s, others = (b - a for a, b in zip(before, after, strict=True))
    use.others_cores = max(0.0, others) / max(use.seconds, 1e-9)


def pss_mb(pid: int) -> float:
    """Proportional set size of a process tree, MB (10^6 bytes)."""
    return sum(smaps(p)["Pss"] for p in tree(proc_table(), pid)) * 1024 / 1e6
