"""docs/testing-clients.md: its job and its test, run as they stand there. Its commands: test_docs.py."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from support.pages import blocks

PAGE = "docs/testing-clients.md"
INSTALLED = "pip install pileus openstacksdk pytest"


def block(language: str) -> str:
    """The one block of the page in that language."""
    [found] = [block for block in blocks(PAGE) if block.language == language]
    return found.text


@pytest.mark.timeout(120)
def test_the_job_of_the_page_and_its_test(tmp_path: Path) -> None:
    job = yaml.safe_load(block("yaml"))["jobs"]["faults"]
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert steps[0] == INSTALLED
    (tmp_path / "test_my_client.py").write_text(block("python"))
    script = "\n".join(["set -e", "trap 'kill %1; wait' EXIT", *steps[1:]])
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
    assert "4 passed" in done.stdout
    assert not (tmp_path / "cloud").exists()
