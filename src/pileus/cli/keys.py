"""pileus keys: the keys that tokens are made with. Asks the cloud by HTTP."""

from __future__ import annotations

import argparse

from pileus.cli.remote import Remote, remote, say, table

COLUMNS = ("id", "state", "made_at", "retired_at")


def list_(asked: argparse.Namespace) -> int:
    return show(asked, remote(asked))


def rotate(asked: argparse.Namespace) -> int:
    """Show what is there afterwards."""
    cloud = remote(asked)
    cloud.ask("POST", "/keys/action", {"rotate": None})
    return show(asked, cloud)


def show(asked: argparse.Namespace, cloud: Remote) -> int:
    found = cloud.ask("GET", "/keys")["keys"]
    if asked.json:
        return say(found)
    table(found, COLUMNS)
    return 0
