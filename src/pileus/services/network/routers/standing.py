"""What stands on a router and is declared by who knows it: floating IPs.

@standing.source                                    # in the noun above
async def of_router(ctx: Ctx, router_id: UUID) -> list[Standing]: ...

@of_router.applied
async def mark(ctx: Ctx, router_id: UUID, ids: Sequence[UUID]) -> None: ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx


class Standing(msgspec.Struct, frozen=True):
    """An address outside that a router translates to one inside."""

    id: UUID
    external: str
    internal: str
    port_id: UUID


Of = Callable[[Ctx, UUID], Awaitable[Sequence[Standing]]]
Applied = Callable[[Ctx, UUID, Sequence[UUID]], Awaitable[None]]


class Source:
    """Who knows what stands on routers."""

    def __init__(self, of_router: Of) -> None:
        self.of_router = of_router
        self.applied_run: Applied | None = None

    def applied(self, call: Applied) -> Applied:
        """Declare what happens, in the open transaction, when the overlay has a router with these and no others."""
        self.applied_run = call
        return call


_sources: list[Source] = []


def source(of_router: Of) -> Source:
    """Declare what stands on a router."""
    _sources.append(made := Source(of_router))
    return made


async def of_router(ctx: Ctx, router_id: UUID) -> list[Standing]:
    """All that stands on it."""
    return [each for known in _sources for each in await known.of_router(ctx, router_id)]


async def applied(ctx: Ctx, router_id: UUID, ids: Sequence[UUID]) -> None:
    """The overlay has the router with these."""
    for known in _sources:
        if known.applied_run is not None:
            await known.applied_run(ctx, router_id, ids)
