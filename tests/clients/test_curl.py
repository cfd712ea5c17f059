"""curl on what the user guide says, word by word."""

from __future__ import annotations

import re
import subprocess

from cli.conftest import Process, environment
from support.source import ROOT

GUIDE = ROOT / "docs/user-guide.md"
HEADING = "### Without a client"


def documented() -> str:
    """The shell commands of the guide that ask by curl."""
    section = GUIDE.read_text().partition(HEADING)[2].partition("\n#")[0]
    return "".join(line[4:] + "\n" for line in section.splitlines() if line.startswith("    "))


def test_the_calls_of_the_guide_work_as_they_are_written(cloud: Process) -> None:
    script = f"set -eu\n. {cloud.state}/openrc\n{documented()}"
    assert script.count("curl ") >= 4
    done = subprocess.run(["sh"], input=script, env=environment(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), script
    statuses = re.findall(r"HTTP/1\.1 (\d+)", done.stdout)
    assert statuses
    assert all(status.startswith("2") for status in statuses), done.stdout
    assert len(re.findall(r"^x-openstack-request-id: req-", done.stdout, re.MULTILINE | re.IGNORECASE)) == len(statuses)
    assert '"projects"' in done.stdout
