"""Real engines on this machine."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.source import ROOT


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    """A folder with a short path, for sockets; others may pass through."""
    with tempfile.TemporaryDirectory(prefix="pileus-real-") as path:
        os.chmod(path, 0o711)
        yield Path(path)


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The image of a small guest; built once."""
    given = os.environ.get("PILEUS_TINY_IMAGE")
    if given:
        return Path(given)
    folder = ROOT / "build" / "tiny"
    if not (folder / "guest.qcow2").exists():
        subprocess.run(["pileus", "image", "build-tiny", "--out", folder], check=True, timeout=300)
    return folder / "guest.qcow2"
