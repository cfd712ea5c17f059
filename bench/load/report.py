"""Result files as tables."""

from __future__ import annotations

import json
import os


def read_results(path):
    """The document in a result file, or all the documents of a folder as one."""
    if os.path.isfile(path):
        with open(path) as f:
            return json.load(f)
    parts = [read_results(os.path.join(path, n)) for n in sorted(os.listdir(path)) if n.endswith(".json")]
    parts = [d for d in parts if "results" in d]
    return {"label": parts[0]["label"], "results": [r for d in parts for r in d["results"]]}


def compare(args):
    """Two result files (or folders of them) side by side: rate, median latency, CPU per request."""
    a, b = (read_results(path) for path in args.files)

    def key(r):
        return r["workload"], json.dumps(r["params"], sort_keys=True)

    right = {key(r): r for r in b["results"]}
    print(
        f"| workload | {a['label']} /s | {b['label']} /s | ratio | {a['label']} p50 ms | {b['label']} p50 ms "
        f"| {a['label']} CPU ms/req | {b['label']} CPU ms/req |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for r in a["results"]:
        o = right.get(key(r))
        if not o:
            continue
        x, y = r["median"], o["median"]
        unit = "mb_per_s" if r["params"].get("bytes") else "rps"
        u, v = x.get(unit, 0) or 0, y.get(unit, 0) or 0
        name = r["workload"] + " " + " ".join(f"{k}={w}" for k, w in r["params"].items())
        print(
            f"| {name}{' (MB/s)' if unit != 'rps' else ''} | {u:.2f} | {v:.2f} | {v / u if u else float('nan'):.1f}x "
            f"| {x.get('p50_ms')} | {y.get('p50_ms')} "
            f"| {x.get('server_cpu_ms_per_request', '')} | {y.get('server_cpu_ms_per_request', '')} |"
        )


def fmt(value):
    return "" if value is None else f"{value:.2f}"


def table(args):
    """Result files (or folders of them) as one Markdown table."""
    print(
        "| workload | /s median | /s min..max | p50 ms | p95 ms | p99 ms | MB/s | target CPU ms/request | errors | load1 | cores used by others | client CPU share |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for path in args.files:
        for r in read_results(path)["results"]:
            m, lo, hi = r["median"], r["min"], r["max"]
            name = r["workload"] + " " + " ".join(f"{k}={w}" for k, w in r["params"].items())
            print(
                f"| {name} | {m.get('rps', 0):.2f} | {lo.get('rps', 0):.2f}..{hi.get('rps', 0):.2f} | {fmt(m.get('p50_ms'))} "
                f"| {fmt(m.get('p95_ms'))} | {fmt(m.get('p99_ms'))} | {fmt(m.get('mb_per_s'))} "
                f"| {fmt(m.get('server_cpu_ms_per_request'))} "
                f"| {sum(x['errors'] for x in r['runs'])} | {m['load1_after']:.1f} | {fmt(m.get('others_cores'))} "
                f"| {100 * m['client_cpu_s'] / max(m['seconds'], 1e-9):.0f} % |"
            )
