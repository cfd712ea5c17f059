"""`python collect.py STREAM`: a subunit stream as JSON on standard output. Runs in Tempest's virtual environment."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import subunit
from testtools import StreamToDict

OUTCOMES = {
    "success": "passed",
    "xfail": "passed",
    "fail": "failed",
    "uxsuccess": "failed",
    "skip": "skipped",
    "inprogress": "cut",
    "unknown": "cut",
}
CAUSE = re.compile(r"([a-z_]\w*\.)*[A-Z]\w+(:|$)")
MOST = 400


def cause(details: dict[str, Any]) -> str:
    """The line that says what went wrong: the reason of a skip, or the exception, not its stack."""
    texts = {name: content.as_text() for name, content in details.items() if content.content_type.type == "text"}
    if reason := texts.get("reason", "").strip():
        return reason.splitlines()[0][:MOST]
    stack = next((text for name, text in sorted(texts.items()) if name.startswith("traceback")), "")
    lines = [line for line in stack.splitlines() if line.strip()]
    found = [n for n, line in enumerate(lines) if CAUSE.match(line) and not line.startswith("Traceback")]
    if not found:
        return lines[-1][:MOST] if lines else ""
    said = lines[found[-1] : found[-1] + 2]  # Tempest's errors go on in the next line
    return " | ".join(line.strip() for line in said)[:MOST]


def collected(stream: Any) -> list[dict[str, Any]]:
    """What every test said, and every set-up or tear-down of a class, by the name `setUpClass (module.Class)`."""
    found: list[dict[str, Any]] = []

    def keep(test: dict[str, Any]) -> None:
        if test["status"] == "exists" or test["id"] == "stdout":
            return
        first, last = test["timestamps"]
        seconds = (last - first).total_seconds() if first and last else None
        outcome = OUTCOMES.get(test["status"], test["status"])
        why = "" if outcome == "passed" else cause(test["details"])
        found.append({"test": test["id"], "outcome": outcome, "why": why, "seconds": seconds})

    sink = StreamToDict(keep)
    sink.startTestRun()
    subunit.ByteStreamToStreamResult(stream, non_subunit_name="stdout").run(sink)
    sink.stopTestRun()
    return found


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as stream:
        json.dump(collected(stream), sys.stdout)
