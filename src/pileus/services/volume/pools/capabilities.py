"""What a host can do, and whether that is what a type of volumes asks for: pure functions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from pileus.services.volume.pools.rules import Pool

BACKEND, POOL = "blocks", "files"
VENDOR, PROTOCOL = "Pileus", "file"
SCOPE = "capabilities:"
TRUE = ("1", "t", "true", "on", "y", "yes")


def capabilities(pool: Pool, overcommit: float) -> dict[str, Any]:
    """What a pool says of itself, by the names that types use."""
    return {
        "total_capacity_gb": pool.total_gib,
        "free_capacity_gb": pool.free_gib,
        "allocated_capacity_gb": pool.promised_gib,
        "provisioned_capacity_gb": pool.promised_gib,
        "max_over_subscription_ratio": overcommit,
        "reserved_percentage": 0,
        "thin_provisioning_support": True,
        "thick_provisioning_support": False,
        "multiattach": True,
        "QoS_support": False,
        "volume_backend_name": BACKEND,
        "storage_protocol": PROTOCOL,
        "vendor_name": VENDOR,
        "driver_version": "1",
        "backend_state": "up",
    }


def suits(offered: Mapping[str, Any], specs: Mapping[str, str]) -> bool:
    """Whether this is what the extra specs of a type ask for. Those in a scope of somebody else's ask for nothing here."""
    asked = {key.removeprefix(SCOPE): wish for key, wish in specs.items() if ":" not in key or key.startswith(SCOPE)}
    return all(key in offered and meets(str(offered[key]), wish) for key, wish in asked.items())


def truth(text: str) -> bool:
    return text.strip().lower() in TRUE


def numbers(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    def compared(offered: str, wish: str) -> bool:
        try:
            return compare(float(offered), float(wish))
        except ValueError:
            return False

    return compared


WAYS: dict[str, Callable[[str, str], bool]] = {
    "=": numbers(operator.ge),  # as Cinder has it: at least so much
    "==": numbers(operator.eq),
    "!=": numbers(operator.ne),
    ">=": numbers(operator.ge),
    "<=": numbers(operator.le),
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
    "<in>": lambda offered, wish: wish in offered,
    "<is>": lambda offered, wish: truth(offered) is truth(wish),
}


def meets(offered: str, wish: str) -> bool:
    """One wish: `value`, `operator value`, or `<or> value <or> value ...`."""
    way, *words = wish.split() or [""]
    if way == "<or>":
        return offered in [word for word in words if word != "<or>"]
    if way not in WAYS:
        return offered == wish
    return bool(words) and WAYS[way](offered, words[0])
