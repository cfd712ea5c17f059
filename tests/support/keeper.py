"""Run a program for as long as another process lives: `python keeper.py PID COMMAND...`.

A test run that is killed must not leave its servers behind, and the process that starts one (a worker of a parallel
run) may end before those that share it. The keeper is told the process to watch, and is the parent of what it ends.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys


def main(watched: int, command: list[str]) -> None:
    child = subprocess.Popen(command, start_new_session=True, cwd="/")
    poll = select.poll()
    for pid in (watched, child.pid):
        poll.register(os.pidfd_open(pid), select.POLLIN)
    signal.signal(signal.SIGTERM, lambda *_: child.send_signal(signal.SIGINT))
    poll.poll()
    child.send_signal(signal.SIGINT)
    child.wait()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
