"""What a keeper and the control process it started tell each other, over the pipes between them."""

from __future__ import annotations

import msgspec

from pileus.kernel.config import Config


class LocalAgent(msgspec.Struct, frozen=True, kw_only=True):
    """The agent of this machine: where it listens, where it posts, and whose process it is."""

    listens: str
    posts: str
    uid: int


class Simulation(msgspec.Struct, frozen=True):
    """How much of the cloud is simulated in the control process."""

    hosts: int
    seed: int | None


class User(msgspec.Struct, frozen=True):
    """Who the control process runs as."""

    name: str
    uid: int
    gid: int


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """The first and only words to a control process: whose it shall become, and the pid of whom it shall end with."""

    config: Config
    agent: LocalAgent
    user: User | None
    keeper: int


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: it serves. `password` of the administrator, empty when it was not made here."""

    url: str
    listen: str
    password: str
    ca: str | None = None
