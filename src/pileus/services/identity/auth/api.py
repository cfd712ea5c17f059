"""POST /v3/auth/tokens, and what a caller may log in to."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.auth import rules, service
from pileus.services.identity.catalog import service as catalog
from pileus.services.identity.http import api, cloud, listed
from pileus.services.identity.methods import Attempt
from pileus.services.identity.projects import service as projects
from pileus.services.identity.tokens import service as tokens


@api.post("/v3/auth/tokens", anonymous=True, status=201, atomic=False)
async def issue_token(ctx: Ctx, body: dict[str, Any], query: Query, request: Request, here: Here) -> Answer:
    auth = rules.auth_of(body)
    made = await service.login(ctx, auth, Attempt(request, here, auth.scope))
    if isinstance(made, service.Asked):
        return Answer(made.document, 401, headers={service.RECEIPT: made.text})
    text, valid = made
    document = await tokens.document(ctx, valid, None if "nocatalog" in query else cloud(here))
    return Answer({"token": document}, headers={"X-Subject-Token": text})


@api.get("/v3/auth/catalog", rule="identity:get_auth_catalog")
async def show_catalog(ctx: Ctx, here: Here) -> dict[str, Any]:
    if ctx.caller.project_id is None:
        raise Forbidden("A project-scoped token is required to produce a service catalog.")
    offered = await catalog.now(ctx, base=cloud(here), user_id=ctx.caller.user_id, project_id=ctx.caller.project_id)
    return {"catalog": offered, "links": {"self": here.url("/v3/auth/catalog")}}


@api.get("/v3/OS-FEDERATION/projects", rule="identity:get_auth_projects")  # the older name
@api.get("/v3/auth/projects", rule="identity:get_auth_projects")
async def list_projects(ctx: Ctx, query: Query, here: Here) -> Answer:
    found = await assignments.projects_of(ctx, ctx.caller.user_id, query, enabled=True)
    return listed(here, "projects", projects.shown, found)


@api.get("/v3/OS-FEDERATION/domains", rule="identity:get_auth_domains")  # the older name
@api.get("/v3/auth/domains", rule="identity:get_auth_domains")
async def list_domains(ctx: Ctx, query: Query, here: Here) -> Answer:
    found = await assignments.domains_of(ctx, ctx.caller.user_id, query)
    return listed(here, "domains", projects.shown_domain, found)


@api.get("/v3/auth/system", rule="identity:get_auth_system")
async def list_system(ctx: Ctx, here: Here) -> dict[str, Any]:
    may = await assignments.on_system(ctx, ctx.caller.user_id)
    return {"system": [{"all": True}] if may else [], "links": {"self": here.url("/v3/auth/system")}}
