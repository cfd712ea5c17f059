"""openstackclient, imported once for many commands: that takes a second, and each command a tenth of it.

A line in: the words of a command, as JSON. A line out: its exit status, what it printed, what it complained. Each command is
what `openstack WORDS` is, in a fork of its own, at a terminal where nobody types: it knows nothing of those before, takes
no data from there, and no answer to its questions.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

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


if __name__ == "__main__":
    for line in sys.stdin:
        if child := os.fork():
            os.waitpid(child, 0)
        else:
            sit_at_a_terminal()
            print(json.dumps(run(json.loads(line))), flush=True)
            os._exit(0)
