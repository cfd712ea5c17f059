"""What an RBAC policy may say."""

from __future__ import annotations

import re

from pileus.kernel.errors import BadRequest

SHARED, EXTERNAL = "access_as_shared", "access_as_external"
ACTIONS = {
    "network": (SHARED, EXTERNAL),
    "security_group": (SHARED,),
    "address_group": (SHARED,),
    "address_scope": (SHARED,),
    "subnetpool": (SHARED,),
}
"""What can be shared, and what with it may be allowed."""

UUID_LIKE = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def read_type(text: str) -> str:
    """The type of object, in any case. Raises BadRequest."""
    kind = text.strip().lower()
    if kind not in ACTIONS:
        raise invalid(f"'{text[:80]}' is not a valid RBAC object type")
    return kind


def check_action(object_type: str, action: str) -> None:
    """Raises BadRequest for what cannot be allowed with such an object."""
    if action not in ACTIONS[object_type]:
        raise invalid(
            f"Invalid action '{action[:80]}' for object type '{object_type}'. Valid actions: "
            f"{', '.join(ACTIONS[object_type])}"
        )


def check_target(target: str) -> None:
    """Raises BadRequest for what is neither the id of a project nor everybody."""
    if target not in ("*", "default") and UUID_LIKE.fullmatch(target) is None:
        raise invalid(f"'{target[:80]}' is not a valid target project ID; expected a UUID or '*'")


def invalid(message: str) -> BadRequest:
    return BadRequest(f"Invalid input for operation: {message}.", type="InvalidInput")
