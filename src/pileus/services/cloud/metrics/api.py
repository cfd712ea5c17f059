"""GET /metrics. Open to this machine itself, and to anybody if `metrics.public` says so; else to administrators.

What comes through a proxy comes from elsewhere, wherever the proxy runs.
"""

from __future__ import annotations

import ipaddress

from starlette.requests import Request

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Service
from pileus.kernel.metrics import CONTENT_TYPE
from pileus.services.identity.tokens import service as tokens

RULE = "pileus:metrics:show"
PROXIED = ("forwarded", "x-forwarded-for", "via")

api = Service("metrics", "/metrics")


@api.get("", anonymous=True)
async def show_metrics(ctx: Ctx, request: Request) -> Answer:
    if not (ctx.world.config.metrics.public or from_here(request)):
        caller = await tokens.authenticate(ctx, request.headers.get("x-auth-token", ""))
        ctx.world.policy.check(RULE, caller, {})
    return Answer(ctx.world.metrics.exposition(), media_type=CONTENT_TYPE)


def from_here(request: Request) -> bool:
    """Whether the request was made on this machine, and by no proxy."""
    if request.client is None or any(name in request.headers for name in PROXIED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
