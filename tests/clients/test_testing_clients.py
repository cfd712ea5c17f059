"""docs/testing-clients.md: its job, its test and its commands, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from support.source import ROOT

PAGE = (ROOT / "docs/testing-clients.md").read_text()
INSTALLED = "pip install pileus openstacksdk pytest"


def block(language: str) -> str:
    """The one block of the page in that language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.mark.timeout(120)
def test_the_job_its_test_and_the_commands_of_the_page(tmp_path: Path) -> None:
    job = yaml.safe_load(block("yaml"))["jobs"]["faults"]
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert steps[0] == INSTALLED
    (tmp_path / "test_my_client.py").write_text(block("python"))
    script = "\n".join(["set -e", "trap 'kill %1; wait' EXIT", steps[1], block("sh"), *steps[2:]])
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("OS_", "PYTEST"))}
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=outside | job["env"] | {"PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert "operation=create_server" in done.stdout
    assert not (tmp_path / "cloud").exists()
