"""What a login says, and what it must say. Pure; the messages are Keystone's."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kernel.errors import BadRequest, Unauthorized
from pileus.kernel.http import Body

METHODS = ("password", "token")


class DomainRef(Body, frozen=True):
    id: str | None = None
    name: str | None = None


class UserRef(Body, frozen=True):
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None
    password: str = ""


class Password(Body, frozen=True):
    user: UserRef


class TokenRef(Body, frozen=True):
    id: str


class Identity(Body, frozen=True):
    methods: list[str]
    password: Password | None = None
    token: TokenRef | None = None
    totp: Any = None
    application_credential: Any = None
    oauth1: Any = None
    mapped: Any = None
    external: Any = None


class ProjectRef(Body, frozen=True):
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class WantedScope(Body, frozen=True):
    project: ProjectRef | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET
    system: dict[str, Any] | UnsetType = UNSET
    unscoped: Any = UNSET
    trust: Any = msgspec.field(name="OS-TRUST:trust", default=UNSET)


class Auth(Body, frozen=True):
    identity: Identity
    scope: WantedScope | Literal["unscoped"] | UnsetType = UNSET


def expecting(what: str, where: str) -> BadRequest:
    return BadRequest(
        f"Expecting to find {what} in {where}. The server could not comply with the request since it is either "
        "malformed or otherwise incorrect. The client is assumed to be in error."
    )


def methods_of(identity: Identity) -> list[str]:
    """The methods, each once. Raises BadRequest when one has no data, Unauthorized for one that is unknown."""
    methods = list(dict.fromkeys(identity.methods))
    for method in methods:
        if method not in METHODS:
            raise Unauthorized("Attempted to authenticate with an unsupported method.")
        if getattr(identity, method) is None:
            raise expecting(method, "identity")
    return methods


def check_user(user: UserRef) -> None:
    """Raises BadRequest unless the user is named: by id, or by name and domain."""
    if not user.id and not user.name:
        raise BadRequest("Invalid input for field identity/password/user: id or name must be present.")
    if user.name and user.domain is None:
        raise expecting("domain", "user")
    if user.domain is not None:
        check_domain(user.domain, "identity/password/user/domain")


def check_domain(domain: DomainRef, where: str) -> None:
    if not domain.id and not domain.name:
        raise BadRequest(f"Invalid input for field {where}: id or name must be present.")


def check_scope(scope: WantedScope) -> None:
    """Raises BadRequest unless exactly one scope is named, and named well."""
    named = [each for each in msgspec.structs.astuple(scope) if each is not UNSET]
    if len(named) != 1:
        raise expecting("system, project, domain, OS-TRUST:trust or unscoped", "scope")
    if scope.trust is not UNSET:
        raise Unauthorized("The request you have made requires authentication.")  # no trust is there to be found
    if isinstance(scope.domain, DomainRef):
        check_domain(scope.domain, "scope/domain")
    if isinstance(scope.project, ProjectRef):
        check_project(scope.project)


def check_project(project: ProjectRef) -> None:
    if not project.id and not project.name:
        raise BadRequest("Invalid input for field scope/project: id or name must be present.")
    if project.name and project.domain is None:
        raise expecting("domain", "project")
    if project.domain is not None:
        check_domain(project.domain, "scope/project/domain")
