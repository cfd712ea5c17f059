"""What an extra spec may be: decided by its name alone, from the facts beside the service."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pileus.kernel.facts import facts
from pileus.kernel.http.queries import FALSE, TRUE

PARAMETER = re.compile(r"\{(\w+)\}")


@cache
def known() -> tuple[list[tuple[re.Pattern[str], dict[str, Any]]], list[re.Pattern[str]]]:
    """Each known name as a pattern, with what its value must be; and the patterns of the known namespaces."""
    document = facts("compute", "extra_specs")
    patterns = document["patterns"]

    def pattern(text: str) -> re.Pattern[str]:
        parts = PARAMETER.split(text)
        return re.compile("".join(patterns[p] if i % 2 else re.escape(p) for i, p in enumerate(parts)))

    names = [(pattern(name), kind) for name, kind in document["keys"].items()]
    return names, [
        pattern(space) for space in sorted({name.partition(":")[0] for name in document["keys"] if ":" in name})
    ]


def fault_of(name: str, value: str) -> str | None:
    """Why this is no extra spec; None for a good one, and for one of a namespace that nobody here knows."""
    names, spaces = known()
    for pattern, kind in names:
        if pattern.fullmatch(name):
            why = fault_of_value(kind, value)
            return (
                None if why is None else f"Validation failed; '{value[:80]}' is not a valid value for '{name}': {why}."
            )
    space, colon, _ = name.partition(":")
    if colon and any(pattern.fullmatch(space) for pattern in spaces):
        return f"Validation failed; extra spec '{name}' does not appear to be a valid extra spec."
    return None


def fault_of_value(kind: dict[str, Any], value: str) -> str | None:
    """Why this is no value of that kind; None when it is one."""
    if kind["type"] == "boolean":
        return None if value.strip().lower() in TRUE | FALSE else "it is no boolean"
    if kind["type"] == "integer":
        if re.fullmatch(r"-?\d{1,18}", value) is None:
            return "it is no integer"
        low, high = kind.get("min"), kind.get("max")
        if (low is not None and int(value) < low) or (high is not None and int(value) > high):
            return f"it is not from {low if low is not None else '-inf'} to {high if high is not None else 'inf'}"
        return None
    if "enum" in kind and value not in kind["enum"]:
        return f"it is none of {', '.join(kind['enum'])}"
    if "pattern" in kind and re.fullmatch(kind["pattern"], value) is None:
        return f"it does not look like {kind['pattern']}"
    return None
