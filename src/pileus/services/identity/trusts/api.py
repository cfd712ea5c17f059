"""/v3/OS-TRUST/trusts: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pileus.kernel.clock import iso
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.grounds import refuse_restricted
from pileus.services.identity.http import api, divided, listed, member, require
from pileus.services.identity.roles import service as roles
from pileus.services.identity.times import expiry
from pileus.services.identity.trusts import service
from pileus.services.identity.trusts.service import Role, Trust, Wanted

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
Id = Annotated[str, Meta(min_length=1, max_length=64)]

PATH = "OS-TRUST/trusts"
THINGS = "trusts"
PARTIES = {
    "trustor_user_id": "identity:list_trusts_for_trustor",
    "trustee_user_id": "identity:list_trusts_for_trustee",
}


class RoleRef(msgspec.Struct, forbid_unknown_fields=True):
    id: Id | None = None
    name: Name | None = None


class CreateTrust(msgspec.Struct):
    trustor_user_id: str
    trustee_user_id: str
    impersonation: bool
    project_id: str | None = None
    remaining_uses: Annotated[int, Meta(ge=1)] | None = None
    expires_at: str | None = None
    allow_redelegation: bool | None = None
    redelegation_count: Annotated[int, Meta(ge=0)] | None = None
    roles: tuple[RoleRef, ...] = ()
    redelegated_trust_id: Any = None  # these say themselves; what a caller says of them counts for nothing
    deleted_at: Any = None
    roles_links: Any = None


def shown(trust: Trust) -> dict[str, Any]:
    return {
        **trust.extra,
        "id": trust.id,
        "trustor_user_id": trust.trustor_user_id,
        "trustee_user_id": trust.trustee_user_id,
        "project_id": trust.project_id,
        "impersonation": trust.impersonation,
        "expires_at": None if trust.expires_at is None else iso(trust.expires_at, microseconds=True),
        "remaining_uses": trust.remaining_uses,
        "deleted_at": None,
        "redelegated_trust_id": trust.redelegated_trust_id,
        "redelegation_count": trust.redelegation_count,
    }


def shown_whole(here: Here, trust: Trust, roles: list[Role]) -> dict[str, Any]:
    links = {"self": here.url(f"/v3/{PATH}/{trust.id}/roles"), "next": None, "previous": None}
    document = {**shown(trust), "roles": [shown_role(here, role) for role in roles], "roles_links": links}
    return member(here, PATH, document)


def shown_role(here: Here, role: Role) -> dict[str, Any]:
    return member(here, "roles", roles.shown_bare(role))


async def asked_for(ctx: Ctx, trust_id: str) -> Trust:
    """The trust, for who has to do with it. Raises Forbidden, and NotFound when it is used up, has ended or is gone."""
    found = await service.find(ctx, trust_id)
    parties = {f"target.trust.{name}": getattr(found, name) for name in PARTIES} if found else {}
    require(ctx, parties)
    refuse_restricted(ctx, THINGS)
    if found is None or not found.usable(ctx.now()):
        raise NotFound(f"Could not find trust: {trust_id}.")
    return found


@api.get("/v3/OS-TRUST/trusts", rule="identity:list_trusts_for_trustor")
async def list_trusts(ctx: Ctx, query: Query, here: Here) -> Answer:
    said = {name: query[name][-1] for name in PARTIES if query.get(name, [""])[-1]}
    name = next(iter(said), "")
    rule = PARTIES.get(name, "identity:list_trusts")
    require(ctx, {f"target.trust.{name}": said[name]} if name else {}, rule=rule)
    refuse_restricted(ctx, THINGS)
    return listed(here, PATH, shown, await service.page(ctx, query, said))


@api.get("/v3/OS-TRUST/trusts/{trust_id}", rule="identity:get_trust", wrap="trust")
async def show_trust(ctx: Ctx, trust_id: str, here: Here) -> dict[str, Any]:
    trust = await asked_for(ctx, trust_id)
    return shown_whole(here, trust, await service.roles_of(ctx, trust))


@api.post("/v3/OS-TRUST/trusts", rule="identity:create_trust", wrap="trust", status=201)
async def create_trust(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    sent, extra = divided(body, CreateTrust, "trust")
    require(ctx, {"target.trust.trustor_user_id": sent.trustor_user_id})
    refuse_restricted(ctx, THINGS)
    if sent.project_id and not sent.roles:
        raise service.refused("At least one role should be specified")
    if any((role.id is None) == (role.name is None) for role in sent.roles):
        raise BadRequest("Invalid input for trust.roles: each is an id or a name.")
    trust, roles = await service.create(ctx, new(ctx, sent, extra))
    return shown_whole(here, trust, roles)


def new(ctx: Ctx, sent: CreateTrust, extra: dict[str, Any]) -> service.New:
    return service.New(
        trustor_user_id=sent.trustor_user_id,
        trustee_user_id=sent.trustee_user_id,
        project_id=sent.project_id or None,
        impersonation=sent.impersonation,
        expires_at=expiry(ctx, sent.expires_at) if sent.expires_at is not None else None,
        remaining_uses=sent.remaining_uses,
        roles=[(role.id, role.name) for role in sent.roles],
        redelegation=Wanted(
            allow_redelegation=bool(sent.allow_redelegation),
            redelegation_count=sent.redelegation_count,
        ),
        extra=extra,
    )


@api.delete("/v3/OS-TRUST/trusts/{trust_id}", rule="identity:delete_trust", status=204)
async def delete_trust(ctx: Ctx, trust_id: str) -> None:
    await service.delete(ctx, (await asked_for(ctx, trust_id)).id)


@api.get("/v3/OS-TRUST/trusts/{trust_id}/roles", rule="identity:list_roles_for_trust")
async def list_trust_roles(ctx: Ctx, trust_id: str, here: Here) -> dict[str, Any]:
    trust = await asked_for(ctx, trust_id)
    links = {"self": here.base + here.again(), "next": None, "previous": None}
    return {"roles": [shown_role(here, role) for role in await service.roles_of(ctx, trust)], "links": links}


@api.get("/v3/OS-TRUST/trusts/{trust_id}/roles/{role_id}", rule="identity:get_role_for_trust", wrap="role")
async def show_trust_role(ctx: Ctx, trust_id: str, role_id: str, here: Here) -> dict[str, Any]:
    return shown_role(here, await service.role(ctx, await asked_for(ctx, trust_id), role_id))
