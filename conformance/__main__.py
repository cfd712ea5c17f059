"""Try a cloud of our own with Tempest, OpenStack's reference tests.

    script/conformance --set identity --set identity-rbac
    script/conformance --set identity --only 'test_trusts|test_groups'
    script/conformance --set identity --failed           those that did not pass the last time

Tempest is installed once, into the user's cache. Each run makes a cloud on a free port, and ends it. Exit status 0: every
test passed but for those in docs/exceptions/, and none of those did. Results: build/conformance/.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from conformance.cloud import started
from conformance.disk import disk_on_the_web
from conformance.ground import laid
from conformance.installed import CACHE, Failure, installed
from conformance.sets import Mistake, all_sets, permitted
from conformance.tempest import LOCK, Tempest, fresh
from conformance.verdict import Verdict, judged, table

BUILD = Path(__file__).parents[1] / "build/conformance"
MOST_SHOWN = 100


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    shape = argparse.RawDescriptionHelpFormatter
    p = argparse.ArgumentParser(prog="script/conformance", description=__doc__, formatter_class=shape)
    p.add_argument("--set", action="append", required=True, choices=list(all_sets()), dest="sets")
    p.add_argument("--only", default="", metavar="REGEX", help="tests whose name has this in it")
    p.add_argument("--failed", action="store_true", help="tests that did not pass the last time")
    p.add_argument("--list", action="store_true", help="print the tests and run none")
    p.add_argument("--concurrency", type=int, default=2, metavar="N", help="so many at once (2)")
    p.add_argument("--limit", type=float, default=1800, metavar="S", help="seconds, after which the rest is left out")
    p.add_argument("--cache", type=Path, default=CACHE, help=f"where Tempest is installed ({CACHE})")
    p.add_argument("--out", type=Path, default=BUILD, help="results, logs and workspace of the run (build/conformance)")
    return p.parse_args(words)


def chosen(known: list[str], asked: argparse.Namespace, before: list[str]) -> dict[str, list[str]]:
    """The tests of each set that was asked for, as far as they were. Raises Mistake."""
    sets = all_sets()
    found = {}
    for name in dict.fromkeys(asked.sets):
        tests = sets[name].of(known)
        tests = [test for test in tests if re.search(asked.only, test)]
        found[name] = [test for test in tests if not asked.failed or test in before]
    return found


def failed_before(out: Path) -> list[str]:
    """The tests that did not pass in the run whose results are there."""
    file = out / "results.json"
    return (
        [each["test"] for each in json.loads(file.read_text()) if each["outcome"] != "passed"] if file.exists() else []
    )


def tried(asked: argparse.Namespace) -> Verdict | None:
    """Run what was asked for; None when it was only to be listed. Raises Failure, Mistake."""
    exempt = permitted(asked.sets)
    before = failed_before(asked.out)
    venv, out = installed("tempest", LOCK, asked.cache), fresh(asked.out)
    with disk_on_the_web(out / "disk") as disk, started(out, disk.port) as cloud:
        tempest = Tempest.told(venv, out, cloud, laid(cloud, disk))
        known = tempest.tests()
        sets = chosen(list(known), asked, before)
        wanted = list(dict.fromkeys(test for tests in sets.values() for test in tests))
        if asked.list:
            print("\n".join(wanted))
            return None
        said = tempest.run([known[test] for test in wanted], concurrency=asked.concurrency, limit_s=asked.limit)
    verdict = judged(wanted, said, exempt)
    (out / "results.json").write_text(json.dumps([asdict(each) for each in verdict.results], indent=1))
    print(table(sets, verdict.results))
    return verdict


def main() -> int:
    began = time.monotonic()
    try:
        verdict = tried(parsed())
    except (Failure, Mistake) as e:
        print(f"script/conformance: {e}", file=sys.stderr)
        return 1
    if verdict is None:
        return 0
    print(f"\n{time.monotonic() - began:.0f} s, {len(verdict.problems)} problems\n")
    print("\n".join(verdict.problems[:MOST_SHOWN]))
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
