"""Units of systemd, read: where there is no systemd, a process is given the rights that a unit would give it."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from pileus.cli.units import units

PROGRAM = Path("/opt/pileus/bin/pileus")
CONFINED = Path(__file__).with_name("confined.py")
API, WORKER, AGENT = "pileus-api.service", "pileus-worker@.service", "pileus-agent.service"


def read(name: str, program: Path = PROGRAM) -> dict[str, list[str]]:
    """What the unit says of each word, in its order; the words of several sections do not meet."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in units(program)[name].splitlines():
        if "=" in line and not line.startswith("#"):
            word, _, value = line.partition("=")
            found[word].append(value)
    return dict(found)


def capabilities(name: str) -> list[str]:
    """CAP_... that a process of the unit may have."""
    return [each for value in read(name)["CapabilityBoundingSet"] for each in value.split()]


def calls(group: str) -> set[str]:
    """The system calls that systemd means by it."""
    words = ("systemd-analyze", "syscall-filter", group)
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    names = [line.strip() for line in told.splitlines()[2:]]
    return {call for name in names for call in (calls(name) if name.startswith("@") else {name})}


def with_rights_of(name: str) -> tuple[str, ...]:
    """Before a command of root's: no more than the unit allows, which forbids some system calls."""
    unit = read(name)
    bound = ",".join(f"+{each.removeprefix('CAP_').lower()}" for each in capabilities(name))
    assert unit["NoNewPrivileges"] == unit["RestrictSUIDSGID"] == ["yes"]
    [forbidden], [families] = unit["SystemCallFilter"], unit["RestrictAddressFamilies"]
    assert forbidden.startswith("~")
    refused = {call for group in forbidden.removeprefix("~").split() for call in calls(group)}
    filters = (sys.executable, str(CONFINED), ",".join(sorted(refused)), ",".join(families.split()))
    return ("setpriv", f"--bounding-set=-all,{bound}", "--no-new-privs", *filters)
