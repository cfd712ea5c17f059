"""What one measured run saw, and the middle of several."""

from __future__ import annotations

import collections
import math
import statistics

MIB = 1024 * 1024


def percentile(ordered, q):
    """Nearest-rank percentile of an already sorted list."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(q / 100 * len(ordered)) - 1)]


def ms(seconds):
    return None if seconds is None else round(seconds * 1000, 2)


class Sample:
    """What one measured run saw."""

    def __init__(self):
        self.latencies = []
        self.errors = collections.Counter()
        self.bytes = 0
        self.start = self.end = 0.0
        self.warmups = 0  # requests made before the clock was started
        self.extra = {}

    def ok(self, seconds, nbytes=0):
        self.latencies.append(seconds)
        self.bytes += nbytes

    def fail(self, kind):
        self.errors[str(kind)[:160]] += 1

    def summary(self):
        lat = sorted(self.latencies)
        wall = max(self.end - self.start, 1e-9)
        out = {
            "requests": len(lat),
            "errors": sum(self.errors.values()),
            "error_kinds": dict(self.errors.most_common(5)),
            "seconds": round(wall, 3),
            "rps": round(len(lat) / wall, 3),
            "p50_ms": ms(percentile(lat, 50)),
            "p95_ms": ms(percentile(lat, 95)),
            "p99_ms": ms(percentile(lat, 99)),
            "max_ms": ms(lat[-1] if lat else None),
            "mean_ms": ms(statistics.fmean(lat) if lat else None),
        }
        if self.bytes:
            out["mb_per_s"] = round(self.bytes / 1e6 / wall, 2)
        out.update(self.extra)
        return out


def spread(runs):
    """Median of each numeric field over the runs, with its lowest and highest value."""
    med, lo, hi = {}, {}, {}
    for key in runs[0]:
        values = [r.get(key) for r in runs]
        values = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
        if values:
            med[key] = round(statistics.median(values), 3)
            lo[key], hi[key] = min(values), max(values)
    return med, lo, hi
