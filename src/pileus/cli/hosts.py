"""pileus host: the machines that hold engines. Asks the cloud by HTTP."""

from __future__ import annotations

import argparse
from urllib.parse import quote

from pileus.cli.remote import remote, say, table

MOVES = ("server", "name", "status", "to", "how", "why", "why_not")
COLUMNS = ("name", "address", "usable", "fenced", "renewed_at")


def token(asked: argparse.Namespace) -> int:
    """Print the token alone, so that a script can take it."""
    made = remote(asked).ask("POST", "/hosts/tokens", {"token": {"host": asked.name}})["token"]
    if asked.json:
        return say(made)
    print(made["join"])
    return 0


def list_(asked: argparse.Namespace) -> int:
    found = remote(asked).ask("GET", "/hosts")["hosts"]
    if asked.json:
        return say(found)
    table(found, COLUMNS)
    return 0


def fence(asked: argparse.Namespace) -> int:
    return act(asked, "fence")


def lift_fence(asked: argparse.Namespace) -> int:
    return act(asked, "lift_fence")


def drain(asked: argparse.Namespace) -> int:
    """1 when something stays where it is."""
    path = f"/hosts/{quote(asked.name, safe='')}"
    cloud = remote(asked)
    if asked.dry_run:
        found = cloud.ask("GET", f"{path}/drain")["drain"]
    else:
        found = cloud.ask("POST", f"{path}/action", {"drain": None})["drain"]
    if asked.json:
        say(found)
    else:
        table(found, MOVES)
    return int(any(each["to"] is None for each in found))


def act(asked: argparse.Namespace, action: str) -> int:
    remote(asked).ask("POST", f"/hosts/{quote(asked.name, safe='')}/action", {action: None})
    return 0


def delete(asked: argparse.Namespace) -> int:
    remote(asked).ask("DELETE", f"/hosts/{quote(asked.name, safe='')}")
    return 0
