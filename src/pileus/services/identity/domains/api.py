"""/v3/domains: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.domains import service
from pileus.services.identity.domains.service import Project
from pileus.services.identity.http import (
    Cascade,
    Options,
    api,
    changes,
    divided,
    given,
    listed,
    member,
    removed,
    require,
    sought,
)

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]
Description = Annotated[str, Meta(max_length=255)]
Tag = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^,/]*$")]
OF_PROJECTS = frozenset({"domain_id", "parent_id", "is_domain"})


class CreateDomain(msgspec.Struct):
    name: Name
    explicit_domain_id: str | None = None
    enabled: bool = True
    description: Description | None = ""
    options: Options = msgspec.field(default_factory=Options)
    tags: list[Tag] = []


class ChangeDomain(msgspec.Struct):
    name: Name | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    options: Options | UnsetType = UNSET
    tags: list[Tag] | UnsetType = UNSET


def target(domain: Project) -> dict[str, Any]:
    return {"target.domain.id": domain.id}


def facts(sent: msgspec.Struct, extra: dict[str, Any]) -> dict[str, Any]:
    """What was sent, as `service.create` and `service.change` take it."""
    said = msgspec.to_builtins(given(sent))
    extra = {name: value for name, value in extra.items() if name not in OF_PROJECTS}
    return {**said, "extra": extra} if extra else said


@api.get("/v3/domains", rule="identity:list_domains")
async def list_domains(ctx: Ctx, query: Query, here: Here) -> Answer:
    own = ctx.caller.domain_id
    require(ctx, {"target.domain.id": own})
    return listed(here, "domains", service.shown, await service.page(ctx, query, domain_id=own))


@api.get("/v3/domains/{domain_id}", rule="identity:get_domain", wrap="domain")
async def show_domain(ctx: Ctx, domain_id: str, here: Here) -> dict[str, Any]:
    return member(here, "domains", service.shown(await sought(ctx, service.get(ctx, domain_id), target)))


@api.post("/v3/domains", rule="identity:create_domain", wrap="domain", status=201)
async def create_domain(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, {})
    sent, extra = divided(body, CreateDomain, "domain")
    made = await service.create(ctx, sent.name, facts(sent, extra), domain_id=sent.explicit_domain_id)
    return member(here, "domains", service.shown(made))


@api.patch("/v3/domains/{domain_id}", rule="identity:update_domain", wrap="domain", late=True)
async def change_domain(ctx: Ctx, domain_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    """Who may read every domain is told of a missing one, as in Keystone, before being told to change none."""
    if ctx.world.policy.allows("identity:get_domain", ctx.caller, {}):
        require(ctx, target(await service.get(ctx, domain_id)))
    else:
        await sought(ctx, service.get(ctx, domain_id), target)
    sent, extra = changes(body, ChangeDomain, "domain", domain_id)
    return member(here, "domains", service.shown(await service.change(ctx, domain_id, facts(sent, extra))))


@api.delete("/v3/domains/{domain_id}", rule="identity:delete_domain", status=204)
async def delete_domain(ctx: Ctx, domain_id: str, query: Cascade) -> Answer:
    await sought(ctx, service.get(ctx, domain_id), target)
    return await removed(ctx, service, domain_id, query)
