"""What a simulator suffers from, commanded through files: by a test, or by another process."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from pileus.engines.files import safe_name, write_at_home

ANY = "any"
_turn = itertools.count()


class Trouble(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trouble of one verb.

    `fail`   it answers Failed with `cause`
    `deaf`   it does not do it and does not answer: Unavailable
    `mute`   it does it and does not answer: Unavailable
    `slow`   it holds the caller for `seconds`, then goes on as if nothing was
    `delay`  it becomes a job of `seconds`
    `full`   what takes space answers Failed
    """

    kind: Literal["fail", "deaf", "mute", "slow", "delay", "full"]
    once: bool = False
    cause: str = "It was told to fail."
    seconds: float = 0.0


class Troubles:
    """The troubles of one simulator, oldest first. Several processes may set, suffer and clear them."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def add(self, trouble: Trouble, *, verb: str = ANY, subject: str = ANY) -> str:
        """From now on that verb (of that subject) suffers. The name is for `clear`."""
        # the counter of this process after the boot clock: later is greater, and no two are equal
        name = f"{verb}@{safe_name(subject)}@{_stamp()}.json"
        write_at_home(self._home / name, msgspec.json.encode(trouble))
        return name

    def clear(self, name: str | None = None) -> None:
        """End one trouble, or all."""
        for file in self._files():
            if name is None or file.name == name:
                file.unlink(missing_ok=True)

    def list(self) -> dict[str, Trouble]:
        """What there is, by name."""
        return {file.name: trouble for file in self._files() if (trouble := read(file)) is not None}

    def of(self, verb: str, subject: str) -> Trouble | None:
        """What a verb suffers from now. A trouble that is there once is gone then: of all processes, one gets it."""
        wanted = {f"{v}@{s}" for v in (verb, ANY) for s in (safe_name(subject), ANY)}
        for file in self._files():
            if file.name.rpartition("@")[0] not in wanted:
                continue
            trouble = read(file)
            if trouble is not None and (not trouble.once or taken(file)):
                return trouble
        return None

    def _files(self) -> Iterator[Path]:
        try:
            names = [name for name in os.listdir(self._home) if name.endswith(".json")]
        except FileNotFoundError:  # there was none yet
            return iter(())
        return (self._home / name for name in sorted(names, key=lambda name: name.rpartition("@")[2]))


def _stamp() -> str:
    return f"{os.times().elapsed:020.2f}-{next(_turn):09d}-{os.getpid()}"


def read(file: Path) -> Trouble | None:
    """None when somebody else has just taken it."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Trouble)
    except FileNotFoundError:
        return None


def taken(file: Path) -> bool:
    """Whether it was us who took it away."""
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    return True
