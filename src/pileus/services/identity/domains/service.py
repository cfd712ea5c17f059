"""Domains: the projects that act as domains, by the names of this noun."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pileus.kernel.context import Ctx
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Project

__all__ = ["Project", "change", "create", "get", "list_", "shown"]


shown = projects.shown_domain


async def get(ctx: Ctx, domain_id: str) -> Project:
    """The domain of that id. Raises NotFound."""
    return await projects.get(ctx, domain_id, domain=True)


async def list_(ctx: Ctx, columns: Mapping[str, Any]) -> list[Project]:
    """The domains with these columns, by id."""
    return await projects.list_(ctx, {**columns, "is_domain": True})


async def create(ctx: Ctx, name: str, facts: Mapping[str, Any]) -> Project:
    """A domain. Raises Conflict."""
    return await projects.create(ctx, name, parent_id=None, domain_id=None, facts=facts)


async def change(ctx: Ctx, domain_id: str, wanted: Mapping[str, Any]) -> Project:
    """Write these columns. Raises NotFound, BadRequest, Forbidden, Conflict."""
    return await projects.change(ctx, domain_id, wanted, domain=True)
