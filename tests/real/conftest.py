"""Real engines on this machine."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from real.two_hosts import TwoHosts
from real.whole_cloud import WholeCloud, verified
from support.tiny import tiny_image


@pytest.fixture(scope="session", autouse=True)
def alone(run_directory: Path) -> Iterator[None]:
    """This machine's engines are one process's: tests of two at once would take each other's for their own."""
    with (run_directory / "real").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: the group "real" is not kept together
        yield


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    """A folder with a short path, for sockets; others may pass through."""
    with tempfile.TemporaryDirectory(prefix="pileus-real-") as path:
        os.chmod(path, 0o711)
        yield Path(path)


@pytest.fixture(autouse=True)
def verified_at_its_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test of a whole cloud that goes on after it."""
    yield
    for made in request.node.funcargs.values():
        if isinstance(made, WholeCloud | TwoHosts):
            verified(made.state)


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The image of a small guest."""
    return tiny_image()
