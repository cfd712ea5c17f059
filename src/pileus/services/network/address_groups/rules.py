"""The addresses that a group may hold."""

from __future__ import annotations

from collections.abc import Iterable

from pileus.services.network.addresses import read_block


def read_addresses(several: Iterable[str]) -> list[str]:
    """Networks, each once, in the order in which they came. Raises BadRequest."""
    return list(dict.fromkeys(str(read_block(each, "addresses")) for each in several))
