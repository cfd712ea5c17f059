"""The overlay of this cloud, as operations reach it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pileus.kernel import hosts
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Unavailable
from pileus.kernel.operations import Op

KIND = "overlay"


async def controller(ctx: Ctx) -> str:
    """The host whose agent writes the overlay: `network.controller`, or the one that joined first. Raises Unavailable."""
    named = ctx.world.config.network.controller
    if named:
        return named
    first = await hosts.first(ctx)
    if first is None:
        raise Unavailable("There is no host yet that could hold networks.")
    return first


async def overlay(op: Op, ctx: Ctx | None = None) -> Any:
    """The engine of this operation; `ctx`: an open read of it. Raises Unavailable, HostDown."""
    return op.engine(KIND, await controller(ctx or op.ctx))


async def gone(op: Op, verb: str, subject_id: UUID) -> Any:
    """Say that a thing is gone. A controller that is down is waited for: there is no other that could hold it."""
    return await getattr(await overlay(op), verb)(subject_id)
