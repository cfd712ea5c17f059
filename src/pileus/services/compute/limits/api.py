"""/limits: what the API shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.http import Query
from pileus.services.compute.http import api, asked
from pileus.services.compute.quota_sets import service

MOST = {
    "ram": "maxTotalRAMSize",
    "instances": "maxTotalInstances",
    "cores": "maxTotalCores",
    "key_pairs": "maxTotalKeypairs",
    "floating_ips": "maxTotalFloatingIps",
    "metadata_items": "maxServerMeta",
    "injected_files": "maxPersonality",
    "injected_file_content_bytes": "maxPersonalitySize",
    "security_groups": "maxSecurityGroups",
    "security_group_rules": "maxSecurityGroupRules",
    "server_groups": "maxServerGroups",
    "server_group_members": "maxServerGroupMembers",
}
USED = {
    "ram": "totalRAMUsed",
    "instances": "totalInstancesUsed",
    "cores": "totalCoresUsed",
    "floating_ips": "totalFloatingIpsUsed",
    "security_groups": "totalSecurityGroupsUsed",
    "server_groups": "totalServerGroupsUsed",
}


@api.get("/v2.1/limits", rule="os_compute_api:limits", wrap="limits")
async def show_limits(ctx: Ctx, query: Query) -> dict[str, Any]:
    given = asked(ctx, query, ("tenant_id",))
    project_id = ctx.caller.project_id or ""
    if "tenant_id" in given:
        ctx.world.policy.check("os_compute_api:limits:other_project", ctx.caller, {})
        project_id = given["tenant_id"]
    names = service.resources(networks=not ctx.at("2.36"), files=not ctx.at("2.57"))
    levels = await service.levels(ctx, project_id, names)
    absolute = {MOST[name]: level.limit for name, level in levels.items() if name in MOST}
    if not ctx.at("2.39"):
        absolute["maxImageMeta"] = absolute["maxServerMeta"]
    absolute |= {USED[name]: level.used for name, level in levels.items() if name in USED}
    return {"rate": [], "absolute": absolute}
