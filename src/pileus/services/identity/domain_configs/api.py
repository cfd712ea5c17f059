"""/v3/domains/{id}/config: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer
from pileus.services.identity.domain_configs import service
from pileus.services.identity.domains import service as domains
from pileus.services.identity.domains.service import Project
from pileus.services.identity.http import api, require, sought

ALL = "/v3/domains/{domain_id}/config"
GROUP = ALL + "/{group}"
OPTION = GROUP + "/{option}"
COMPLIANCE = ALL + "/security_compliance"


def target(domain: Project) -> dict[str, Any]:
    return {"target.domain.id": domain.id}


async def check_domain(ctx: Ctx, domain_id: str) -> None:
    """Raises Forbidden, NotFound."""
    await sought(ctx, domains.get(ctx, domain_id), target)


@api.put(ALL, rule="identity:create_domain_config", wrap="config", status=201)
async def create_config(ctx: Ctx, domain_id: str, body: dict[str, Any]) -> Answer:
    await check_domain(ctx, domain_id)
    config, first = await service.create(ctx, domain_id, body)
    return Answer({"config": config}, 201 if first else 200)


# shown


@api.get(ALL, rule="identity:get_domain_config", wrap="config")
async def show_config(ctx: Ctx, domain_id: str) -> dict[str, Any]:
    await check_domain(ctx, domain_id)
    return await service.get(ctx, domain_id)


@api.get(GROUP, rule="identity:get_domain_config", wrap="config")
async def show_group(ctx: Ctx, domain_id: str, group: str) -> dict[str, Any]:
    await check_domain(ctx, domain_id)
    return await service.get(ctx, domain_id, group)


@api.get(OPTION, rule="identity:get_domain_config", wrap="config")
async def show_option(ctx: Ctx, domain_id: str, group: str, option: str) -> dict[str, Any]:
    await check_domain(ctx, domain_id)
    return await service.get(ctx, domain_id, group, option)


@api.get(COMPLIANCE, rule="identity:get_security_compliance_domain_config", wrap="config")
async def show_compliance(ctx: Ctx, domain_id: str) -> dict[str, Any]:
    require(ctx, {"target.domain.id": domain_id})
    return service.compliance(ctx, domain_id)


@api.get(COMPLIANCE + "/{option}", rule="identity:get_security_compliance_domain_config", wrap="config")
async def show_compliance_option(ctx: Ctx, domain_id: str, option: str) -> dict[str, Any]:
    require(ctx, {"target.domain.id": domain_id})
    return service.compliance(ctx, domain_id, option)


# changed


@api.patch(ALL, rule="identity:update_domain_config", wrap="config")
async def change_config(ctx: Ctx, domain_id: str, body: dict[str, Any]) -> dict[str, Any]:
    await check_domain(ctx, domain_id)
    return await service.change(ctx, domain_id, body)


@api.patch(GROUP, rule="identity:update_domain_config", wrap="config")
async def change_group(ctx: Ctx, domain_id: str, group: str, body: dict[str, Any]) -> dict[str, Any]:
    await check_domain(ctx, domain_id)
    return await service.change(ctx, domain_id, body, group)


@api.patch(OPTION, rule="identity:update_domain_config", wrap="config")
async def change_option(ctx: Ctx, domain_id: str, group: str, option: str, body: dict[str, Any]) -> dict[str, Any]:
    await check_domain(ctx, domain_id)
    return await service.change(ctx, domain_id, body, group, option)


# deleted


@api.delete(ALL, rule="identity:delete_domain_config", status=204)
async def delete_config(ctx: Ctx, domain_id: str) -> None:
    await check_domain(ctx, domain_id)
    await service.delete(ctx, domain_id)


@api.delete(GROUP, rule="identity:delete_domain_config", status=204)
async def delete_group(ctx: Ctx, domain_id: str, group: str) -> None:
    await check_domain(ctx, domain_id)
    await service.delete(ctx, domain_id, group)


@api.delete(OPTION, rule="identity:delete_domain_config", status=204)
async def delete_option(ctx: Ctx, domain_id: str, group: str, option: str) -> None:
    await check_domain(ctx, domain_id)
    await service.delete(ctx, domain_id, group, option)


# what counts where nothing is said

DEFAULT = "/v3/domains/config"


@api.get(DEFAULT + "/default", rule="identity:get_domain_config_default", wrap="config")
async def show_defaults(ctx: Ctx) -> dict[str, Any]:
    require(ctx, {})
    return service.defaults(ctx)


@api.get(DEFAULT + "/{group}/default", rule="identity:get_domain_config_default", wrap="config")
async def show_defaults_of_group(ctx: Ctx, group: str) -> dict[str, Any]:
    require(ctx, {})
    return service.defaults(ctx, group)


@api.get(DEFAULT + "/{group}/{option}/default", rule="identity:get_domain_config_default", wrap="config")
async def show_default_of_option(ctx: Ctx, group: str, option: str) -> dict[str, Any]:
    require(ctx, {})
    return service.defaults(ctx, group, option)
