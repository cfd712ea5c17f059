"""What a login says, and what it must say. Pure; the messages are Keystone's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from pileus.kernel.errors import WHO, BadRequest, Unauthorized
from pileus.kernel.http import converted
from pileus.services.identity.faults import expecting
from pileus.services.identity.methods import METHODS, DomainRef, Method, Part, Proof, check_domain

T = TypeVar("T")


class ProjectRef(Part, frozen=True):
    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


class TrustRef(Part, frozen=True):
    id: str | None = None


class WantedScope(Part, frozen=True):
    project: ProjectRef | UnsetType = UNSET
    domain: DomainRef | UnsetType = UNSET
    system: dict[str, Any] | UnsetType = UNSET
    unscoped: Any = UNSET
    trust: TrustRef | UnsetType = msgspec.field(name="OS-TRUST:trust", default=UNSET)


class Auth(Part, frozen=True):
    identity: dict[str, Any]
    scope: WantedScope | Literal["unscoped"] | UnsetType = UNSET


class Named(msgspec.Struct, frozen=True):
    methods: list[str]


def auth_of(body: dict[str, Any]) -> Auth:
    """What a login says. Raises BadRequest."""
    if body.get("auth") is None:
        raise expecting("auth", "request body")
    return converted(body["auth"], Auth, "auth")


def methods_of(identity: dict[str, Any]) -> dict[str, tuple[Method, Any]]:
    """The methods by name, each once, and their data. Raises BadRequest when one has none, Unauthorized for an unknown one."""
    found: dict[str, tuple[Method, Any]] = {}
    for name in converted(identity, Named, "identity").methods:
        if name not in identity:
            raise expecting(name, "identity")
        if name not in METHODS:
            raise Unauthorized("Attempted to authenticate with an unsupported method.")
        found[name] = METHODS[name], converted(identity[name], METHODS[name].data, f"identity.{name}")
    return found


def agreed(proofs: Sequence[Proof]) -> Proof:
    """What all proofs say together, by all of their methods. Raises Unauthorized when they contradict each other."""
    ends = [proof.expires_at for proof in proofs if proof.expires_at is not None]
    user_id = same(proof.user_id for proof in proofs)
    if user_id is None:
        raise Unauthorized(WHO)
    return Proof(
        user_id=user_id,
        methods=tuple(dict.fromkeys(name for proof in proofs for name in proof.methods)),
        project_id=same(proof.project_id for proof in proofs),
        basis=same(proof.basis for proof in proofs),
        expires_at=min(ends, default=None),
        chain_id=same(proof.chain_id for proof in proofs),
    )


def same(said: Iterable[T | None]) -> T | None:
    """What was said; None if nothing was. Raises Unauthorized when two said different things."""
    found = set(said) - {None}
    if len(found) > 1:
        raise Unauthorized(WHO)
    return found.pop() if found else None


def check_scope(scope: WantedScope) -> None:
    """Raises BadRequest unless exactly one scope is named, and named well."""
    named = [each for each in msgspec.structs.astuple(scope) if each is not UNSET]
    if len(named) != 1:
        raise expecting("system, project, domain, OS-TRUST:trust or unscoped", "scope")
    if isinstance(scope.trust, TrustRef) and not scope.trust.id:
        raise expecting("trust_id", "trust")
    if isinstance(scope.domain, DomainRef):
        check_domain(scope.domain, "scope/domain")
    if isinstance(scope.project, ProjectRef):
        check_project(scope.project)


def trust_of(scope: object) -> str | None:
    """The trust that a login wants to act by."""
    return scope.trust.id if isinstance(scope, WantedScope) and isinstance(scope.trust, TrustRef) else None


def check_project(project: ProjectRef) -> None:
    if not project.id and not project.name:
        raise BadRequest("Invalid input for field scope/project: id or name must be present.")
    if project.name and project.domain is None:
        raise expecting("domain", "project")
    if project.domain is not None:
        check_domain(project.domain, "scope/project/domain")
