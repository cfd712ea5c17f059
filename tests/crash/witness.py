"""Tenants who write down what they were told, and what it is worth in the end."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx

from crash.changes import Kept, changes, plain, unlike
from crash.tenants import IMAGE, Document, History, Tenant

KEPT = {"server", "network", "router", "floatingip", "volume", "image", "security_group", "server_group"}
"""What goes only when its owner deletes it."""


class Witness(Tenant):
    """A tenant whose answers are written down."""

    def __init__(self, name: str, http: httpx.AsyncClient, project_id: str, history: History, seed: int) -> None:
        super().__init__(http, project_id, history, random.Random(seed))
        self.name = name
        self.told: list[str] = []
        self.made: dict[str, str] = {}  # by id: its path
        self.gone: set[str] = set()  # paths
        self.kept: dict[str, dict[str, Kept]] = defaultdict(lambda: defaultdict(Kept))  # by path and attribute

    async def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Whoever deletes something and is not told how that went knows nothing of it any more."""
        deleted = next((id_ for id_, its in self.made.items() if its == path.partition("?")[0]), "")
        known = self.made.pop(deleted) if method == "DELETE" and deleted else None
        answer = await self.change(method, path, **sent)
        self.told.append(f"{self.name} {method} {path} {answer.status_code}")
        if method == "POST" and answer.is_success and answer.content and "/action" not in path:
            self.note(path.partition("?")[0], sent["json"], answer.json())
        if known and answer.is_success:
            self.gone.add(known)
            self.kept.pop(known, None)
        if known and answer.is_client_error:
            self.made[deleted] = known
        return answer

    def note(self, path: str, asked: Document, made: Document) -> None:
        """What was acknowledged to be made, and what was said of it."""
        kind, shown = ("image", made) if path.startswith(IMAGE) else next(iter(made.items()))
        if kind not in KEPT:
            return
        self.made[shown["id"]] = its = f"{path}/{shown['id']}"
        for attribute, value in {**plain(kind, asked.get(kind)), **plain(kind, shown)}.items():
            self.kept[its][attribute].last = {value}

    async def change(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Ask, and know what it has made of which attributes."""
        changed, values = changes(method, path, sent.get("json"))
        for attribute in values:
            self.kept[changed][attribute].begin()
        acknowledged = None
        try:
            answer = await super().ask(method, path, **sent)
            acknowledged = None if answer.is_server_error else answer.is_success
            return answer
        finally:
            for attribute, value in values.items():
                self.kept[changed][attribute].end(value, acknowledged)

    async def sees(self, path: str) -> bool:
        return (await self.http.get(path)).status_code == 200


async def broken_promises(witnesses: Sequence[Witness]) -> list[str]:
    """What was acknowledged and is lost, deleted and is there, seen by a stranger, or not what was written."""
    found = []
    for each in witnesses:
        found += [f"lost: {path}" for path in each.made.values() if not await each.sees(path)]
        for path in each.gone:
            if await each.sees(path):
                asked = [line for line in each.told if path.rpartition("/")[2] in line]
                found.append(f"deleted and there: {path} {(await each.http.get(path)).text} {asked}")
        others = [path for other in witnesses if other is not each for path in other.made.values()]
        found += [f"seen by a stranger: {path}" for path in others if await each.sees(path)]
        found += [f"changed and not so: {path}: {what}" for path in each.kept async for what in forgotten(each, path)]
        found += [f"not what was written: {path}" for path in each.written if not await intact(each, path)]
    return found


async def forgotten(witness: Witness, path: str) -> AsyncIterator[str]:
    """What it is not, and was said to be. That it is there at all others see to."""
    answer = await witness.http.get(path)
    if answer.status_code == 200:
        document = answer.json()
        for each in unlike(witness.kept[path], document if path.startswith(IMAGE) else next(iter(document.values()))):
            yield each


async def intact(witness: Witness, path: str) -> bool:
    """Whether it can be read as it was written; what was deleted need not be."""
    if path.removesuffix("/file") not in witness.made.values():
        return True
    return (await witness.http.get(path)).content == witness.written[path]
