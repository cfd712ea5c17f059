"""Tempest: installed once, told of a cloud, run."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.cloud import Cloud
from conformance.installed import Failure, foreign

HERE = Path(__file__).parent
LOCK = HERE / "requirements.lock"
GRACE_S = 20
TYPES = {  # what tempest.conf calls a service, and what the catalogue does
    "nova": {"compute"},
    "neutron": {"network"},
    "glance": {"image"},
    "cinder": {"block-storage", "volumev3"},
    "swift": {"object-store"},
    "heat": {"orchestration"},
    "horizon": set[str](),
}

Sections = dict[str, dict[str, Any]]


def options(cloud: Cloud, ground: Sections, workspace: Path) -> Sections:
    """tempest.conf by section: what tempest.toml says, where and who, and what is there."""
    found: Sections = tomllib.loads((HERE / "tempest.toml").read_text())
    for section, values in ground.items():
        found.setdefault(section, {}).update(values)
    found["DEFAULT"] |= {"log_dir": workspace / "logs"}
    found["oslo_concurrency"] = {"lock_path": workspace / "locks"}
    found["auth"] |= {"admin_username": cloud.username, "admin_password": cloud.password}
    found["identity"] |= {"uri_v3": cloud.auth_url, "region": cloud.region}
    found["service_available"] = {name: bool(types & cloud.urls.keys()) for name, types in TYPES.items()}
    return found


def written(sections: Sections) -> configparser.RawConfigParser:
    """As oslo.config reads it."""
    file = configparser.RawConfigParser(default_section="\0")
    for section, values in sections.items():
        file[section] = {name: text(value) for name, value in values.items()}
    return file


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value).replace("$", "$$")


def bare(test: str) -> str:
    """A test's name without its tags: `package.Class.test_it[id-...,smoke]`."""
    return re.sub(r"\[[^\]]*\]", "", test, count=1)


@dataclass(frozen=True)
class Tempest:
    """Tempest in a workspace below `out`, told of one cloud."""

    venv: Path
    out: Path

    @classmethod
    def told(cls, venv: Path, out: Path, cloud: Cloud, ground: Sections) -> Tempest:
        """Make the workspace. Raises Failure."""
        made = cls(venv, out)
        init = made._say("init", "--workspace-path", out / "workspaces.yaml", made.workspace, cwd=out)
        if init.returncode:
            raise Failure(f"tempest init: {init.stdout}{init.stderr}")
        with (made.workspace / "etc/tempest.conf").open("w") as file:
            written(options(cloud, ground, made.workspace)).write(file)
        return made

    @property
    def workspace(self) -> Path:
        return self.out / "workspace"

    def tests(self) -> dict[str, str]:
        """Every test that there is: its name, and the same with its tags. Raises Failure."""
        listing = self._say("run", "--list-tests", cwd=self.workspace)
        found = [line for line in listing.stdout.splitlines() if re.match(r"[a-z_]\w*\.\w", line)]
        if listing.returncode or not found:
            raise Failure(f"tempest lists no tests: {listing.stdout[-2000:]}{listing.stderr[-2000:]}")
        return {bare(line): line for line in found}

    def run(self, tests: list[str], *, concurrency: int, limit_s: float) -> list[dict[str, Any]]:
        """Run these (with their tags) for at most `limit_s`: what each said, and each set-up of a class that failed."""
        wanted, stream = self.out / "wanted.txt", self.out / "results.subunit"
        wanted.write_text("".join(f"{test}\n" for test in tests))
        command = [self.venv / "bin/tempest", "run", "--subunit", "--load-list", wanted]
        command += ["--concurrency", str(concurrency)]
        with stream.open("wb") as said, (self.out / "tempest.stderr").open("wb") as errors:
            within(limit_s, command, cwd=self.workspace, env=self._environment(), stdout=said, stderr=errors)
        python = self.venv / "bin/python"
        done = subprocess.run([python, HERE / "collect.py", stream], capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"the results in {stream} cannot be read: {done.stderr}")
        return list(json.loads(done.stdout))

    def _say(self, *words: Any, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [self.venv / "bin/tempest", *words]
        return subprocess.run(command, cwd=cwd, env=self._environment(), capture_output=True, text=True)

    def _environment(self) -> dict[str, str]:
        kept = foreign()
        return kept | {"PATH": f"{self.venv / 'bin'}:{kept.get('PATH', os.defpath)}"}


def within(limit_s: float, command: list[Any], **how: Any) -> None:
    """Run a command in a process group of its own, which ends after `limit_s`, or with us."""
    process = subprocess.Popen(command, start_new_session=True, **how)
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        print(f"Not done after {limit_s:.0f} s: the rest is left out.", file=sys.stderr)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def fresh(out: Path) -> Path:
    """The folder, empty."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return out.resolve()
