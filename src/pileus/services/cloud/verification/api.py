"""/v1/verify"""

from __future__ import annotations

from typing import Any

import msgspec

from pileus.kernel.context import Ctx
from pileus.services.cloud.http import api
from pileus.services.cloud.verification import service


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """Which checks, by name; none named: all."""

    checks: list[str] = []


@api.post("/v1/verify", rule="pileus:verify", wrap_body="verify", wrap="report", atomic=False)
async def verify_cloud(ctx: Ctx, body: Wanted) -> dict[str, Any]:
    report = await service.verify(ctx, body.checks)
    return {"clean": report.clean, **msgspec.to_builtins(report)}
