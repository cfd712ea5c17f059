"""The state directory of a cloud: who may look into it, who runs on it, and the files that clients read."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from pileus.cli import Failure
from pileus.engines.files import write_whole

CLOUD = "pileus"
PASS_THROUGH = 0o711  # of a state directory through which the control process and QEMU reach their own
OPEN_TO_OTHERS = 0o066  # who may only pass through sees no name
CLOUDS_YAML = """\
# Written by `pileus up` at each start.
clouds:
  {cloud}:
    auth:
      auth_url: {auth_url}
      username: admin
      password: {password}
      project_name: admin
      user_domain_id: default
      project_domain_id: default
    region_name: {region}
    identity_api_version: 3
    interface: public
"""
OPENRC = """\
# Written by `pileus up` at each start. Use: source {path}
unset OS_CLOUD OS_TOKEN OS_SYSTEM_SCOPE OS_DOMAIN_ID OS_DOMAIN_NAME OS_PROJECT_ID OS_USER_ID
export OS_AUTH_URL={auth_url}
export OS_USERNAME=admin
export OS_PASSWORD={password}
export OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_ID=default
export OS_PROJECT_DOMAIN_ID=default
export OS_REGION_NAME={region}
export OS_IDENTITY_API_VERSION=3
export OS_INTERFACE=public
"""


def default_state() -> Path:
    """Where a cloud is kept if nothing else is said."""
    if os.geteuid() == 0:
        return Path("/var/lib/pileus")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "pileus"


def open_state(path: Path) -> None:
    """Make the directory with mode 0700, and all that is made from now on without rights for others.

    Raises Failure when others may look into what is there.
    """
    os.umask(0o077)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except OSError as e:
        raise Failure(f"the state directory {path} cannot be made: {e.strerror}") from e
    if found.st_uid != os.geteuid():
        raise Failure(
            f"the state directory {path} belongs to somebody else (uid {found.st_uid}); name another by --state"
        )
    if stat.S_IMODE(found.st_mode) & OPEN_TO_OTHERS:
        if any(path.iterdir()):
            raise Failure(f"others may look into the state directory {path}; say: chmod 700 {path}")
        path.chmod(0o700)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else runs on this state inside the block. Raises Failure, which names who does."""
    with open(os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = file.read().strip() or "unknown"
            raise Failure(
                f"a cloud already runs on {path} (pid {pid}); stop it with `kill {pid}`, or name another state by --state"
            ) from None
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


@contextlib.contextmanager
def pid_file(path: Path, role: str) -> Iterator[None]:
    """run/ROLE.pid while the block runs. One that a killed process left is replaced."""
    file = path / "run" / f"{role}.pid"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_whole(file, f"{os.getpid()}\n".encode())
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def write_client_files(path: Path, url: str, password: str, *, region: str, ca: Path | None) -> None:
    """clouds.yaml and openrc, mode 0600: what a client needs to be the administrator of this cloud."""
    facts = {"auth_url": f"{url}/identity", "password": password, "region": region}
    for_yaml = {name: json.dumps(value) for name, value in facts.items()}  # JSON is YAML
    for_shell = {name: shlex.quote(value) for name, value in facts.items()}
    clouds = CLOUDS_YAML.format(cloud=CLOUD, **for_yaml)
    openrc = OPENRC.format(path=path / "openrc", **for_shell)
    if ca is not None:
        clouds += f"    cacert: {json.dumps(str(ca))}\n"
        openrc += f"export OS_CACERT={shlex.quote(str(ca))}\n"
    write_whole(path / "clouds.yaml", clouds.encode())
    write_whole(path / "openrc", openrc.encode())
