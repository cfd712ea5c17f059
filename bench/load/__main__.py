"""`python -m bench.load`: see the package."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

from bench.load.cloud import Cloud
from bench.load.processes import memory
from bench.load.recorder import Recorder
from bench.load.report import compare, table
from bench.load.suite import WORKLOADS


def options():
    env = os.environ.get
    p = argparse.ArgumentParser(
        description="A closed-loop load generator for any OpenStack-API cloud.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    p.add_argument("--auth-url", default=env("OS_AUTH_URL", "http://127.0.0.1:5000/v3"))
    p.add_argument("--username", default=env("OS_USERNAME", "admin"))
    p.add_argument("--password", default=env("OS_PASSWORD", ""))
    p.add_argument("--project", default=env("OS_PROJECT_NAME", "admin"))
    p.add_argument("--user-domain", default=env("OS_USER_DOMAIN_NAME", "Default"))
    p.add_argument("--project-domain", default=env("OS_PROJECT_DOMAIN_NAME", "Default"))
    p.add_argument("--region", default=env("OS_REGION_NAME"))
    p.add_argument("--interface", default=env("OS_INTERFACE", "public"))
    p.add_argument("--compute-version", default="2.79", help="compute microversion to ask for")
    p.add_argument("--placement-version", default="1.29", help="placement microversion to ask for")
    p.add_argument("--concurrency", default="1,16", help="comma-separated; counted workloads use the last one")
    p.add_argument("--duration", type=float, default=10.0, help="seconds of each time-bounded run")
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--limit-s", type=float, default=300.0, help="most seconds of a counted run")
    p.add_argument("--timeout-s", type=float, default=300.0, help="most seconds of one request")
    p.add_argument("--poll-s", type=float, default=0.5, help="pause between polls for a state")
    p.add_argument("--label", default="cloud")
    p.add_argument("--pid-dir", help="folder of NAME.pid files of the target's local processes")
    p.add_argument("--out", help="write the results here as JSON (otherwise to stdout)")
    return p


SIZES = {  # how much of everything a workload makes
    "--images": {"type": int, "default": 1000},
    "--size": {"type": int, "default": 1000**3, "help": "bytes of the large image or object"},
    "--servers": {"type": int, "default": 200},
    "--singles": {"type": int, "default": 10},
    "--networks": {"default": "none", "help": "for servers: none, auto, make, or a network's id"},
    "--existing": {"help": "server-list: name prefix of servers that are there already"},
    "--keep": {"action": "store_true", "help": "server-list leaves its servers"},
    "--providers": {"type": int, "default": 1000},
    "--networks-n": {"type": int, "default": 100},
    "--ports": {"type": int, "default": 500, "help": "ports on the network when it is listed"},
    "--ports-single": {"type": int, "default": 100, "help": "ports created one by one in each round"},
    "--objects": {"type": int, "default": 10000},
    "--volumes": {"type": int, "default": 100},
    "--skip": {"help": "suite: comma-separated workloads or services to leave out"},
}


def parse(argv=None):
    p = options()
    sub = p.add_subparsers(dest="workload", required=True)
    shape = argparse.ArgumentDefaultsHelpFormatter
    for name, work in WORKLOADS.items():
        s = sub.add_parser(name, help=(work.__doc__ or "").split("\n")[0], formatter_class=shape)
        for option, facts in SIZES.items():
            s.add_argument(option, **facts)
    m = sub.add_parser("memory", help=memory.__doc__.split("\n")[0])
    m.add_argument("--group", action="append")
    m.add_argument("--idle-s", type=float, default=20.0)
    for name, text in (("compare", compare.__doc__), ("table", table.__doc__)):
        c = sub.add_parser(name, help=text)
        c.add_argument("files", nargs=2 if name == "compare" else "+")
    return p.parse_args(argv)


async def main(args):
    rec = Recorder(args)
    async with Cloud(args) as cloud:
        await WORKLOADS[args.workload](cloud, rec, args)
    if args.out:
        rec.save()
    else:
        json.dump(rec.document(), sys.stdout, indent=1)
    return 1 if any(r["errors"] for x in rec.results for r in x["runs"]) else 0


if __name__ == "__main__":
    chosen = parse()
    offline = {"memory": memory, "compare": compare, "table": table}.get(chosen.workload)
    if offline:
        offline(chosen)
    else:
        sys.exit(asyncio.run(main(chosen)))
