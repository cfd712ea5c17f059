"""What administrators note of agents. Only this noun imports this module."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pileus.kernel.context import Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.operations.start import insert_for

agents = sa.Table(
    "network_agent",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # made of the host's
    sa.Column("description", Text),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
)


async def notes(ctx: Ctx) -> dict[UUID, tuple[str | None, bool]]:
    """Of each agent of which something is noted: its description, and whether it is wanted up."""
    return {row.id: (row.description, row.admin_state_up) for row in await ctx.execute(sa.select(agents))}


async def note(ctx: Ctx, agent_id: UUID, **columns: Any) -> None:
    new = insert_for(ctx, agents).values(id=agent_id, **columns)
    await ctx.execute(new.on_conflict_do_update(index_elements=[agents.c.id], set_=columns))
