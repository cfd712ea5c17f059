"""`pileus`: the command line. Each command imports what it needs when it is called."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pileus.cli.parser import parser


class Failure(Exception):
    """The command cannot go on; the message says why and what to do. Exit status 1."""


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import inside the block: that stays. To look for garbage in it would cost a fifth of the start, and much of the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. The exit status: 0 it was done, 1 it was not, 2 the command line is wrong."""
    asked = parser().parse_args(argv)
    module, _, function = asked.run.partition(":")
    with importing():
        run: Callable[[Any], int] = getattr(importlib.import_module(f"pileus.cli.{module}"), function)
    try:
        return run(asked)
    except Failure as e:
        print(f"pileus: {e}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
