"""The ways to prove who one is. A noun that knows one registers it; a login tries those that it names.

    class Totp(Part, frozen=True):
        user: UserWithPasscode

    @method("totp", Totp)
    async def by_totp(ctx: Ctx, data: Totp, attempt: Attempt) -> Proof:
        return Proof(user_id=...)

`data` is what stands under the method's name in `identity`, of the shape that the method says. It is called outside of a
transaction, and raises Unauthorized for what proves nothing: the same, and after as long, whether the user is there or not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import msgspec
from starlette.requests import Request

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Here
from pileus.services.identity.faults import expecting
from pileus.services.identity.grounds import Basis
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Project
from pileus.services.identity.users import service as users

__all__ = [
    "METHODS",
    "Attempt",
    "DomainRef",
    "Method",
    "Part",
    "Proof",
    "UserRef",
    "asked",
    "check_domain",
    "domain_of",
    "method",
    "user_of",
]

D = TypeVar("D")


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Who it is, and what follows from how that was proven. All proofs of one login must agree."""

    user_id: str
    methods: tuple[str, ...] = ()  # beside the one that was asked: those that what it exchanges was got by
    project_id: str | None = None  # the only scope it is good for
    basis: Basis | None = None  # what the token rests on besides
    expires_at: int | None = None  # when the token ends at the latest, seconds since the epoch
    chain_id: str | None = None  # the audit id of the token that this login goes on from


@dataclass(frozen=True, slots=True)
class Attempt:
    """The login that a method takes part in."""

    request: Request  # its headers
    here: Here  # its address
    scope: Any  # what it wants: a WantedScope, "unscoped" or UNSET


Prove = Callable[[Ctx, D, Attempt], Awaitable[Proof]]


class Method(NamedTuple):
    data: Any
    prove: Prove[Any]


METHODS: dict[str, Method] = {}


def method(name: str, data: type[D]) -> Callable[[Prove[D]], Prove[D]]:
    """Try this function where a login names that method, on the data of this type."""

    def register(prove: Prove[D]) -> Prove[D]:
        METHODS[name] = Method(data, prove)
        return prove

    return register


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a login. What is in it beside is left alone, as by Keystone."""


class DomainRef(Part, frozen=True):
    id: str | None = None
    name: str | None = None


class UserRef(Part, frozen=True):
    """A user as logins name one: by id, or by name and domain. For the data of a method to add its own to."""

    id: str | None = None
    name: str | None = None
    domain: DomainRef | None = None


async def user_of(ctx: Ctx, named: UserRef, where: str) -> str | None:
    """The id of the user; None if there is none of that name. Raises BadRequest for who is not named at all.

    `where` it stands, as `identity/password/user`. An id is given back unseen.
    """
    if not named.id and not named.name:
        raise BadRequest(f"Invalid input for field {where}: id or name must be present.")
    if named.domain is not None:
        check_domain(named.domain, f"{where}/domain")
    if not named.name:
        return named.id
    if named.domain is None:
        raise expecting("domain", "user")
    async with ctx.read() as ctx:
        domain = await domain_of(ctx, named.domain)
        user = await users.named(ctx, named.name, domain.id) if domain else None
    return user.id if user else None


def asked(named: UserRef) -> str:
    """How a login has named the user, in one form: what is not looked at is not in it. Failures are counted under it."""
    if named.name and named.domain is not None:
        domain = ("name", named.domain.name) if named.domain.name else ("id", named.domain.id)
        return repr((named.name, *domain))
    return repr(named.id)


def check_domain(domain: DomainRef, where: str) -> None:
    """Raises BadRequest for a domain that is not named at all."""
    if not domain.id and not domain.name:
        raise BadRequest(f"Invalid input for field {where}: id or name must be present.")


async def domain_of(ctx: Ctx, named: DomainRef) -> Project | None:
    """The domain, if there is one."""
    found = await (projects.named(ctx, named.name) if named.name else projects.find(ctx, named.id or ""))
    return found if found is not None and found.is_domain else None
