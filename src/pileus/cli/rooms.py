"""The state directory of a cloud whose host is this machine: who may go where in it.

    DIR/           root's; others may pass through to what is theirs, and list nothing
      lock, clouds.yaml, openrc, keeper.log, agent.log
      run/         sockets of the agent; the same rights
      control/     the control process' own: database, keys, images, its log, the socket at which agents post
      host/        the agent's own: fences, jobs, guests, networks, volumes

Nothing that a process with more rights reads or writes lies in a directory of one with less.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pileus.cli import Failure
from pileus.cli.orders import User
from pileus.cli.state import PASS_THROUGH, open_state

DATABASE = "pileus.sqlite"
USERADD = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")


@dataclass(frozen=True)
class Rooms:
    """The places in a state directory."""

    state: Path

    @property
    def control(self) -> Path:
        return self.state / "control"

    @property
    def host(self) -> Path:
        return self.state / "host"

    @property
    def agent_socket(self) -> Path:
        return self.state / "run" / "agent.sock"

    @property
    def control_socket(self) -> Path:
        return self.control / "agents.sock"


def control_state(state: Path) -> Path:
    """Where the control process of this state keeps its own: there, or in its own room."""
    room = Rooms(state).control
    return room if room.is_dir() else state


def open_rooms(state: Path, user: User | None) -> Rooms:
    """Make what is not there; `user`: who the control process will be, if it is not us. Raises Failure."""
    open_state(state)
    if (state / DATABASE).exists():
        raise Failure(f"{state} holds a cloud that ran in one process; name another state by --state")
    rooms = Rooms(state)
    for room in (state, state / "run"):
        room.mkdir(mode=0o700, exist_ok=True)
        if user is not None:
            room.chmod(PASS_THROUGH)
    rooms.host.mkdir(mode=0o700, exist_ok=True)
    rooms.control.mkdir(mode=0o700, exist_ok=True)
    if user is not None:
        os.chown(rooms.control, user.uid, user.gid)
    return rooms


def user_named(name: str) -> User:
    """The system user; made if there is none. Raises Failure."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        found = made_user(name)
    if found.pw_uid == 0:
        raise Failure(f"the control process must not run as root: name another by the option `user`, not {name}")
    return User(name, found.pw_uid, found.pw_gid)


def made_user(name: str) -> pwd.struct_passwd:
    program = shutil.which("useradd")
    if program is None:
        raise Failure(f"there is no user {name} for the control process, and no useradd to make it")
    words = [program, *USERADD, "--", name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 (by the operator's option)
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise Failure(f"the user {name} for the control process cannot be made: {done.stderr.strip()}") from None
