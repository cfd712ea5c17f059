"""Who the control process becomes, and how it reaches what it runs from."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pileus.cli import Failure
from pileus.cli.orders import User
from pileus.cli.rights import closed_on_the_way
from pileus.cli.rooms import control_state, user_named

NOBODY = User("nobody", 65534, 65534)


def test_the_control_process_is_never_roots() -> None:
    with pytest.raises(Failure, match="must not run as root"):
        user_named("root")


def test_a_user_that_cannot_be_made_is_said() -> None:
    with pytest.raises(Failure, match="No:such"):
        user_named("No:such")


def test_the_first_closed_door_is_found() -> None:
    owner = User("owner", os.geteuid(), os.getegid())
    with tempfile.TemporaryDirectory() as path:
        home = Path(path)
        home.chmod(0o711)
        for name in ("outer", "outer/closed", "outer/closed/inner"):
            (home / name).mkdir(mode=0o711)
        inner = home / "outer/closed/inner"
        assert closed_on_the_way(inner, NOBODY) is None
        (home / "outer/closed").chmod(0o700)
        assert closed_on_the_way(inner, NOBODY) == home / "outer/closed"
        assert closed_on_the_way(inner, owner) is None


def test_the_room_of_the_control_process(tmp_path: Path) -> None:
    assert control_state(tmp_path) == tmp_path
    (tmp_path / "control").mkdir()
    assert control_state(tmp_path) == tmp_path / "control"
