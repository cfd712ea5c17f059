"""Trusts: what the rest of Identity may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import WHO, Forbidden, NotFound, Unauthorized
from pileus.kernel.http import Query
from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.grounds import Basis, Ground, basis_of, ground
from pileus.services.identity.lists import Found
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.roles import service as roles
from pileus.services.identity.roles.service import Role
from pileus.services.identity.trusts import rules, store
from pileus.services.identity.trusts.rules import Trust, Wanted
from pileus.services.identity.users import service as users

__all__ = [
    "New",
    "Role",
    "Trust",
    "Wanted",
    "create",
    "delete",
    "find",
    "page",
    "purge",
    "refused",
    "role",
    "roles_of",
    "scope",
    "use",
]

TRUST = "identity.trust"


class New(msgspec.Struct, frozen=True, kw_only=True):
    """What a new trust shall be. `roles` are (id, name), one of them said."""

    trustor_user_id: str
    trustee_user_id: str
    project_id: str | None
    impersonation: bool
    expires_at: float | None
    remaining_uses: int | None
    roles: Sequence[tuple[str | None, str | None]]
    redelegation: Wanted
    extra: dict[str, Any]


async def find(ctx: Ctx, trust_id: str) -> Trust | None:
    """The trust of that id; for a while also one that was deleted. See `Trust.usable`."""
    return await store.get(ctx, trust_id)


async def roles_of(ctx: Ctx, trust: Trust) -> list[Role]:
    """The roles of a trust that are still there, by id."""
    return await roles.by_ids(ctx, await store.role_ids(ctx, trust.id))


async def role(ctx: Ctx, trust: Trust, role_id: str) -> Role:
    """One of the roles of a trust. Raises NotFound."""
    found = [each for each in await roles_of(ctx, trust) if each.id == role_id]
    if not found:
        raise NotFound(f"Could not find role: {role_id}.")
    return found[0]


async def page(ctx: Ctx, query: Query, columns: dict[str, str]) -> Found[Trust]:
    """The trusts with these columns that the query string asks for. Raises BadRequest."""
    return await store.page(ctx, query, columns)


async def create(ctx: Ctx, new: New) -> tuple[Trust, list[Role]]:
    """A trust; made from the one that the caller's token rests on, if it does. Raises BadRequest, NotFound, Forbidden."""
    limit = ctx.world.config.identity.max_redelegations
    async with revision.change(ctx) as ctx:
        await users.get(ctx, new.trustee_user_id)
        if new.project_id is not None:
            await projects.get(ctx, new.project_id)
        pedigree = await _pedigree(ctx, await _source(ctx))
        parent = pedigree[0] if pedigree else None
        trust = Trust(
            id=ctx.world.ids.hex(),
            trustor_user_id=new.trustor_user_id,
            trustee_user_id=new.trustee_user_id,
            project_id=new.project_id,
            impersonation=new.impersonation,
            expires_at=new.expires_at if new.expires_at is not None or parent is None else parent.expires_at,
            remaining_uses=new.remaining_uses,
            redelegated_trust_id=parent.id if parent else None,
            redelegation_count=rules.depth(new.redelegation, new.remaining_uses, parent, limit),
            extra=new.extra,
        )
        wanted = [role_id or await roles.id_named(ctx, name or "") for role_id, name in new.roles]
        rules.check(trust, wanted, [(each, await store.role_ids(ctx, each.id)) for each in pedigree], limit)
        await _check_held(ctx, trust, wanted, pedigree)
        await store.add(ctx, trust, dict.fromkeys(wanted))
        await changed(ctx, TRUST, "created", trust.id, project_id=None)
        return trust, await roles_of(ctx, trust)


async def _source(ctx: Ctx) -> Trust | None:
    """The trust that the caller acts by. Raises Forbidden for who acts by something else that was lent."""
    basis = basis_of(ctx.caller)
    if basis is None or basis.kind == "application_credential":
        return None
    if basis.kind != "trust":
        raise refused("Redelegation allowed for delegated by trust only")
    found = await store.get(ctx, basis.id)
    if found is None:
        raise Unauthorized(WHO)
    return found


async def _pedigree(ctx: Ctx, trust: Trust | None) -> list[Trust]:
    """The trust, the one it was made from, and so on. No longer than `identity.max_redelegations` ever was."""
    found = []
    while trust is not None:
        found.append(trust)
        trust = await store.get(ctx, trust.redelegated_trust_id) if trust.redelegated_trust_id else None
    return found


async def _check_held(ctx: Ctx, trust: Trust, wanted: Sequence[str], pedigree: Sequence[Trust]) -> None:
    """Raises NotFound unless the trustor, or the first one of the pedigree, has these roles in the project."""
    first = pedigree[-1] if pedigree else trust
    held: set[str] = set()
    if trust.project_id is not None:
        at = await revision.current(ctx)
        held = await assignments.role_ids_of(ctx, first.trustor_user_id, trust.project_id, at)
    if basis_of(ctx.caller) is not None:
        held = await _brought(ctx, trust, held)
    for role_id in wanted:
        if role_id not in held:
            raise NotFound(f"Could not find role: {role_id}.")


async def _brought(ctx: Ctx, trust: Trust, held: set[str]) -> set[str]:
    """Of the roles that a user has in the project of a trust, those that the caller's narrower token brings."""
    if trust.project_id != ctx.caller.project_id:
        return set()
    return {each.id for each in await roles.by_ids(ctx, held) if each.name in ctx.caller.roles}


async def delete(ctx: Ctx, trust_id: str) -> None:
    """Delete a trust and all that were made from it; their tokens are refused from the next request on."""
    async with revision.change(ctx) as ctx:
        await store.delete(ctx, trust_id, at=ctx.now())
        await changed(ctx, TRUST, "deleted", trust_id, project_id=None)


async def purge(ctx: Ctx, before: float, batch: int = 1000) -> int:
    """Delete at most `batch` trusts that were deleted or ended before that moment, for good. Returns how many."""
    async with ctx.transaction() as tx:
        return await store.purge(tx, before, batch)


def refused(what: str) -> Forbidden:
    return Forbidden(f"You are not authorized to perform the requested action: {what}")


async def scope(ctx: Ctx, trust_id: str, user_id: str) -> tuple[str, Basis]:
    """The project that a trust lets this user act in, and what its token rests on. Raises Unauthorized."""
    found = await store.get(ctx, trust_id)
    if found is None or not found.usable(ctx.now()) or found.trustee_user_id != user_id or found.project_id is None:
        raise Unauthorized(WHO)
    return found.project_id, Basis("trust", found.id)


async def use(ctx: Ctx, trust_id: str) -> None:
    """Count one login by a trust. Raises Unauthorized when there was none left. Outside of a transaction."""
    trust = await store.get(ctx, trust_id)
    if trust is not None and trust.remaining_uses is None:
        return
    async with ctx.transaction() as ctx:
        used = await store.use(ctx, trust_id)
    if not used:
        raise Unauthorized(WHO)


@ground("trust")
async def standing(ctx: Ctx, trust_id: str, token_of: str) -> Ground:
    """Everybody in the pedigree must be there, and enabled. That no use is left matters to logins only."""
    pedigree = await _pedigree(ctx, await store.get(ctx, trust_id))
    if not pedigree or pedigree[0].trustee_user_id != token_of:
        raise Unauthorized(WHO)
    if not all(each.stands(ctx.now()) for each in pedigree):
        raise Unauthorized(WHO)
    await _check_enabled(
        ctx, {user_id for each in pedigree for user_id in (each.trustor_user_id, each.trustee_user_id)}
    )
    trust = pedigree[0]
    block = {
        "id": trust.id,
        "trustor_user": {"id": trust.trustor_user_id},
        "trustee_user": {"id": trust.trustee_user_id},
        "impersonation": trust.impersonation,
    }
    return Ground(
        user_id=trust.trustor_user_id if trust.impersonation else trust.trustee_user_id,
        grantor_id=pedigree[-1].trustor_user_id,
        role_ids=frozenset(await store.role_ids(ctx, trust.id)),
        with_implied=True,
        entire=True,
        expires_at=trust.expires_at,
        document={"OS-TRUST:trust": block},
        facts={
            "trust_id": trust.id,
            "trustor_id": trust.trustor_user_id,
            "trustee_id": trust.trustee_user_id,
        },
    )


async def _check_enabled(ctx: Ctx, user_ids: set[str]) -> None:
    """Raises Unauthorized unless all these users and their domains are enabled."""
    found = [await users.find(ctx, user_id) for user_id in sorted(user_ids)]
    there = [user for user in found if user is not None and user.enabled]
    domains = await projects.by_ids(ctx, {user.domain_id for user in there})
    if len(there) < len(user_ids) or not all(each.enabled for each in domains.values()):
        raise Unauthorized(WHO)
