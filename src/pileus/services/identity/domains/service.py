"""Domains: the projects that act as domains, by the names of this noun."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Query
from pileus.services.identity.lists import Found
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Plan, Project

__all__ = ["Project", "change", "create", "delete", "delete_all", "get", "page", "plan", "shown"]

ID = re.compile(r"[0-9a-f]{32}")

shown = projects.shown_domain


async def get(ctx: Ctx, domain_id: str) -> Project:
    """The domain of that id. Raises NotFound."""
    return await projects.get(ctx, domain_id, domain=True)


async def page(ctx: Ctx, query: Query, *, domain_id: str | None) -> Found[Project]:
    """The domains that the query string asks for; at most this one, or of all (None). Raises BadRequest."""
    return await projects.domains_page(ctx, query, domain_id)


async def create(ctx: Ctx, name: str, facts: Mapping[str, Any], *, domain_id: str | None = None) -> Project:
    """A domain, with an id of the caller's choice if that is said. Raises BadRequest, Conflict."""
    if domain_id is not None and ID.fullmatch(domain_id) is None:
        raise BadRequest("Domain ID does not conform to required UUID format.")
    return await projects.create(ctx, name, project_id=domain_id, parent_id=None, domain_id=None, facts=facts)


async def change(ctx: Ctx, domain_id: str, wanted: Mapping[str, Any]) -> Project:
    """Write what is wanted: see `projects.change`. Raises NotFound, BadRequest, Forbidden, Conflict."""
    return await projects.change(ctx, domain_id, wanted, domain=True)


async def plan(ctx: Ctx, domain_id: str) -> Plan:
    """What goes with the domain if all of it is deleted. Raises NotFound."""
    return await projects.plan(ctx, domain_id, domain=True)


async def delete(ctx: Ctx, domain_id: str) -> None:
    """Delete a disabled domain and whatever is in it, if its projects own nothing. Raises NotFound, Forbidden, StillOwns."""
    await projects.delete(ctx, domain_id, domain=True)


async def delete_all(ctx: Ctx, domain_id: str) -> tuple[Plan, UUID | None]:
    """Delete a disabled domain with all that its projects own. See `projects.delete_all`."""
    return await projects.delete_all(ctx, domain_id, domain=True)
