"""What may be passed on of what was entrusted. Pure; the messages are Keystone's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from pileus.kernel.errors import BadRequest, Forbidden


class Trust(msgspec.Struct, frozen=True):
    id: str
    trustor_user_id: str
    trustee_user_id: str
    project_id: str | None
    impersonation: bool
    expires_at: float | None
    remaining_uses: int | None
    redelegated_trust_id: str | None
    redelegation_count: int
    extra: dict[str, Any]
    deleted_at: float | None = None

    def stands(self, now: float) -> bool:
        """Whether it was not deleted and has not ended."""
        return self.deleted_at is None and (self.expires_at is None or self.expires_at > now)

    def usable(self, now: float) -> bool:
        """Whether one may still log in by it."""
        return self.stands(now) and self.remaining_uses != 0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Whether and how often a new trust may be passed on."""

    allow_redelegation: bool
    redelegation_count: int | None


def depth(wanted: Wanted, remaining_uses: int | None, parent: Trust | None, limit: int) -> int:
    """How many more trusts may be made, one from the other, beginning with the new one. Raises BadRequest, Forbidden."""
    asked = wanted.redelegation_count
    if not wanted.allow_redelegation or asked == 0:
        return 0
    if asked is not None and asked > limit:
        raise Forbidden(f"Requested redelegation depth of {asked} is greater than allowed {limit}")
    if remaining_uses is not None:
        raise BadRequest("remaining_uses must not be set if redelegation is allowed")
    if parent is None:
        return limit if asked is None else asked
    left = parent.redelegation_count - 1
    if asked is not None and asked != left:
        raise Forbidden(
            'Modifying "redelegation_count" upon redelegation is forbidden. Omitting this parameter is advised.'
        )
    return left


def check(new: Trust, role_ids: Collection[str], pedigree: Sequence[tuple[Trust, Collection[str]]], limit: int) -> None:
    """Raises Forbidden unless each trust that the new one comes from, with its roles, lets it. The nearest is first."""
    for parent, parent_role_ids in pedigree:
        if not 0 < parent.redelegation_count <= limit:
            raise Forbidden(
                f"Remaining redelegation depth of {parent.redelegation_count} out of allowed range of [0..{limit}]"
            )
        if new.remaining_uses is not None:
            raise Forbidden(
                f'Field "remaining_uses" is set to {new.remaining_uses} while it must not be set in order to redelegate '
                "a trust"
            )
        if parent.expires_at is not None and (new.expires_at is None or new.expires_at > parent.expires_at):
            raise Forbidden("Requested expiration time is more than redelegated trust can provide")
        if not set(role_ids) <= set(parent_role_ids):
            raise Forbidden("Some of requested roles are not in redelegated trust")
        if new.impersonation and not parent.impersonation:
            raise Forbidden(
                "Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated "
                f"trust id: {parent.id}"
            )
        if new.project_id != parent.project_id:
            raise Forbidden("A trust is passed on for its own project only")
