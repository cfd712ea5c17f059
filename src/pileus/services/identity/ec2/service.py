"""EC2 credentials, and tokens for who has signed a request with one: what the API may ask for."""

from __future__ import annotations

import json
from collections.abc import Callable

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound, Unauthorized
from pileus.kernel.http import Query
from pileus.services.identity.credentials import service as credentials
from pileus.services.identity.credentials.service import Credential
from pileus.services.identity.ec2 import rules
from pileus.services.identity.ec2.rules import Signed
from pileus.services.identity.lists import Found
from pileus.services.identity.methods import Proof
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.tokens import service as tokens
from pileus.services.identity.tokens.service import Scope, Valid
from pileus.services.identity.users import service as users

__all__ = ["Signed", "by_s3", "by_signature", "create", "delete", "get", "page"]


async def page(ctx: Ctx, query: Query, user_id: str) -> Found[Credential]:
    """The EC2 credentials of a user. Raises NotFound, BadRequest."""
    await users.get(ctx, user_id)
    return await credentials.page(ctx, query, user_id=user_id, ec2=True)


async def get(ctx: Ctx, access: str) -> Credential:
    """The one with that access key, if it is in the caller's bounds. Raises NotFound."""
    found = await credentials.get(ctx, credentials.id_of(access))
    if not credentials.is_ec2(found.type):
        raise NotFound(f"Could not find credential: {found.id}.")
    return found


async def create(ctx: Ctx, user_id: str, project_id: str) -> Credential:
    """Fresh keys for a user in a project. Raises NotFound, Forbidden."""
    await users.get(ctx, user_id)
    await projects.get(ctx, project_id)
    keys = {"access": ctx.world.ids.hex(), "secret": ctx.world.ids.hex(), "trust_id": None}
    return await credentials.create(ctx, user_id, project_id, "ec2", json.dumps(keys), {})


async def delete(ctx: Ctx, access: str) -> None:
    """Nobody gets a token by these keys from the next request on. Raises NotFound."""
    await credentials.delete(ctx, (await get(ctx, access)).id)


async def by_signature(ctx: Ctx, request: Signed) -> tuple[str, Valid]:
    """A token for who has signed this request. Raises Unauthorized, NotFound."""

    def check(secret: str) -> None:
        time = rules.check_ec2(secret, request)
        rules.check_time(time, now=ctx.now(), ttl_s=ctx.world.config.identity.ec2_ttl_s)

    return await _token(ctx, request, check)


async def by_s3(ctx: Ctx, request: Signed) -> tuple[str, Valid]:
    """A token for who has signed what this says. Raises Unauthorized, NotFound.

    How long a signature is good is for the object store to say: it is what knows for how long a link was made.
    """
    return await _token(ctx, request, lambda secret: rules.check_s3(secret, request))


async def _token(ctx: Ctx, request: Signed, check: Callable[[str], None]) -> tuple[str, Valid]:
    if not request.access:
        raise Unauthorized("EC2 Signature not supplied")
    at = await revision.current(ctx)
    found = await credentials.find(ctx, credentials.id_of(request.access))
    if found is None or not credentials.is_ec2(found.type):
        raise NotFound("EC2 access key not found.")
    check(credentials.read_ec2(found.blob)["secret"])
    proof = Proof(user_id=found.basis_user_id or found.user_id, methods=("ec2credential",), basis=found.basis)
    return await tokens.issue(ctx, proof, Scope(project_id=found.project_id), at=at)
