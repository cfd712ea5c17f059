"""How much a project uses, and how much it may."""

from __future__ import annotations

from pileus.kernel.context import Ctx
from pileus.kernel.quota import limits
from pileus.services.image.images import service as images
from pileus.services.image.quotas import KINDS


async def usage(ctx: Ctx) -> dict[str, dict[str, int]]:
    """By the resource: in use, and the limit (-1: none)."""
    project_id = ctx.caller.project_id or ""
    bounds = await limits(ctx, "image", [kind.resource for kind in KINDS], project_id)
    used = await images.usage(ctx, project_id)
    return {resource: {"usage": used[resource], "limit": limit} for resource, limit in bounds.items()}
