"""Consoles of guests: a token opens one, for a while, where the guest is now. It is sealed, so nothing is kept of it."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

import msgspec

from pileus.engines.consoles import relay
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Conflict, NotFound
from pileus.kernel.http.ws import WebSocket
from pileus.kernel.seal import SealError
from pileus.services.compute.servers import rules, store
from pileus.services.compute.servers.store import Server

KINDS = {"novnc": "vnc", "serial": "serial"}
GOOD_S = 600.0
PLACE = b"compute console"


class Pass(msgspec.Struct, frozen=True):
    """What a token says."""

    server_id: UUID
    host: str
    kind: str
    until: float


async def issue(ctx: Ctx, server: Server, kind: str) -> str:
    """A token for a console of this kind. Raises BadRequest, Conflict, Unavailable."""
    if kind not in KINDS:
        raise BadRequest(f"Unavailable console type {kind}.")
    rules.check("get_vnc_console", server.id, server.vm_state, server.task_state)
    if server.host is None:
        raise Conflict(f"Instance {server.id} is not ready")
    await ctx.engine("hypervisor", server.host).screen(server.id, KINDS[kind])
    return sealed(ctx, Pass(server.id, server.host, KINDS[kind], ctx.now() + GOOD_S))


def sealed(ctx: Ctx, said: Pass) -> str:
    """The token that says this."""
    data = ctx.world.seal.seal(msgspec.json.encode(said), place=PLACE)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


async def read(ctx: Ctx, token: str) -> Pass:
    """Raises NotFound for a token that is none, too old, or of a guest that is elsewhere by now."""
    missing = NotFound("Token not found")
    try:
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        said = msgspec.json.decode(ctx.world.seal.open(sealed, place=PLACE), type=Pass)
    except (SealError, ValueError, binascii.Error):
        raise missing from None
    server = await store.find(ctx, said.server_id)
    if said.until < ctx.now() or server is None or server.host != said.host:
        raise missing
    return said


async def carry(ctx: Ctx, token: str, socket: WebSocket) -> None:
    """Connect an accepted socket with the console that the token is for, until either is closed."""
    said = await read(ctx, token)
    async with ctx.world.console(said.host, said.server_id, said.kind) as console:
        await relay(socket, console)
