"""/v3/OS-REVOKE/events: what was revoked, for services that validate tokens on their own."""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.http import Here, Query
from pileus.kernel.paging import identity_links
from pileus.services.identity.http import api, require
from pileus.services.identity.revocations import service
from pileus.services.identity.revocations.service import Revocation

OWN = frozenset({"id", "revision", "expires_at"})
TIMES = ("issued_before", "revoked_at")


def shown(revocation: Revocation) -> dict[str, Any]:
    said = {k: v for k, v in msgspec.structs.asdict(revocation).items() if v is not None and k not in OWN}
    return {**said, **{name: iso(said[name], microseconds=True) for name in TIMES}}


@api.get("/v3/OS-REVOKE/events", rule="identity:list_revoke_events")
async def list_revoke_events(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    require(ctx, {})
    found = await service.page(ctx, query)
    return {"events": [shown(each) for each in found.items], **identity_links(here, found.page)}
