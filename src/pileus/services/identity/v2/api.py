"""/v2.0: logging in, the own tenants, and what a token is worth."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request

from pileus.kernel.context import Ctx
from pileus.kernel.errors import WHO, NotFound, Unauthorized
from pileus.kernel.http import Here, Query
from pileus.kernel.paging import collection_links
from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.auth import service as auth
from pileus.services.identity.http import api, cloud, sought
from pileus.services.identity.methods import Attempt
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import DEFAULT
from pileus.services.identity.tokens import service as tokens
from pileus.services.identity.tokens.service import Valid
from pileus.services.identity.v2 import words
from pileus.services.identity.v2.words import Login


@api.post("/v2.0/tokens", anonymous=True, wrap="access", wrap_body="auth", atomic=False)
async def issue_token(ctx: Ctx, body: Login, request: Request, here: Here) -> dict[str, Any]:
    wanted = words.as_v3(body)
    made = await auth.login(ctx, wanted, Attempt(request, here, wanted.scope))
    if isinstance(made, auth.Asked):
        raise Unauthorized(WHO)  # this old API cannot ask for more
    text, valid = made
    return await access(ctx, text, valid, here)


@api.get("/v2.0/tokens/{token_id}", rule="identity:validate_token", wrap="access")
async def validate_token(ctx: Ctx, token_id: str, here: Here) -> dict[str, Any]:
    """The token stands in the path: the log does not show it."""
    valid = await sought(ctx, tokens.subject(ctx, token_id), target)
    if valid.caller.reach is not None:
        raise NotFound("Failed to validate token")  # who asks here knows nothing of access rules
    return await access(ctx, token_id, valid, here)


@api.get("/v2.0/tenants", rule="identity:get_auth_projects")
async def list_tenants(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    asked = {name: query[name] for name in ("limit", "marker") if name in query} | {"domain_id": [DEFAULT]}
    found = await assignments.projects_of(ctx, ctx.caller.user_id, asked, enabled=True)
    links = collection_links(here, "tenants", found.page)
    return {"tenants": [words.tenant(each) for each in found.items], "tenants_links": [], **links}


def target(valid: Valid) -> dict[str, Any]:
    return {"target.token.user_id": valid.caller.user_id}


async def access(ctx: Ctx, text: str, valid: Valid, here: Here) -> dict[str, Any]:
    """What a token brings. Raises Unauthorized for one that has to do with another domain."""
    document = await tokens.document(ctx, valid, cloud(here))
    words.check_default_domain(document)
    project_id = valid.token.scope.project_id
    project = await projects.get(ctx, project_id) if project_id else None
    catalog = msgspec.json.decode(document["catalog"]) if "catalog" in document else []
    return words.access(document, catalog, text, project)
