"""What the scheduler asks of the rest of Compute: the one place that knows how."""

from __future__ import annotations

from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.services.compute.server_groups import service as server_groups


async def group(ctx: Ctx, group_id: UUID) -> tuple[str, int] | None:
    """The policy of a server group, and how many of it one host may have; None for one that is not there."""
    found = (await server_groups.by_ids(ctx, [group_id])).get(group_id)
    return None if found is None else (found.policy, found.most_on_host or 1)
