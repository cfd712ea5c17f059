"""/v3/domains: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here, Query
from pileus.services.identity.domains import service
from pileus.services.identity.domains.service import Project
from pileus.services.identity.http import api, collection, divided, filters, given, member, require, sought

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\S")]


class CreateDomain(msgspec.Struct):
    name: Name
    enabled: bool = True
    description: str | None = None


class ChangeDomain(msgspec.Struct):
    name: Name | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


def target(domain: Project) -> dict[str, Any]:
    return {"target.domain.id": domain.id}


@api.get("/v3/domains", rule="identity:list_domains")
async def list_domains(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    own = ctx.caller.domain_id
    require(ctx, {"target.domain.id": own})
    found = await service.list_(ctx, filters(query, ("name",), ("enabled",)))
    return collection(here, "domains", [service.shown(each) for each in found if own in (None, each.id)])


@api.get("/v3/domains/{domain_id}", rule="identity:get_domain", wrap="domain")
async def show_domain(ctx: Ctx, domain_id: str, here: Here) -> dict[str, Any]:
    return member(here, "domains", service.shown(await sought(ctx, service.get(ctx, domain_id), target)))


@api.post("/v3/domains", rule="identity:create_domain", wrap="domain", status=201)
async def create_domain(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, {})
    sent, extra = divided(body, CreateDomain, "domain")
    facts = {"enabled": sent.enabled, "description": sent.description, "extra": extra}
    return member(here, "domains", service.shown(await service.create(ctx, sent.name, facts)))


@api.patch("/v3/domains/{domain_id}", rule="identity:update_domain", wrap="domain")
async def change_domain(ctx: Ctx, domain_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    before = await sought(ctx, service.get(ctx, domain_id), target)
    sent, extra = divided(body, ChangeDomain, "domain")
    wanted = given(sent)
    if "description" in wanted:
        wanted["description"] = wanted["description"] or ""
    if extra:
        wanted["extra"] = {**before.extra, **extra}
    return member(here, "domains", service.shown(await service.change(ctx, domain_id, wanted)))
