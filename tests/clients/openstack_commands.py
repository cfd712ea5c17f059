"""openstackclient, imported once for many commands: that takes a second, and each command a tenth of it.

A line in: the words of a command, as JSON. A line out: its exit status, what it printed, what it complained. Each command is
what `openstack WORDS` is, in a fork of its own, at a terminal where nobody types: it knows nothing of those before, takes
no data from there, and no answer to its questions. Only the modules that one had to load are there already for the next.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

from cliff import command
from openstackclient.shell import main

END_OF_INPUT = b"\4"


def run(words: list[str]) -> dict[str, Any]:
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()) as complained:
        try:
            status = main(words)
        except SystemExit as e:  # argparse, about words it does not know
            status = e.code
    return {"status": status, "said": said.getvalue(), "complained": complained.getvalue()}


def sit_at_a_terminal() -> None:
    typed, terminal = os.openpty()
    os.write(typed, END_OF_INPUT)
    os.dup2(terminal, sys.stdin.fileno())


def answer(line: str, tell: int) -> None:
    """Then tell which modules that took."""
    before = set(sys.modules)
    sit_at_a_terminal()
    print(json.dumps(run(json.loads(line))), flush=True)
    with os.fdopen(tell, "w") as told:
        told.write("\n".join(name for name in list(sys.modules) if name not in before))


def load(names: list[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # or each child would copy what its garbage collector looks at


if __name__ == "__main__":
    command._get_distributions_by_modules()  # half of what is left of a command: it reads about each package there is
    for line in sys.stdin:
        told, tell = os.pipe()
        if child := os.fork():
            os.close(tell)
            with os.fdopen(told) as said:
                load(said.read().splitlines())
            os.waitpid(child, 0)
        else:
            answer(line, tell)
            os._exit(0)
