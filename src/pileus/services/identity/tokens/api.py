"""GET, HEAD and DELETE /v3/auth/tokens: somebody asks about a token, or takes it back."""

from __future__ import annotations

from starlette.requests import Request

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.http import api, cloud, require, truth
from pileus.services.identity.tokens import service
from pileus.services.identity.tokens.service import Valid

SUBJECT = "X-Subject-Token"
ACCESS_RULES = "OpenStack-Identity-Access-Rules"


async def asked_about(ctx: Ctx, request: Request, *, expired: bool = False) -> tuple[str, Valid]:
    """The token in X-Subject-Token, for who may know. Raises NotFound, Forbidden."""
    text = request.headers.get(SUBJECT, "")
    valid = await service.subject(ctx, text, expired=expired)
    require(ctx, {"target.token.user_id": valid.caller.user_id})
    return text, valid


async def asked_whether_good(ctx: Ctx, request: Request, query: Query) -> tuple[str, Valid]:
    """As above; a token with access rules is good only for who says that it will look at them. Raises NotFound."""
    text, valid = await asked_about(ctx, request, expired=truth(query, "allow_expired"))
    if valid.caller.reach is not None and not knows_access_rules(request.headers.get(ACCESS_RULES, "")):
        raise NotFound("Failed to validate token")
    return text, valid


def knows_access_rules(version: str) -> bool:
    major, _, _ = version.partition(".")
    return major.isascii() and major.isdigit() and int(major[:9]) >= 1


@api.get("/v3/auth/tokens", rule="identity:validate_token")
async def validate_token(ctx: Ctx, request: Request, query: Query, here: Here) -> Answer:
    text, valid = await asked_whether_good(ctx, request, query)
    document = await service.document(ctx, valid, None if "nocatalog" in query else cloud(here))
    return Answer({"token": document}, headers={SUBJECT: text})


@api.head("/v3/auth/tokens", rule="identity:check_token")
async def check_token(ctx: Ctx, request: Request, query: Query) -> Answer:
    text, _ = await asked_whether_good(ctx, request, query)
    return Answer(headers={SUBJECT: text})


@api.delete("/v3/auth/tokens", rule="identity:revoke_token", status=204)
async def revoke_token(ctx: Ctx, request: Request, query: Query) -> None:
    _, valid = await asked_about(ctx, request)
    await service.revoke(ctx, valid.token, cascade=query.get("cascade", ["true"])[-1].lower() != "false")
