"""What clients were told that attributes are, and what these are in the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crash.tenants import Document

PLAIN = frozenset({"name", "description", "admin_state_up"})
"""What changes only when its owner changes it; and the size of a volume."""
Values = Mapping[str, Any]


@dataclass
class Kept:
    """An attribute. `last`: what it may be, by what was acknowledged; nothing: unknown. `perhaps`: what was neither
    acknowledged nor refused, which may come about late."""

    last: set[Any] = field(default_factory=set)
    perhaps: set[Any] = field(default_factory=set)
    asked: int = 0
    crossed: bool = False  # several were asked for at a time: nobody knows which was the last

    def begin(self) -> None:
        self.asked += 1
        self.crossed |= self.asked > 1

    def end(self, value: Any, acknowledged: bool | None) -> None:
        """`acknowledged`: False: refused, None: nobody knows."""
        self.asked -= 1
        if acknowledged is None:
            self.perhaps.add(value)
        elif acknowledged:
            self.last = {value} | (self.last if self.crossed else set())
        self.crossed &= self.asked > 0

    def may_be(self, value: Any) -> bool:
        return not self.last or value in self.last | self.perhaps


def changes(method: str, path: str, body: Any) -> tuple[str, Values]:
    """The path of what a request changes, and to what."""
    if method == "PATCH":
        return path, {each["path"][1:]: each["value"] for each in body}
    if method == "PUT" and isinstance(body, dict):
        kind, said = next(iter(body.items()))
        return path, plain(kind, said)
    if method == "POST" and path.endswith("/metadata"):
        return path.removesuffix("/metadata"), {f"metadata {key}": value for key, value in body["metadata"].items()}
    if method == "POST" and path.endswith("/action") and "os-extend" in body:
        return path.removesuffix("/action"), {"size": body["os-extend"]["new_size"]}
    return path, {}


def plain(kind: str, document: Any) -> Document:
    """Those attributes of it that are kept here."""
    kept = {"size"} | PLAIN if kind == "volume" else PLAIN
    return {name: value for name, value in document.items() if name in kept} if isinstance(document, dict) else {}


def unlike(kept: Mapping[str, Kept], shown: Document) -> Iterator[str]:
    """What is shown and was never said. A volume that failed to grow says so."""
    for name, each in kept.items():
        of, _, key = name.partition(" ")
        value = shown[of].get(key) if key else shown[of]
        if not each.may_be(value) and not (name == "size" and shown["status"].startswith("error")):
            yield f"{name} is {value!r}, and was said to be {sorted(map(repr, each.last))}"
