"""/v3/roles, and what roles imply: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.http import (
    Options,
    about,
    api,
    changes,
    divided,
    given,
    listed,
    member,
    merged,
    require,
    sought_all,
)
from pileus.services.identity.roles import service
from pileus.services.identity.roles.service import Role, shown

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
IMPLIES = "/v3/roles/{prior_id}/implies"
INFERENCE = IMPLIES + "/{implied_id}"


class CreateRole(msgspec.Struct):
    name: Name
    domain_id: str | None = None
    description: str | None = None
    options: Options | UnsetType = UNSET


class ChangeRole(msgspec.Struct):
    name: Name | UnsetType = UNSET
    domain_id: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET


def permit(ctx: Ctx, verb: str, domain_id: str | None, target: dict[str, Any]) -> None:
    """The rule of a domain's own roles is another than that of all others. Raises Forbidden."""
    require(ctx, target, rule=f"identity:{verb}" if domain_id is None else f"identity:{verb.replace('_', '_domain_')}")


async def sought_role(ctx: Ctx, role_id: str, verb: str) -> Role:
    """The role, for who may. That there is none of that id is told to everybody, as in Keystone.

    Ids of roles are no secrets: each token shows some. Tempest's tests of personas want the difference.
    """
    role = await service.get(ctx, role_id)
    permit(ctx, verb, role.domain_id, about("role", role))
    return role


@api.get("/v3/roles", rule="identity:list_roles", late=True)
async def list_roles(ctx: Ctx, query: Query, here: Here) -> Answer:
    domain_id = query.get("domain_id", [""])[-1] or None
    permit(ctx, "list_roles", domain_id, {"target.role.domain_id": domain_id})
    return listed(here, "roles", shown, await service.page(ctx, query, domain_id=domain_id))


@api.get("/v3/roles/{role_id}", rule="identity:get_role", wrap="role", late=True)
async def show_role(ctx: Ctx, role_id: str, here: Here) -> dict[str, Any]:
    return member(here, "roles", shown(await sought_role(ctx, role_id, "get_role")))


@api.post("/v3/roles", rule="identity:create_role", wrap="role", status=201, late=True)
async def create_role(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    sent, extra = divided(body, CreateRole, "role")
    permit(ctx, "create_role", sent.domain_id, {"target.role.name": sent.name, "target.role.domain_id": sent.domain_id})
    facts = {"description": sent.description, "options": merged({}, sent.options), "extra": extra}
    return member(here, "roles", shown(await service.create(ctx, sent.name, domain_id=sent.domain_id, facts=facts)))


@api.patch("/v3/roles/{role_id}", rule="identity:update_role", wrap="role", late=True)
async def change_role(ctx: Ctx, role_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    before = await sought_role(ctx, role_id, "update_role")
    sent, extra = changes(body, ChangeRole, "role", role_id)
    wanted = given(sent)
    if sent.options is not UNSET:
        wanted["options"] = merged(before.options, sent.options)
    if extra:
        wanted["extra"] = {**before.extra, **extra}
    return member(here, "roles", shown(await service.change(ctx, role_id, wanted)))


@api.delete("/v3/roles/{role_id}", rule="identity:delete_role", status=204, late=True)
async def delete_role(ctx: Ctx, role_id: str) -> None:
    await sought_role(ctx, role_id, "delete_role")
    await service.delete(ctx, role_id)


def brief(here: Here, role: Role) -> dict[str, Any]:
    return member(here, "roles", {"id": role.id, "name": role.name})


async def both(ctx: Ctx, prior_id: str, implied_id: str) -> list[Role]:
    return await sought_all(ctx, ("prior_role", service.get, prior_id), ("implied_role", service.get, implied_id))


def inference(here: Here, prior: Role, implied: Role) -> dict[str, Any]:
    return {
        "role_inference": {"prior_role": brief(here, prior), "implies": brief(here, implied)},
        "links": {"self": here.url(f"/v3/roles/{prior.id}/implies/{implied.id}")},
    }


@api.put(INFERENCE, rule="identity:create_implied_role", status=201)
async def imply(ctx: Ctx, prior_id: str, implied_id: str, here: Here) -> dict[str, Any]:
    prior, implied = await both(ctx, prior_id, implied_id)
    await service.imply(ctx, prior_id, implied_id)
    return inference(here, prior, implied)


@api.get(INFERENCE, rule="identity:get_implied_role")
async def show_implied(ctx: Ctx, prior_id: str, implied_id: str, here: Here) -> dict[str, Any]:
    prior, implied = await both(ctx, prior_id, implied_id)
    await service.implication(ctx, prior_id, implied_id)
    return inference(here, prior, implied)


@api.head(INFERENCE, rule="identity:check_implied_role", status=204)
async def check_implied(ctx: Ctx, prior_id: str, implied_id: str) -> None:
    await both(ctx, prior_id, implied_id)
    await service.implication(ctx, prior_id, implied_id)


@api.delete(INFERENCE, rule="identity:delete_implied_role", status=204)
async def imply_no_longer(ctx: Ctx, prior_id: str, implied_id: str) -> None:
    await both(ctx, prior_id, implied_id)
    await service.imply_no_longer(ctx, prior_id, implied_id)


@api.get(IMPLIES, rule="identity:list_implied_roles")
async def list_implied(ctx: Ctx, prior_id: str, here: Here) -> dict[str, Any]:
    [prior] = await sought_all(ctx, ("prior_role", service.get, prior_id))
    implied = await service.implied_by(ctx, prior_id)
    return {
        "role_inference": {"prior_role": brief(here, prior), "implies": [brief(here, each) for each in implied]},
        "links": {"self": here.url(f"/v3/roles/{prior_id}/implies")},
    }


@api.get("/v3/role_inferences", rule="identity:list_role_inference_rules", wrap="role_inferences")
async def list_inferences(ctx: Ctx, here: Here) -> list[dict[str, Any]]:
    require(ctx, {})
    return [
        {"prior_role": brief(here, prior), "implies": [brief(here, each) for each in implied]}
        for prior, implied in await service.inferences(ctx)
    ]
