"""Tokens: issue, validate, revoke.

What a token is worth is derived from the rows of its user, scope and roles and kept for as long as the revision stands:
validating a known token is one small SELECT and one look into a dict.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.clock import iso
from pileus.kernel.context import Caller, Ctx
from pileus.kernel.errors import WHO, NotFound, Unauthorized
from pileus.kernel.recent import Recent
from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.catalog import service as catalog
from pileus.services.identity.grounds import Ground, standing
from pileus.services.identity.keys import service as keys
from pileus.services.identity.methods import Proof
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Project
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revision.service import Revision
from pileus.services.identity.revocations import service as revocations
from pileus.services.identity.revocations.service import Bearer
from pileus.services.identity.roles import service as roles
from pileus.services.identity.roles.service import Role
from pileus.services.identity.service_providers import service as service_providers
from pileus.services.identity.tokens import rules
from pileus.services.identity.tokens.rules import Scope, Token
from pileus.services.identity.users import service as users
from pileus.services.identity.users.service import User

__all__ = [
    "Scope",
    "Token",
    "Valid",
    "authenticate",
    "caller_of",
    "document",
    "issue",
    "revoke",
    "subject",
    "validated",
]


class Valid(msgspec.Struct, frozen=True):
    """A token and what it is worth at one revision."""

    at: Revision
    token: Token
    caller: Caller
    document: dict[str, Any]  # as the API shows it, but for the catalogue


class Kept:
    """What this process remembers of tokens."""

    def __init__(self, limit: int) -> None:
        self.valid: Recent[bytes, Valid] = Recent(limit)


def kept(ctx: Ctx) -> Kept:
    found: Kept | None = ctx.world.memory.get(Kept)
    if found is None:
        found = ctx.world.memory[Kept] = Kept(ctx.world.config.identity.tokens_kept)
    return found


async def authenticate(ctx: Ctx, text: str, service: str = "") -> Caller:
    """Whose token this is, with all roles it brings. Raises Unauthorized. The first thing that a request does.

    `service`: the token of the service that sends the request in the user's name, if one does. It may go on for a while
    after the user's token has expired.
    """
    if not service:
        return (await validated(ctx, text)).caller
    sender = (await validated(ctx, service)).caller
    caller = (await validated(ctx, text, expired="service" in sender.roles)).caller
    facts = {
        "service_roles": sorted(sender.roles),
        "service_user_id": sender.user_id,
        "service_user_domain_id": sender.user_domain_id,
        "service_project_id": sender.project_id,
        "service_project_domain_id": sender.project_domain_id,
    }
    return replace(caller, facts={**caller.facts, **facts})


async def validated(ctx: Ctx, text: str, *, expired: bool = False) -> Valid:
    """What the token is worth now; `expired`: or was worth, if that is not long ago. Raises Unauthorized."""
    at: Revision = ctx.caller.facts.get("revision") or await revision.current(ctx)  # one look is enough for one request
    memory = kept(ctx)
    digest = hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()
    known = memory.valid.get(digest)
    token = known.token if known else rules.decode(text, await keys.ring(ctx, at))
    window_s = ctx.world.config.identity.allow_expired_window_s if expired else 0
    if token is None or token.expires_at + window_s <= ctx.now():
        raise Unauthorized(WHO)
    if known is not None and known.at == at:
        return known
    valid = await _worth(ctx, token, at)
    memory.valid.put(digest, valid)
    return valid


async def issue(ctx: Ctx, proof: Proof, scope: Scope, *, at: Revision) -> tuple[str, Valid]:
    """A new token, as text and as what it is worth. Raises Unauthorized when the user has no role in that scope.

    `at` is the revision at which the proof of who it is was begun to be looked at. The token ends no later than what it was
    made from.
    """
    valid = await _made(ctx, proof, scope, at)
    return rules.encode(valid.token, await keys.ring(ctx, valid.at)), valid


async def caller_of(ctx: Ctx, user_id: str, scope: Scope) -> Caller:
    """Who would ask with a token that the user got just now, by a password. Raises Unauthorized when there can be none."""
    at = await revision.current(ctx)
    return (await _made(ctx, Proof(user_id=user_id, methods=("password",)), scope, at)).caller


async def _made(ctx: Ctx, proof: Proof, scope: Scope, at: Revision) -> Valid:
    now = int(ctx.now())
    now_at = await revision.current(ctx)
    token = Token(
        user_id=proof.user_id,
        methods=proof.methods,
        scope=scope,
        issued_at=now,
        expires_at=min(now + ctx.world.config.identity.token_ttl_s, proof.expires_at or rules.NEVER),
        revision=at.number,
        audit_ids=(rules.audit_id(ctx.world.ids.bytes(16)), *([proof.chain_id] if proof.chain_id else ())),
        basis=proof.basis,
    )
    return await _worth(ctx, token, now_at)


async def document(ctx: Ctx, valid: Valid, cloud: str | None) -> dict[str, Any]:
    """The token as the API shows it, with the catalogue under the address `cloud` if that is said and it has a scope."""
    scope, shown = valid.token.scope, valid.document
    if others := await service_providers.told(ctx, valid.at):
        shown = {**shown, "service_providers": others}
    if cloud is None or scope.target_id is None:
        return shown
    user_id, project_id = valid.caller.user_id, scope.project_id
    offered = await catalog.of(ctx, valid.at, base=cloud, user_id=user_id, project_id=project_id)
    return {**shown, "catalog": offered}


async def subject(ctx: Ctx, text: str | None, *, expired: bool = False) -> Valid:
    """The token that somebody asks about. See `validated`. Raises NotFound."""
    if not text:
        raise NotFound("No token in the request")
    try:
        return await validated(ctx, text, expired=expired)
    except Unauthorized:
        raise NotFound("Could not find token: it is unknown, expired or revoked.") from None


async def revoke(ctx: Ctx, token: Token, *, cascade: bool = True) -> None:
    """Refuse the token from the next request on; with `cascade` also all that were made from it."""
    async with revision.change(ctx) as ctx:
        await revocations.add(ctx, audit_id=token.audit_ids[0])
        if cascade:
            await revocations.add(ctx, audit_chain_id=token.audit_ids[0])
        facts = {"user_id": token.user_id}
        await changed(ctx, "identity.token", "deleted", token.audit_ids[0], project_id=None, facts=facts)


async def _worth(ctx: Ctx, token: Token, at: Revision) -> Valid:
    scope = token.scope
    async with ctx.read() as ctx:
        ground = await standing(ctx, token.basis, token.user_id) if token.basis else None
        user = await users.find(ctx, ground.user_id if ground else token.user_id)
        if user is None or not user.enabled:
            raise Unauthorized(WHO)
        target, above = await _places(ctx, user, scope)
        if await _revoked(ctx, token, ground, [each.id for each in above.values() if each.is_domain]):
            raise Unauthorized(WHO)
        held = await _roles(ctx, token, ground, at) if scope.target_id else []
    if scope.target_id and not held:
        raise Unauthorized(WHO)
    if ground is not None and ground.expires_at is not None:
        token = msgspec.structs.replace(token, expires_at=min(token.expires_at, int(ground.expires_at)))
    shown = _document(token, user, above[user.domain_id])
    if scope.target_id:
        shown |= _scope_document(target, above, held)
    if ground is not None:
        shown |= ground.document
    return Valid(at, token, _caller(at, token, user, target, held, ground), shown)


async def _roles(ctx: Ctx, token: Token, ground: Ground | None, at: Revision) -> list[Role]:
    """The roles that the token brings in its scope, by name."""
    assert token.scope.target_id is not None
    grantor_id = ground.grantor_id if ground else token.user_id
    known = await roles.graph(ctx, at)
    held = await assignments.role_ids_of(ctx, grantor_id, token.scope.target_id, at)
    if ground is None:
        return known.counting(held)
    wanted = known.reached(ground.role_ids) if ground.with_implied else ground.role_ids
    return [] if ground.entire and not wanted <= held else known.counting(wanted & held)


async def _places(ctx: Ctx, user: User, scope: Scope) -> tuple[Project | None, dict[str, Project]]:
    """The project or domain of the scope, and all domains and projects concerned. Raises Unauthorized if one is disabled."""
    target_id = scope.project_id or scope.domain_id
    above = await projects.by_ids(ctx, {user.domain_id, target_id or user.domain_id})
    target = above.get(target_id) if target_id else None
    if target is not None and target.domain_id is not None and target.domain_id not in above:
        above |= await projects.by_ids(ctx, {target.domain_id})
    if target_id and (target is None or target.is_domain != (scope.domain_id is not None)):
        raise Unauthorized(WHO)
    if not all(each.enabled for each in above.values()):
        raise Unauthorized(WHO)
    return target, above


async def _revoked(ctx: Ctx, token: Token, ground: Ground | None, domain_ids: list[str]) -> bool:
    return await revocations.means(
        ctx,
        Bearer(
            revision=token.revision,
            audit_ids=token.audit_ids,
            user_ids={token.user_id, *((ground.user_id, ground.grantor_id) if ground else ())},
            project_id=token.scope.project_id,
            domain_ids=domain_ids,
        ),
    )


def _caller(
    at: Revision, token: Token, user: User, target: Project | None, held: list[Role], ground: Ground | None
) -> Caller:
    project = target if token.scope.project_id else None
    return Caller(
        user_id=user.id,
        user_name=user.name,
        user_domain_id=user.domain_id,
        project_id=project.id if project else None,
        project_domain_id=(project.domain_id or project.id) if project else None,
        domain_id=token.scope.domain_id,
        system=token.scope.system,
        roles=frozenset(role.name for role in held),
        token_id=token.audit_ids[0],
        expires_at=float(token.expires_at),
        facts={
            "revision": at,
            "methods": token.methods,
            "audit_ids": token.audit_ids,
            "basis": token.basis,
            "token_of": token.user_id,
            **(ground.facts if ground else {}),
        },
        reach=ground.reach if ground else None,
    )


def _document(token: Token, user: User, domain: Project) -> dict[str, Any]:
    return {
        "methods": list(token.methods),
        "user": {
            "domain": {"id": domain.id, "name": domain.name},
            "id": user.id,
            "name": user.name,
            "password_expires_at": users.shown_expiry(user),
        },
        "audit_ids": list(token.audit_ids),
        "expires_at": iso(token.expires_at, microseconds=True),
        "issued_at": iso(token.issued_at, microseconds=True),
    }


def _scope_document(target: Project | None, above: dict[str, Project], held: list[Role]) -> dict[str, Any]:
    brought = {"roles": [{"id": role.id, "name": role.name} for role in held]}
    if target is None:
        return {"system": {"all": True}, **brought}
    if target.is_domain:
        return {"domain": {"id": target.id, "name": target.name}, **brought}
    assert target.domain_id is not None
    domain = above[target.domain_id]
    project = {"domain": {"id": domain.id, "name": domain.name}, "id": target.id, "name": target.name}
    return {"project": project, "is_domain": False, **brought}
