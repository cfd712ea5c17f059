"""openstackclient for shells: the command `openstack` in a folder, whose work is done in forks of this process.

    python openstack_server.py FOLDER       says when it serves, until its standard input ends

It is what `openstack` is, with the arguments, environment, directory, input and output of who calls it, but for a tenth of
its time (see openstack_commands.py). One at a time.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from pathlib import Path

from cliff import command
from openstack_commands import load, main

CALLER = """#!{python} -SEs
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({path!r})
    asked = json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(server, [asked], [0, 1, 2])
    sys.exit(int(server.recv(16) or 1))
"""
MOST_BYTES = 200_000


def serve(folder: Path) -> None:
    path = str(folder / "openstack.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(path)
        listening.listen()
        called = folder / "openstack"
        called.write_text(CALLER.format(python=sys.executable, path=path))
        called.chmod(0o755)
        print(called, flush=True)
        while listening in select.select([listening, sys.stdin], [], [])[0]:
            caller, _ = listening.accept()
            with caller:
                answer(caller)


def answer(caller: socket.socket) -> None:
    """Run what it asks for, and keep the modules that this took for the next one."""
    asked, given, _, _ = socket.recv_fds(caller, MOST_BYTES, 3)
    told, tell = os.pipe()
    if child := os.fork():
        os.close(tell)
        for fd in given:
            os.close(fd)
        with os.fdopen(told) as said:
            load(said.read().splitlines())
        _, status = os.waitpid(child, 0)
        caller.send(str(os.waitstatus_to_exitcode(status)).encode())
    else:
        os._exit(run(json.loads(asked), given, tell))


def run(asked: tuple[list[str], dict[str, str], str], given: list[int], tell: int) -> int:
    words, environment, directory = asked
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    for number, fd in enumerate(given):
        os.dup2(fd, number)
    before = set(sys.modules)
    try:
        status = main(words)
    except SystemExit as e:
        status = e.code
    sys.stdout.flush()
    sys.stderr.flush()
    with os.fdopen(tell, "w") as told:
        told.write("\n".join(name for name in list(sys.modules) if name not in before))
    return int(status or 0)


if __name__ == "__main__":
    command._get_distributions_by_modules()
    serve(Path(sys.argv[1]))
