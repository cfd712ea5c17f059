"""How a verb of an engine answers, within five seconds: it is done, it is going on, or it failed.

What takes longer than that is a job of the host, known by subject and verb: saying the verb again joins it.
"""

from __future__ import annotations

from typing import Any

import msgspec

VERB_ANSWERS_WITHIN_S = 5.0


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The end state holds. `facts` is what the caller may want to keep: a path, an address."""

    facts: dict[str, Any] = {}


class Going(msgspec.Struct, frozen=True, tag="going"):
    """A job is on its way; say the verb again to learn more. `percent` is 0 to 100; `facts` is what can be counted of it."""

    percent: int = 0
    note: str = ""
    facts: dict[str, Any] = {}


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It cannot be done, for this cause; trying again will not help."""

    cause: str


Answer = Done | Going | Failed
