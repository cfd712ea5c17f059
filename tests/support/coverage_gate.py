"""Every file below a directory has each line and each branch tested, or this exits 1 and says what is not.

`python -m tests.support.coverage_gate COVERAGE.json DIRECTORY...`
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def gaps(report: dict[str, Any], directory: str) -> Iterator[str]:
    """One line for each file below `directory` that is not wholly covered. A file that was never imported counts."""
    files = report["files"]
    for path in sorted(str(p) for p in Path(directory).rglob("*.py")):
        measured = files.get(path)
        if measured is None:
            yield f"{path}: never imported"
        elif measured["missing_lines"] or measured["missing_branches"]:
            branches = [f"{a}->{b}" for a, b in measured["missing_branches"]]
            yield f"{path}: lines {measured['missing_lines']} branches {branches}"


def main(report: str, *directories: str) -> int:
    measured = json.loads(Path(report).read_text())
    found = [line for directory in directories for line in gaps(measured, directory)]
    for line in found:
        print(line)
    print(f"coverage: {len(found)} files below 100 %" if found else f"coverage: 100 % in {', '.join(directories)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
