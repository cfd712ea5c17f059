"""/v2.0/quotas"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.http import Body, Query
from pileus.services.identity.projects import service as projects
from pileus.services.network.http import api, given, only, owned
from pileus.services.network.quota_sets import service

Limit = Annotated[int, Meta(ge=-1, le=2**31 - 1)]


class QuotaChange(Body, frozen=True):
    network: Limit | UnsetType = UNSET
    subnet: Limit | UnsetType = UNSET
    port: Limit | UnsetType = UNSET
    router: Limit | UnsetType = UNSET
    floatingip: Limit | UnsetType = UNSET
    security_group: Limit | UnsetType = UNSET
    security_group_rule: Limit | UnsetType = UNSET
    rbac_policy: Limit | UnsetType = UNSET
    subnetpool: Limit | UnsetType = UNSET
    project_id: str | UnsetType = UNSET
    tenant_id: str | UnsetType = UNSET
    force: bool | UnsetType = UNSET
    check_limit: bool | UnsetType = UNSET


@api.get("/v2.0/quotas", rule="get_quota", wrap="quotas")
async def list_quotas(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    """Of the projects that have limits of their own: for administrators."""
    ctx.require({"project_id": None})
    found = [{**owned(each), **await service.of_project(ctx, each)} for each in await service.with_own(ctx)]
    asked = [*query.get("project_id", ()), *query.get("tenant_id", ())]
    return [only(query, each) for each in found if not asked or each["project_id"] in asked]


@api.get("/v2.0/quotas/{quota_project_id}", rule="get_quota", wrap="quota")
async def show_quota(ctx: Ctx, quota_project_id: str) -> dict[str, Any]:
    if quota_project_id in ("tenant", "project"):  # whose is the caller's
        return owned(ctx.caller.project_id or "")
    ctx.require({"project_id": quota_project_id})
    return {**await service.of_project(ctx, quota_project_id)}


@api.get("/v2.0/quotas/{quota_project_id}/default", rule="get_quota", wrap="quota")
async def show_defaults(ctx: Ctx, quota_project_id: str) -> dict[str, Any]:
    ctx.require({"project_id": quota_project_id})
    return {**await service.defaults(ctx)}


@api.get("/v2.0/quotas/{quota_project_id}/details", rule="get_quota", wrap="quota")
async def show_details(ctx: Ctx, quota_project_id: str) -> dict[str, Any]:
    ctx.require({"project_id": quota_project_id})
    return {**await service.levels(ctx, quota_project_id)}


@api.get("/v2.0/quotas/{quota_project_id}/details.json", rule="get_quota", wrap="quota")
async def show_details_as_clients_ask(ctx: Ctx, quota_project_id: str) -> dict[str, Any]:
    return await show_details(ctx, quota_project_id)


@api.put("/v2.0/quotas/{quota_project_id}", rule="update_quota", wrap="quota", lax=True)
async def change_quota(ctx: Ctx, quota_project_id: str, body: QuotaChange) -> dict[str, Any]:
    await known(ctx, quota_project_id)
    wanted = {name: limit for name, limit in given(body).items() if name in service.RESOURCES}
    await service.change(ctx, quota_project_id, wanted)
    return {**await service.of_project(ctx, quota_project_id)}


@api.delete("/v2.0/quotas/{quota_project_id}", rule="delete_quota", status=204)
async def delete_quota(ctx: Ctx, quota_project_id: str) -> None:
    await known(ctx, quota_project_id)
    await service.clear(ctx, quota_project_id)


async def known(ctx: Ctx, project_id: str) -> None:
    """Raises NotFound."""
    if await projects.find(ctx, project_id) is None:
        raise NotFound(f"Quota for tenant {project_id[:80]} could not be found.", type="TenantQuotaNotFound")
