"""/v3/users/{user_id}/application_credentials and access_rules: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.http import Answer, Body, Here, Query
from pileus.services.identity.application_credentials import service
from pileus.services.identity.application_credentials.service import AccessRule, ApplicationCredential
from pileus.services.identity.grounds import refuse_delegated, refuse_restricted
from pileus.services.identity.http import api, listed, member, require
from pileus.services.identity.roles import service as roles
from pileus.services.identity.times import expiry, shown_time

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9-]+\Z")]
Secret = Annotated[str, Meta(max_length=4096)]

THINGS = "application credentials"
MANY = "/v3/users/{user_id}/application_credentials"
ONE = MANY + "/{application_credential_id}"
RULES = "/v3/users/{user_id}/access_rules"
RULE = RULES + "/{access_rule_id}"


class Role(Body, frozen=True):
    id: Id | None = None
    name: Name | None = None


class Rule(Body, frozen=True):
    id: Id | None = None
    path: Annotated[str, Meta(max_length=225, pattern="^/")] | None = None
    service: Id | None = None
    method: Literal["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"] | None = None


class CreateApplicationCredential(Body, frozen=True):
    name: Name
    secret: Secret | None = None
    description: str | None = None
    expires_at: str | None = None
    unrestricted: bool | None = None
    roles: tuple[Role, ...] = ()
    access_rules: tuple[Rule, ...] = ()
    id: str | None = None  # these three are taken, as by Keystone, and count for nothing
    project_id: str | None = None
    system: str | None = None


def shown(found: ApplicationCredential) -> dict[str, Any]:
    row = found.row
    document = {
        "id": row.id,
        "name": row.name,
        "description": row.description,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "system": None,
        "expires_at": shown_time(row.expires_at),
        "unrestricted": row.unrestricted,
        "roles": [roles.shown_bare(role) for role in found.roles],
    }
    if found.access_rules:
        document["access_rules"] = [shown_rule(rule) for rule in found.access_rules]
    return document


def shown_rule(rule: AccessRule) -> dict[str, Any]:
    return {"id": rule.id, "service": rule.service, "path": rule.path, "method": rule.method}


def permitted(ctx: Ctx, user_id: str) -> None:
    require(ctx, {"user_id": user_id})
    refuse_delegated(ctx, THINGS)


async def asked_for(ctx: Ctx, user_id: str, credential_id: str) -> ApplicationCredential:
    """Whose it is decides, not whose the path says it is. Raises NotFound, Forbidden."""
    found = await service.find(ctx, credential_id)
    permitted(ctx, found.row.user_id if found else user_id)
    if found is None:
        raise NotFound(f"Could not find Application Credential: {credential_id}.")
    return found


@api.get(MANY, rule="identity:list_application_credentials")
async def list_application_credentials(ctx: Ctx, user_id: str, query: Query, here: Here) -> Answer:
    permitted(ctx, user_id)
    found = await service.page(ctx, query, user_id)
    return listed(here, f"users/{user_id}/application_credentials", shown, found)


@api.get(ONE, rule="identity:get_application_credential", wrap="application_credential")
async def show_application_credential(
    ctx: Ctx, user_id: str, application_credential_id: str, here: Here
) -> dict[str, Any]:
    found = await asked_for(ctx, user_id, application_credential_id)
    return member(here, f"users/{found.row.user_id}/application_credentials", shown(found))


@api.post(MANY, rule="identity:create_application_credential", wrap="application_credential", status=201, atomic=False)
async def create_application_credential(
    ctx: Ctx, user_id: str, body: CreateApplicationCredential, here: Here
) -> dict[str, Any]:
    permitted(ctx, user_id)
    refuse_restricted(ctx, f"additional {THINGS}")
    made, secret = await service.create(ctx, new(ctx, body))
    return {**member(here, f"users/{user_id}/application_credentials", shown(made)), "secret": secret}


def new(ctx: Ctx, body: CreateApplicationCredential) -> service.New:
    if any((role.id is None) == (role.name is None) for role in body.roles):
        raise BadRequest("Invalid input for application_credential.roles: each is an id or a name.")
    return service.New(
        name=body.name,
        description=body.description,
        secret=body.secret,
        expires_at=expiry(ctx, body.expires_at) if body.expires_at else None,
        unrestricted=bool(body.unrestricted),
        roles=[service.WantedRole(role.id, role.name) for role in body.roles],
        access_rules=[service.WantedRule(each.id, each.service, each.path, each.method) for each in body.access_rules],
    )


@api.delete(ONE, rule="identity:delete_application_credential", status=204)
async def delete_application_credential(ctx: Ctx, user_id: str, application_credential_id: str) -> None:
    await asked_for(ctx, user_id, application_credential_id)
    refuse_restricted(ctx, f"additional {THINGS}")
    await service.delete(ctx, application_credential_id)


def permitted_rules(ctx: Ctx, user_id: str) -> None:
    require(ctx, {"target.user.id": user_id})
    refuse_delegated(ctx, THINGS)


@api.get(RULES, rule="identity:list_access_rules")
async def list_access_rules(ctx: Ctx, user_id: str, query: Query, here: Here) -> Answer:
    permitted_rules(ctx, user_id)
    return listed(here, f"users/{user_id}/access_rules", shown_rule, await service.rule_page(ctx, query, user_id))


@api.get(RULE, rule="identity:get_access_rule", wrap="access_rule")
async def show_access_rule(ctx: Ctx, user_id: str, access_rule_id: str, here: Here) -> dict[str, Any]:
    permitted_rules(ctx, user_id)
    rule = await service.get_rule(ctx, user_id, access_rule_id)
    return member(here, f"users/{user_id}/access_rules", shown_rule(rule))


@api.delete(RULE, rule="identity:delete_access_rule", status=204)
async def delete_access_rule(ctx: Ctx, user_id: str, access_rule_id: str) -> None:
    permitted_rules(ctx, user_id)
    await service.delete_rule(ctx, user_id, access_rule_id)
