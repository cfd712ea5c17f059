"""CPU time and memory of local processes."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import sys
import time


def machine_busy():
    """CPU seconds the whole machine has been busy (not idle, not waiting for a disk)."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return (sum(v) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK")


def proc_table():
    """pid -> (ppid, cpu seconds, command)."""
    tick, out = os.sysconf("SC_CLK_TCK"), {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
            left, right = f.read().rsplit(")", 1)
            words = right.split()
            out[int(pid)] = (int(words[1]), (int(words[11]) + int(words[12])) / tick, left.split("(", 1)[1])
    return out


def tree(table, root):
    children = collections.defaultdict(list)
    for pid, (ppid, _, _) in table.items():
        children[ppid].append(pid)
    seen, todo = [], [root]
    while todo:
        p = todo.pop()
        if p in table:
            seen.append(p)
            todo += children[p]
    return seen


def smaps(pid):
    """Rss, Pss and Private of one process, KiB; zeros when it is gone."""
    got = {"Rss": 0, "Pss": 0, "Private": 0}
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            k, _, v = line.partition(":")
            if k in ("Rss", "Pss"):
                got[k] = int(v.split()[0])
            elif k in ("Private_Clean", "Private_Dirty"):
                got["Private"] += int(v.split()[0])
    return got


def pid_groups(folder):
    """{service: [root pid]} from a folder of NAME.pid files."""
    groups = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".pid"):
            with open(os.path.join(folder, name)) as f:
                text = f.read().split()
            if text:
                groups[name[:-4]] = [int(text[0])]
    return groups


def memory(args):
    """Memory, process and thread count per service, and CPU used while idle for --idle-s seconds.

    Groups are the *.pid files of --pid-dir, or --group NAME=PID[,PID...]; each with its whole process tree.
    """
    groups = pid_groups(args.pid_dir) if args.pid_dir else {}
    for g in args.group or []:
        name, _, pids = g.partition("=")
        groups[name] = [int(p) for p in pids.split(",")]
    before, t0 = proc_table(), time.perf_counter()
    time.sleep(args.idle_s)
    after, took = proc_table(), time.perf_counter() - t0
    rows, seen = [], set()
    for name, roots in groups.items():
        pids = [p for r in roots for p in tree(after, r) if p not in seen]
        seen.update(pids)
        mem = [smaps(p) for p in pids]
        threads = 0
        for p in pids:
            with contextlib.suppress(OSError):
                threads += len(os.listdir(f"/proc/{p}/task"))
        cpu = sum(after[p][1] - before[p][1] for p in pids if p in before)
        rows.append(
            {
                "service": name,
                "processes": len(pids),
                "threads": threads,
                "rss_mib": round(sum(m["Rss"] for m in mem) / 1024, 1),
                "pss_mib": round(sum(m["Pss"] for m in mem) / 1024, 1),
                "uss_mib": round(sum(m["Private"] for m in mem) / 1024, 1),
                "cpu_percent": round(100 * cpu / took, 2),
            }
        )
    total = {"service": "TOTAL"}
    for k in ("processes", "threads", "rss_mib", "pss_mib", "uss_mib", "cpu_percent"):
        total[k] = round(sum(r[k] for r in rows), 2)
    rows.append(total)
    for r in rows:
        print(
            f"{r['service']:24} {r['processes']:4d} proc {r['threads']:5d} thr  RSS {r['rss_mib']:9.1f}  "
            f"PSS {r['pss_mib']:9.1f}  USS {r['uss_mib']:9.1f} MiB  idle CPU {r['cpu_percent']:6.2f} %",
            file=sys.stderr,
        )
    doc = {"label": args.label, "idle_s": round(took, 1), "load1": os.getloadavg()[0], "memory": rows}
    if args.out:
        with open(args.out, "w") as f:
            json.dump(doc, f, indent=1)
    else:
        print(json.dumps(doc, indent=1))
