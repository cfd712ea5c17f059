"""Runs a measurement several times and keeps the records."""

from __future__ import annotations

import collections
import json
import os
import platform
import sys
import time

from bench.load.loops import closed_loop
from bench.load.processes import machine_busy, pid_groups, proc_table, tree
from bench.load.samples import Sample, spread


class Recorder:
    """Runs a measurement --repeat times and keeps the records."""

    def __init__(self, args):
        self.args = args
        self.results = []

    def server_cpu(self):
        """CPU seconds used so far by each of the target's local services (empty without --pid-dir)."""
        if not self.args.pid_dir:
            return {}
        processes = proc_table()
        return {
            name: sum(processes[p][1] for r in roots for p in tree(processes, r))
            for name, roots in pid_groups(self.args.pid_dir).items()
        }

    async def measure(self, name, params, once, repeat=None):
        runs = []
        for _ in range(repeat or self.args.repeat):
            load, cpu, target = os.getloadavg()[0], time.process_time(), self.server_cpu()
            busy, clock = machine_busy(), time.perf_counter()
            try:
                sample = await once()
            except Exception as e:
                sample = Sample()
                sample.fail(f"aborted: {type(e).__name__}: {e}")
            s = sample.summary()
            s.update(
                client_cpu_s=round(time.process_time() - cpu, 3),
                load1_before=round(load, 2),
                load1_after=round(os.getloadavg()[0], 2),
                at=round(time.time(), 1),
            )
            busy, clock = machine_busy() - busy, time.perf_counter() - clock
            if target:
                used = {k: round(v - target.get(k, 0), 2) for k, v in self.server_cpu().items()}
                total = sum(used.values())
                s["server_cpu_s"] = round(total, 2)
                s["server_cpu_ms_per_request"] = round(
                    1000 * total / max(s["requests"] + s["errors"] + sample.warmups, 1), 3
                )
                s["server_cpu_by_service_s"] = {k: v for k, v in sorted(used.items(), key=lambda x: -x[1]) if v >= 0.05}
                # cores kept busy by anything that is neither the target nor this program
                s["others_cores"] = round(max(0.0, busy - total - s["client_cpu_s"]) / max(clock, 1e-9), 2)
            runs.append(s)
        med, lo, hi = spread(runs)
        self.results.append({"workload": name, "params": params, "median": med, "min": lo, "max": hi, "runs": runs})
        self.show(name, params, med, lo, hi, runs)
        self.save()

    @staticmethod
    def show(name, params, med, lo, hi, runs):
        p = " ".join(f"{k}={v}" for k, v in params.items())
        line = f"{name:28} {p:28} {med.get('rps', 0):9.2f}/s [{lo.get('rps', 0):.2f}..{hi.get('rps', 0):.2f}]"
        if med.get("p50_ms") is not None:
            line += f"  p50 {med['p50_ms']:.1f} p95 {med['p95_ms']:.1f} p99 {med['p99_ms']:.1f} ms"
        if "mb_per_s" in med and med["mb_per_s"] >= 1:
            line += f"  {med['mb_per_s']:.0f} MB/s"
        if med.get("all_active_s") is not None:
            line += f"  all ACTIVE {med['all_active_s']:.1f} s"
        if med.get("all_gone_s") is not None:
            line += f"  all gone {med['all_gone_s']:.1f} s"
        if med.get("server_cpu_ms_per_request") is not None:
            line += f"  cpu {med['server_cpu_ms_per_request']:.1f} ms/req"
        errors = sum(r["errors"] for r in runs)
        if med.get("others_cores") is not None:
            line += f"  others {med['others_cores']:.1f} cores"
        line += f"  load {med['load1_before']:.1f}->{med['load1_after']:.1f}"
        if errors:
            kinds = collections.Counter()
            for r in runs:
                kinds.update(r["error_kinds"])
            line += f"  ERRORS {errors}: {kinds.most_common(1)}"
        print(line, file=sys.stderr, flush=True)

    def document(self):
        a = self.args
        return {
            "label": a.label,
            "auth_url": a.auth_url,
            "interface": a.interface,
            "written": time.time(),
            "host": {
                "node": platform.node(),
                "cpus": os.cpu_count(),
                "python": platform.python_version(),
                "kernel": platform.release(),
            },
            "settings": {"duration_s": a.duration, "repeat": a.repeat, "concurrency": a.concurrency},
            "results": self.results,
        }

    def save(self):
        if self.args.out:
            tmp = self.args.out + ".tmp"
            with open(tmp, "w") as f:
                json.dump(self.document(), f, indent=1)
            os.replace(tmp, self.args.out)

    def each_concurrency(self):
        return [int(c) for c in str(self.args.concurrency).split(",")]

    async def timed(self, name, op, params=None, warmup=1, concurrency=None):
        for c in concurrency or self.each_concurrency():
            await self.measure(
                name, {**(params or {}), "c": c}, lambda c=c: closed_loop(op, c, self.args.duration, warmup)
            )
