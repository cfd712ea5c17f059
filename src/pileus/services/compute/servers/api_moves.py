"""/servers/{server_id}/action: what takes a server to another host."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body
from pileus.services.compute.http import api
from pileus.services.compute.servers import building, checks, moving, service
from pileus.services.compute.servers.bodies import Opt, Ranges, fits
from pileus.services.compute.servers.checks import said
from pileus.services.compute.servers.moving import Refuge

ACTION = "/v2.1/servers/{server_id}/action"
MIGRATE = "os_compute_api:os-migrate-server:migrate"

HostName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9._-]*\Z")]


class Migrate(Body, frozen=True):
    host: HostName | Opt | None = UNSET


class Evacuate(Body, frozen=True):
    host: HostName | Opt = UNSET
    adminPass: str | Opt = UNSET
    onSharedStorage: checks.Flag | Opt = UNSET
    force: checks.Flag | Opt = UNSET


EVACUATE: Ranges = {"onSharedStorage": ("2.1", "2.13"), "force": ("2.29", "2.67")}


@api.action(ACTION, "migrate", rule=MIGRATE, until="2.55")
async def migrate(ctx: Ctx, server_id: UUID) -> None:
    await moving.migrate(ctx, await service.get(ctx, server_id), None)


@api.action(ACTION, "migrate", rule=MIGRATE, since="2.56")
async def migrate_to(ctx: Ctx, server_id: UUID, body: Migrate | None = None) -> None:
    server = await service.get(ctx, server_id)
    host = None if body is None else said(body.host)
    if host is not None:
        ctx.world.policy.check(f"{MIGRATE}:host", ctx.caller, service.target(server))
    await moving.migrate(ctx, server, host)


@api.action(ACTION, "evacuate", rule="os_compute_api:os-evacuate", status=200)
async def evacuate(ctx: Ctx, server_id: UUID, body: Evacuate) -> dict[str, Any] | None:
    fits(ctx, body, EVACUATE)
    host, given = said(body.host), said(body.adminPass)
    shared = None if ctx.at("2.14") else on_shared_storage(body)
    if shared and given is not None:
        raise BadRequest("admin password can't be changed on existing disk")
    forced = checks.flag("force", said(body.force, False))
    if forced and host is None:
        raise BadRequest("Can't force to a non-provided destination")
    password = given or building.password()
    wanted = Refuge(admin_pass=password, host=host, forced=forced, on_shared_storage=shared, stay_off=ctx.at("2.95"))
    await moving.evacuate(ctx, await service.get(ctx, server_id), wanted)
    return None if ctx.at("2.14") else {"adminPass": None if shared else password}


def on_shared_storage(body: Evacuate) -> bool:
    """Raises BadRequest for who does not say."""
    if body.onSharedStorage is UNSET:
        raise BadRequest("Invalid input for field/attribute evacuate. 'onSharedStorage' is a required property")
    return checks.flag("onSharedStorage", body.onSharedStorage)
