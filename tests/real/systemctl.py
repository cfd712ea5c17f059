#!/usr/bin/python3
"""`systemctl` of a machine whose first process is no systemd: the real one enables units; who starts them, as they say, with
the rights that they give, and waits until they are ready, is this."""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

REAL, UNITS, RUN = "/usr/bin/systemctl", Path("/etc/systemd/system"), Path("/run/units")
READY_WITHIN_S = 60


def unit(name: str) -> dict[str, list[str]]:
    """What its file says. Raises OSError for one that is not there."""
    said: defaultdict[str, list[str]] = defaultdict(list)
    file = name if name.endswith(".target") else re.sub("@.*", "@", name) + ".service"
    for word, value in re.findall(r"^(\w+)=(.*)$", (UNITS / file).read_text(), re.MULTILINE):
        said[word].append(value)
    return said


def surroundings(said: dict[str, list[str]]) -> dict[str, str]:
    lines = [line for file in said["EnvironmentFile"] for line in Path(file).read_text().splitlines()]
    return dict(line.split("=", 1) for line in [*said["Environment"], *lines])


def command(said: dict[str, list[str]], given: dict[str, str]) -> list[str]:
    """${ONE} is a word, $SOME are any number of them."""
    [line] = said["ExecStart"]
    words: list[str] = []
    for word in line.split():
        words += given[word[1:]].split() if re.fullmatch(r"\$\w+", word) else [re.sub(r"\$\{(\w+)\}", r"{\1}", word)]
    return [word.format_map(given) for word in words]


def rights(said: dict[str, list[str]]) -> list[str]:
    user = [f"--reuid={name}" for name in said["User"]] + [f"--regid={name}" for name in said["Group"]]
    kept = ",".join(f"+{each.removeprefix('CAP_').lower()}" for each in " ".join(said["CapabilityBoundingSet"]).split())
    assert said["NoNewPrivileges"] == ["yes"]
    bound = f"--bounding-set=-all{',' if kept else ''}{kept}"
    return ["setpriv", *user, *(["--init-groups"] if user else []), bound, "--no-new-privs"]


def start(name: str) -> None:
    said = unit(name)
    if "ExecStart" not in said:
        return
    for folder, mode in zip(said["StateDirectory"], said["StateDirectoryMode"], strict=True):
        owner = f"{(said['User'] or ['root'])[0]}:{(said['Group'] or ['root'])[0]}"
        subprocess.run(["install", "-d", "-m", mode, f"/var/lib/{folder}"], check=True)
        subprocess.run(["chown", owner, f"/var/lib/{folder}"], check=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, (RUN / f"{name}.log").open("ab") as log:
        told.bind(where := str(RUN / f"{name}.notify"))
        os.chmod(where, 0o666)
        told.settimeout(READY_WITHIN_S)
        given = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NOTIFY_SOCKET": where, **surroundings(said)}
        words = [*rights(said), *command(said, given)]
        started = subprocess.Popen(words, env=given, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        assert told.recv(100) == b"READY=1"
    os.unlink(where)
    (RUN / f"{name}.pid").write_text(str(started.pid))


def stop(name: str) -> None:
    """Its main process has ended; nobody's, when it does not run."""
    file = RUN / f"{name}.pid"
    if file.exists():
        ended = os.pidfd_open(int(file.read_text()))
        signal.pidfd_send_signal(ended, signal.SIGTERM)
        [limit] = unit(name)["TimeoutStopSec"]
        assert select.select([ended], [], [], int(limit))[0], f"{name} does not end"


def main(verb: str, *words: str) -> None:
    RUN.mkdir(mode=0o755, exist_ok=True)
    names = [word for word in words if not word.startswith("--")]
    if verb == "daemon-reload":
        subprocess.run(
            ["systemd-analyze", "verify", *UNITS.glob("pileus*")], check=True
        )  # what it would say, who reads them
    elif verb == "enable":
        subprocess.run([REAL, "--root=/", verb, *names], check=True)
        for name in names if "--now" in words else ():
            start(name)
    elif verb == "restart":
        for name in names:
            stop(name)
            start(name)
    else:
        sys.exit(f"what is {shlex.join([verb, *words])}?")


main(*sys.argv[1:])
