"""Logging in: who proves to be whom gets a token for what they ask for."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kernel.context import Caller, Ctx
from pileus.kernel.errors import WHO, Unauthorized
from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.auth import methods, rules
from pileus.services.identity.auth.rules import Auth, ProjectRef, WantedScope
from pileus.services.identity.methods import Attempt, DomainRef, Method, Proof, domain_of
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Project
from pileus.services.identity.receipts import service as receipts
from pileus.services.identity.receipts.service import Asked
from pileus.services.identity.revision import service as revision
from pileus.services.identity.tokens import service as tokens
from pileus.services.identity.tokens.service import Scope, Valid
from pileus.services.identity.trusts import service as trusts
from pileus.services.identity.users import service as users
from pileus.services.identity.users.service import User

__all__ = ["RECEIPT", "Asked", "Auth", "WantedScope", "caller_of", "login", "methods"]

RECEIPT = "Openstack-Auth-Receipt"


async def login(ctx: Ctx, auth: Auth, attempt: Attempt) -> tuple[str, Valid] | Asked:
    """A new token; or a receipt for what is proven, if the user's rules ask for more, which the next login may bring.

    Raises BadRequest, Unauthorized, and Forbidden for a scope that a token cannot be exchanged for. Outside of a
    transaction. An unknown user, one without a password and a wrong password take as long.
    """
    named = rules.methods_of(auth.identity)
    if isinstance(auth.scope, WantedScope):
        rules.check_scope(auth.scope)
    at = await revision.current(ctx)
    proofs = [await _proof(ctx, name, method, data, attempt) for name, (method, data) in named.items()]
    if receipt := attempt.request.headers.get(RECEIPT):
        before = await receipts.read(ctx, receipt, at)
        proofs.append(before.proof)
        at = at._replace(number=min(at.number, before.revision))
    proof = rules.agreed(proofs)
    if (asked := await receipts.ask_for_more(ctx, proof, at)) is not None:
        return asked
    trust_id = rules.trust_of(auth.scope) if proof.project_id is None else None
    if trust_id is not None:
        project_id, basis = await trusts.scope(ctx, trust_id, proof.user_id)
        proof = msgspec.structs.replace(proof, project_id=project_id, basis=basis)
    made = await tokens.issue(ctx, proof, await _scope(ctx, auth.scope, proof), at=at)
    if trust_id is not None:
        await trusts.use(ctx, trust_id)
    return made


async def _proof(ctx: Ctx, name: str, method: Method, data: object, attempt: Attempt) -> Proof:
    """What a method proves, with its own name among the methods."""
    proof = await method.prove(ctx, data, attempt)
    return msgspec.structs.replace(proof, methods=(name, *proof.methods))


async def caller_of(ctx: Ctx, user: User, wanted: WantedScope | UnsetType) -> Caller:
    """Who would ask, had the user logged in for that. Raises BadRequest, and Unauthorized for what they cannot log in to."""
    if isinstance(wanted, WantedScope):
        rules.check_scope(wanted)
    return await tokens.caller_of(ctx, user.id, await _scope(ctx, wanted, Proof(user_id=user.id)))


async def _scope(ctx: Ctx, wanted: object, proof: Proof) -> Scope:
    if proof.project_id is not None:
        return Scope(project_id=proof.project_id)
    if wanted is UNSET:
        return await _default_scope(ctx, proof.user_id)
    if not isinstance(wanted, WantedScope) or wanted.unscoped is not UNSET:
        return Scope()
    if wanted.system is not UNSET:
        return Scope(system=True)
    async with ctx.read() as ctx:
        if isinstance(wanted.domain, DomainRef):
            return Scope(domain_id=found_id(await domain_of(ctx, wanted.domain)))
        assert isinstance(wanted.project, ProjectRef)
        return Scope(project_id=found_id(await _project(ctx, wanted.project)))


async def _default_scope(ctx: Ctx, user_id: str) -> Scope:
    """The user's default project if the user may act in it; else none."""
    user = await users.find(ctx, user_id)
    project_id = user.default_project_id if user else None
    if project_id and await assignments.may_act(ctx, user_id, project_id):
        return Scope(project_id=project_id)
    return Scope()


def found_id(project: Project | None) -> str:
    if project is None:
        raise Unauthorized(WHO)
    return project.id


async def _project(ctx: Ctx, named: ProjectRef) -> Project | None:
    if not named.name:
        return await projects.find(ctx, named.id or "")
    domain = await domain_of(ctx, named.domain) if named.domain else None
    return await projects.named(ctx, named.name, domain_id=domain.id) if domain else None
