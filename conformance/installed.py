"""Python packages of somebody else, pinned by a lock file, in a virtual environment of their own in the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pileus"


class Failure(Exception):
    """What is needed cannot be had or does not start; the message says why, or where to look."""


def foreign() -> dict[str, str]:
    """Our environment without what would lead other programs to our packages, or to another cloud."""
    ours = ("OS_", "PYTHON", "TEMPEST_", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def installed(name: str, lock: Path, cache: Path = CACHE) -> Path:
    """The environment of this lock and this Python, built when it is not there yet. Raises Failure."""
    name = f"{name}-{hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]}"
    folder, done = cache / name, cache / name / "complete"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not done.exists():
            print(f"Installing {folder}, once.", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            if subprocess.run([*pip, "--require-hashes", "-r", lock], env=foreign()).returncode:
                raise Failure(f"pip could not install {lock}; see above")
            done.touch()
    return folder
