"""What ports ask of security groups. Their noun stands above ports, and registers itself at import."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from pileus.kernel.context import Ctx


class GroupSource(Protocol):
    """The security groups that ports can be in."""

    async def defaults(self, ctx: Ctx, project_ids: Collection[str]) -> dict[str, UUID]:
        """In the open transaction: the group of each project that its ports are in unless they say otherwise.

        It is made where there is none yet.
        """
        ...

    async def check(
        self, ctx: Ctx, group_ids: Collection[UUID], project_id: str, *, keeps: Collection[UUID] = ()
    ) -> None:
        """Raises NotFound for one that a port of this project cannot be in: neither the project's nor shared with it;
        Conflict for those that cannot be together. `keeps`: those that it is in already."""
        ...


class NoGroups:
    """Before there are any."""

    async def defaults(self, ctx: Ctx, project_ids: Collection[str]) -> dict[str, UUID]:
        return {}

    async def check(
        self, ctx: Ctx, group_ids: Collection[UUID], project_id: str, *, keeps: Collection[UUID] = ()
    ) -> None:
        return None


class GroupHook:
    """The source in use."""

    def __init__(self) -> None:
        self.source: GroupSource = NoGroups()

    def register(self, source: GroupSource) -> None:
        self.source = source


group_hook = GroupHook()
