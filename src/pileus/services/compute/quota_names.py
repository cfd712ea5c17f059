"""How quotas are read and shown, in quota sets and in quota classes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from pileus.kernel.errors import BadRequest

NAMES = {"injected_file_path_length": "injected_file_path_bytes"}
RESOURCES = {told: name for name, told in NAMES.items()}
NUMBER = re.compile(r"-?[0-9]{1,10}")
MOST = 2**31 - 1

Wanted = dict[str, int | bool | str]
"""A quota for each of some resources, as a number or a text; `force` beside them."""


def told(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """By the names that the API has."""
    return {NAMES.get(name, name): value for name, value in numbers.items()}


def read(body: Wanted, known: Collection[str]) -> dict[str, int]:
    """By our names. Raises BadRequest for a resource or a number that is none."""
    found = {}
    for said, value in body.items():
        name = RESOURCES.get(said, said)
        if name not in known or said in NAMES:
            raise BadRequest(
                f"Invalid input for field/attribute quota_set. Additional properties are not allowed ('{said[:80]}' was "
                "unexpected)"
            )
        text = str(value)
        if isinstance(value, bool) or NUMBER.fullmatch(text) is None or not -1 <= int(text) <= MOST:
            raise BadRequest(
                f"Invalid input for field/attribute {said}. Value: {text[:80]}. It is no number from -1 on."
            )
        found[name] = int(text)
    return found
