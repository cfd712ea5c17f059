"""Logging in: who proves to be whom gets a token for what they ask for."""

from __future__ import annotations

from msgspec import UNSET

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Forbidden, Unauthorized
from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.auth import rules
from pileus.services.identity.auth.rules import Auth, DomainRef, ProjectRef, UserRef, WantedScope
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Project
from pileus.services.identity.revision import service as revision
from pileus.services.identity.tokens import service as tokens
from pileus.services.identity.tokens.service import Scope, Token, Valid
from pileus.services.identity.users import service as users
from pileus.services.identity.users.service import WHO

__all__ = ["login"]


async def login(ctx: Ctx, auth: Auth) -> tuple[str, Valid]:
    """A new token. Raises BadRequest, Unauthorized, and Forbidden for a scope that a token cannot be exchanged for.

    Outside of a transaction. An unknown user, one without a password and a wrong password take as long.
    """
    methods = rules.methods_of(auth.identity)
    if isinstance(auth.scope, WantedScope):
        rules.check_scope(auth.scope)
    at = await revision.current(ctx)
    user_id, used, parent = await _proven(ctx, auth, methods)
    scope = await _scope(ctx, auth.scope, user_id)
    if parent is not None and parent.scope.system and (scope.project_id or scope.domain_id):
        raise Forbidden(
            "You are not authorized to perform the requested action: Using a system-scoped token to create a "
            "project-scoped or domain-scoped token is not allowed."
        )
    return await tokens.issue(ctx, user_id, scope, at=at, methods=used, parent=parent)


async def _proven(ctx: Ctx, auth: Auth, methods: list[str]) -> tuple[str, tuple[str, ...], Token | None]:
    """Who it is, by which methods, and the token that was exchanged. All methods must agree."""
    found: set[str] = set()
    used = list(methods)
    parent = None
    for method in methods:
        if method == "password":
            assert auth.identity.password is not None
            found.add(await _by_password(ctx, auth.identity.password.user))
        else:
            assert auth.identity.token is not None
            parent = (await tokens.subject(ctx, auth.identity.token.id)).token
            found.add(parent.user_id)
            used += parent.methods
    if len(found) != 1:
        raise Unauthorized(WHO)
    return found.pop(), tuple(dict.fromkeys(used)), parent


async def _by_password(ctx: Ctx, named: UserRef) -> str:
    rules.check_user(named)
    user_id = named.id
    if named.name and named.domain is not None:
        async with ctx.read() as reading:
            domain = await _domain(reading, named.domain)
            user = await users.named(reading, named.name, domain.id) if domain else None
        user_id = user.id if user else None
    return (await users.authenticate(ctx, user_id, named.password)).id


async def _scope(ctx: Ctx, wanted: object, user_id: str) -> Scope:
    if wanted is UNSET:
        return await _default_scope(ctx, user_id)
    if not isinstance(wanted, WantedScope) or wanted.unscoped is not UNSET:
        return Scope()
    if wanted.system is not UNSET:
        return Scope(system=True)
    async with ctx.read() as ctx:
        if isinstance(wanted.domain, DomainRef):
            return Scope(domain_id=found_id(await _domain(ctx, wanted.domain)))
        assert isinstance(wanted.project, ProjectRef)
        return Scope(project_id=found_id(await _project(ctx, wanted.project)))


async def _default_scope(ctx: Ctx, user_id: str) -> Scope:
    """The user's default project if the user may act in it; else none."""
    user = await users.find(ctx, user_id)
    if user is not None and user.default_project_id:
        usable = {each.id for each in await assignments.projects_of(ctx, user_id)}
        if user.default_project_id in usable:
            return Scope(project_id=user.default_project_id)
    return Scope()


def found_id(project: Project | None) -> str:
    if project is None:
        raise Unauthorized(WHO)
    return project.id


async def _domain(ctx: Ctx, named: DomainRef) -> Project | None:
    found = await (projects.named(ctx, named.name) if named.name else projects.find(ctx, named.id or ""))
    return found if found is not None and found.is_domain else None


async def _project(ctx: Ctx, named: ProjectRef) -> Project | None:
    if not named.name:
        return await projects.find(ctx, named.id or "")
    domain = await _domain(ctx, named.domain) if named.domain else None
    return await projects.named(ctx, named.name, domain_id=domain.id) if domain else None
