"""Application credentials and access rules: what the rest of Identity may ask for."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import WHO, BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from pileus.kernel.http import Query
from pileus.services.identity.application_credentials import rules, store
from pileus.services.identity.application_credentials.rules import AccessRule
from pileus.services.identity.application_credentials.store import Row
from pileus.services.identity.faults import expecting
from pileus.services.identity.grounds import Basis, Ground, ground
from pileus.services.identity.lists import Found
from pileus.services.identity.methods import Attempt, Proof, UserRef, asked, method, user_of
from pileus.services.identity.revision import service as revision
from pileus.services.identity.roles import service as roles
from pileus.services.identity.roles.service import Role
from pileus.services.identity.users import service as users
from pileus.services.identity.users.service import KEPT, fits, hashed

__all__ = [
    "AccessRule",
    "ApplicationCredential",
    "New",
    "Role",
    "WantedRole",
    "WantedRule",
    "create",
    "delete",
    "delete_rule",
    "find",
    "get_rule",
    "page",
    "rule_page",
]

APPLICATION_CREDENTIAL = "identity.application_credential"
SECRET_BYTES = 64
INVALID = "Invalid application credential: "

KEPT.append(store.credentials.c.secret_hash)


class ApplicationCredential(msgspec.Struct, frozen=True):
    row: Row
    roles: list[Role]
    access_rules: list[AccessRule]


class WantedRole(msgspec.Struct, frozen=True):
    """By id or by name."""

    id: str | None
    name: str | None


class WantedRule(msgspec.Struct, frozen=True):
    """By the id of one that is there, or whole."""

    id: str | None
    service: str | None
    path: str | None
    method: str | None


class New(msgspec.Struct, frozen=True, kw_only=True):
    """What a new application credential shall be; `roles` empty: all that the caller's token has."""

    name: str
    description: str | None
    secret: str | None  # None: one is made up
    expires_at: float | None
    unrestricted: bool
    roles: Sequence[WantedRole]
    access_rules: Sequence[WantedRule]


async def find(ctx: Ctx, credential_id: str) -> ApplicationCredential | None:
    """The application credential of that id."""
    row = await store.get(ctx, credential_id)
    return None if row is None else (await _whole(ctx, [row]))[0]


async def page(ctx: Ctx, query: Query, user_id: str) -> Found[ApplicationCredential]:
    """Those of a user that the query string asks for. Raises BadRequest."""
    async with ctx.read() as ctx:
        found = await store.page(ctx, query, user_id)
        return Found(await _whole(ctx, found.items), found.page)


async def _whole(ctx: Ctx, rows: Sequence[Row]) -> list[ApplicationCredential]:
    ids = [row.id for row in rows]
    held, narrowed = await store.role_ids(ctx, ids), await store.rules_of(ctx, ids)
    known = {role.id: role for role in await roles.by_ids(ctx, {role_id for _, role_id in held})}
    return [
        ApplicationCredential(
            row,
            by_name(known[role_id] for credential_id, role_id in held if credential_id == row.id),
            [rule for credential_id, rule in narrowed if credential_id == row.id],
        )
        for row in rows
    ]


def by_name(held: Iterable[Role]) -> list[Role]:
    return sorted(held, key=lambda role: role.name)


async def create(ctx: Ctx, new: New) -> tuple[ApplicationCredential, str]:
    """One for the caller in the project of its token, and its secret, which nobody can learn later.

    Outside of a transaction. Raises BadRequest, NotFound, Conflict.
    """
    secret = new.secret or secrets.token_urlsafe(SECRET_BYTES)
    secret_hash = await hashed(ctx, secret)
    user_id, project_id = ctx.caller.user_id, ctx.caller.project_id
    if project_id is None:
        raise BadRequest(f"{INVALID}it is for a project, so the token it is made with must be scoped to one.")
    row = Row(
        id=ctx.world.ids.hex(),
        name=new.name,
        description=new.description,
        user_id=user_id,
        project_id=project_id,
        expires_at=new.expires_at,
        unrestricted=new.unrestricted,
    )
    async with revision.change(ctx) as ctx:
        await users.get(ctx, user_id)
        if await store.named(ctx, new.name, user_id) is not None:
            raise Conflict(
                "Conflict occurred attempting to store application_credential - Duplicate entry found with name "
                f"{new.name}."
            )
        held = await _delegated(ctx, new.roles)
        narrowed = list({rule.id: rule for rule in [await _rule(ctx, each) for each in new.access_rules]}.values())
        await store.add(ctx, row, secret_hash, [role.id for role in held], [rule.id for rule in narrowed])
        await changed(ctx, APPLICATION_CREDENTIAL, "created", row.id, project_id=None)
    return ApplicationCredential(row, held, narrowed), secret


async def _delegated(ctx: Ctx, wanted: Sequence[WantedRole]) -> list[Role]:
    """The roles of a new application credential, implied ones too: no more than the caller's token brings."""
    at = await revision.current(ctx)
    known = (await roles.graph(ctx, at)).roles.values()
    brought = {role.id: role for role in known if role.domain_id is None and role.name in ctx.caller.roles}
    if not wanted:
        return by_name(brought.values())
    ids = {each.id or await roles.id_named(ctx, each.name or "") for each in wanted}
    ids |= {role.id for role in await roles.expanded(ctx, ids, at)}
    if not ids <= brought.keys():
        raise BadRequest(f"{INVALID}Cannot create an application credential with unassigned role")
    return by_name(brought[role_id] for role_id in ids)


async def _rule(ctx: Ctx, wanted: WantedRule) -> AccessRule:
    """The caller's rule that is wanted, made if there is none like it."""
    user_id = ctx.caller.user_id
    if wanted.service is None or wanted.path is None or wanted.method is None:
        if wanted.id is None:
            raise BadRequest(f"{INVALID}an access rule has a service, a method and a path, or the id of one there is.")
        known = await store.rule(ctx, user_id, wanted.id)
        if known is None:
            raise BadRequest(f"{INVALID}Could not find Access Rule: {wanted.id}.")
        return known
    same = await store.same_rule(ctx, user_id, wanted.service, wanted.path, wanted.method)
    if same is not None:
        return same
    made = AccessRule(ctx.world.ids.hex(), wanted.service, wanted.path, wanted.method)
    await store.add_rule(ctx, made, user_id)
    return made


async def delete(ctx: Ctx, credential_id: str) -> None:
    """Delete it; its tokens are refused from the next request on. Its access rules stay. Raises NotFound."""
    async with revision.change(ctx) as ctx:
        if await store.get(ctx, credential_id) is None:
            raise NotFound(f"Could not find Application Credential: {credential_id}.")
        await store.delete(ctx, credential_id)
        await changed(ctx, APPLICATION_CREDENTIAL, "deleted", credential_id, project_id=None)


async def get_rule(ctx: Ctx, user_id: str, rule_id: str) -> AccessRule:
    """The access rule of a user. Raises NotFound."""
    found = await store.rule(ctx, user_id, rule_id)
    if found is None:
        raise NotFound(f"Could not find Access Rule: {rule_id}.")
    return found


async def rule_page(ctx: Ctx, query: Query, user_id: str) -> Found[AccessRule]:
    """The access rules of a user that the query string asks for. Raises BadRequest."""
    return await store.rule_page(ctx, query, user_id)


async def delete_rule(ctx: Ctx, user_id: str, rule_id: str) -> None:
    """Delete an access rule. Raises NotFound, and Forbidden while an application credential has it."""
    async with revision.change(ctx) as ctx:
        await get_rule(ctx, user_id, rule_id)
        if await store.rule_is_used(ctx, rule_id):
            raise Forbidden("May not delete access rule in use")
        await store.delete_rule(ctx, rule_id)
        await changed(ctx, "identity.access_rule", "deleted", rule_id, project_id=None)


class Credential(msgspec.Struct, frozen=True):
    """How a login names one: by id, or by name and user."""

    secret: str = ""
    id: str | None = None
    name: str | None = None
    user: UserRef | None = None


@method("application_credential", Credential)
async def by_application_credential(ctx: Ctx, data: Credential, attempt: Attempt) -> Proof:
    """One that is not there and a wrong secret take as long. An id decides alone, whatever user is named beside it."""
    if attempt.scope is not msgspec.UNSET:
        raise Unauthorized(
            "Error authenticating with application credential: Application credentials cannot request a scope."
        )
    row = await (store.get(ctx, data.id) if data.id else _named(ctx, data))
    meant = (data.id,) if data.id or data.user is None else (data.name, asked(data.user))
    found = await users.guarded(ctx, f"application credential {meant}", lambda: _fitting(ctx, row, data.secret))
    if found is None:
        raise Unauthorized(WHO)
    return Proof(user_id=found.user_id, project_id=found.project_id, basis=Basis("application_credential", found.id))


async def _fitting(ctx: Ctx, row: Row | None, secret: str) -> Row | None:
    """The application credential, if this is its secret."""
    kept = await store.secret_hash(ctx, row.id) if row else None
    return row if await fits(ctx, secret, kept) else None


async def _named(ctx: Ctx, data: Credential) -> Row | None:
    if not data.name:
        raise expecting("name or ID", "application credential")
    if data.user is None:
        raise expecting("user", "application credential")
    user_id = await user_of(ctx, data.user, "identity/application_credential/user")
    return await store.named(ctx, data.name, user_id) if user_id else None


@ground("application_credential")
async def standing(ctx: Ctx, credential_id: str, token_of: str) -> Ground:
    found = await find(ctx, credential_id)
    if found is None or found.row.user_id != token_of or found.row.ended(ctx.now()):
        raise Unauthorized(WHO)
    row, narrowed = found.row, found.access_rules
    document = {"id": row.id, "name": row.name, "restricted": not row.unrestricted}
    if narrowed:
        document["access_rules"] = msgspec.to_builtins(narrowed)
    return Ground(
        user_id=row.user_id,
        grantor_id=row.user_id,
        role_ids=frozenset(role.id for role in found.roles),
        expires_at=row.expires_at,
        document={"application_credential": document},
        facts={"application_credential": document},
        reach=rules.reach(narrowed) if narrowed else None,
    )
