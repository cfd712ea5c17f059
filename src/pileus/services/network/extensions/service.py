"""Extensions: what works here, as `extensions.toml` says."""

from __future__ import annotations

from collections.abc import Mapping

from pileus.kernel.errors import NotFound
from pileus.kernel.facts import facts

KNOWN: Mapping[str, str] = facts("network", "extensions")["extensions"]


def list_() -> Mapping[str, str]:
    """The name of each, by its alias."""
    return KNOWN


def get(alias: str) -> str:
    """Raises NotFound."""
    if alias not in KNOWN:
        raise NotFound(f"Extension with alias {alias[:80]} does not exist", type="HTTPNotFound")
    return KNOWN[alias]
