"""What a credential may be, and what a caller with delegated powers may have to do with it. Pure; the messages are Keystone's."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from pileus.kernel.errors import BadRequest
from pileus.services.identity.faults import expecting
from pileus.services.identity.grounds import Basis

EC2 = "ec2"
TOTP = "totp"
BOUNDS = {"trust": "trust_id", "application_credential": "app_cred_id", "access_token": "access_token_id"}
"""Under which key the blob of an EC2 credential names what its tokens rest on, by the kind of ground."""
FIXED = (*BOUNDS.values(), "access_id")


def is_ec2(type_: str) -> bool:
    return type_.lower() == EC2


def id_of(access: str) -> str:
    """The id of the EC2 credential with that access key."""
    return hashlib.sha256(access.encode()).hexdigest()


def read_ec2(blob: str) -> dict[str, Any]:
    """What stands in the blob of an EC2 credential. Raises BadRequest when it is none."""
    try:
        found = msgspec.json.decode(blob)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadRequest("Invalid blob in credential") from None
    if not isinstance(found, dict) or not found:
        raise expecting("blob", "credential")
    for name in ("access", "secret"):
        if not isinstance(found.get(name), str) or not found[name]:
            raise expecting(name, "credential")
    return found


def check_fixed(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Raises BadRequest when a blob says other than before what its tokens rest on: that is decided when it is made."""
    for name in FIXED:
        if before.get(name) != after.get(name):
            raise BadRequest(f"{name} can not be updated for credential")


def own(blob: dict[str, Any], basis: Basis) -> dict[str, str]:
    """How the blob of a new EC2 credential names what its tokens rest on. Raises BadRequest when it says something else."""
    mine = {BOUNDS[basis.kind]: basis.id}
    check_fixed(mine, {**mine, **{name: value for name, value in blob.items() if value is not None}})
    return mine
