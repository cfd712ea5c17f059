"""Tenants who write down what they were told, and what it is worth in the end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import httpx

from crash.history import History, Tenant

KEPT = {"server", "network", "router", "floatingip", "volume", "image"}
"""What goes only when its owner deletes it."""


class Witness(Tenant):
    """A tenant whose answers are written down."""

    def __init__(self, name: str, http: httpx.AsyncClient, project_id: str, history: History, seed: int) -> None:
        super().__init__(http, project_id, history, random.Random(seed))
        self.name = name
        self.told: list[str] = []
        self.made: dict[str, str] = {}  # by id: its path
        self.gone: set[str] = set()  # paths

    async def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Whoever deletes something and is not told how that went knows nothing of it any more."""
        deleted = next((id_ for id_, its in self.made.items() if its == path.partition("?")[0]), "")
        known = self.made.pop(deleted) if method == "DELETE" and deleted else None
        answer = await super().ask(method, path, **sent)
        self.told.append(f"{self.name} {method} {path} {answer.status_code}")
        if method == "POST" and answer.is_success and answer.content:
            kind, shown = (
                next(iter(answer.json().items())) if not path.startswith("/image") else ("image", answer.json())
            )
            if kind in KEPT and "/action" not in path:
                self.made[shown["id"]] = f"{path.partition('?')[0]}/{shown['id']}"
        if known and answer.is_success:
            self.gone.add(known)
        if known and answer.is_client_error:
            self.made[deleted] = known
        return answer

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
        found += [f"not what was written: {path}" for path in each.written if not await intact(each, path)]
    return found


async def intact(witness: Witness, path: str) -> bool:
    """Whether it can be read as it was written; what was deleted need not be."""
    if path.removesuffix("/file") not in witness.made.values():
        return True
    return (await witness.http.get(path)).content == witness.written[path]
