"""/v3/os-services, /v3/os-hosts, /v3/scheduler-stats/get_pools and /v3/capabilities: the hosts, for administrators"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from pileus.kernel import hosts
from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.kernel.hosts import Host
from pileus.kernel.http import Body, Query
from pileus.services.volume.http import api, time
from pileus.services.volume.lists import last, truth
from pileus.services.volume.pools import service
from pileus.services.volume.pools.capabilities import BACKEND, POOL, PROTOCOL, VENDOR
from pileus.services.volume.pools.service import Row

BINARY = "cinder-volume"
SERVICES = "/v3/os-services"
UPDATE = "volume_extension:services:update"

HostName = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-._#@:/+]*$")]


class Named(Body, frozen=True):
    host: HostName
    binary: str = ""
    service: str = ""  # how it was called before; `binary` decides
    disabled_reason: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class Frozen(Body, frozen=True):
    host: HostName | None = None
    cluster: HostName | None = None


def shown(ctx: Ctx, host: Host, row: Row) -> dict[str, Any]:
    said: dict[str, Any] = {
        "binary": BINARY,
        "host": f"{host.name}@{BACKEND}",
        "zone": "nova",
        "status": "disabled" if row.disabled else "enabled",
        "state": "up" if host.usable else "down",
        "updated_at": time(host.renewed_at),
        "disabled_reason": row.reason,
        "replication_status": "disabled",
        "active_backend_id": None,
        "frozen": row.frozen,
    }
    if ctx.at("3.7"):
        said["cluster"] = None
    if ctx.at("3.49"):
        said["backend_state"] = "up" if host.usable else "down"
    return said


@api.get(SERVICES, rule="volume_extension:services:index", wrap="services")
async def list_services(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    wanted, binary = last(query, "host"), last(query, "binary")
    if binary not in (None, BINARY):
        return []
    rows = await service.rows(ctx)
    found = [shown(ctx, host, rows.get(host.name, Row(host=host.name))) for host in await hosts.list_all(ctx)]
    return [each for each in found if wanted in (None, each["host"], each["host"].partition("@")[0])]


async def changed(ctx: Ctx, body: Named, *, disabled: bool) -> dict[str, Any]:
    binary = body.binary or body.service
    if not binary:
        raise BadRequest("Missing required element 'binary' in request body.")
    if binary != BINARY:
        raise NotFound(f"Service {binary[:80]} could not be found on host {body.host}.")
    host = await service.host_of(ctx, body.host)
    await service.put(ctx, host.name, disabled=disabled, reason=body.disabled_reason if disabled else None)
    said = {"host": body.host, "service": BINARY, "binary": BINARY, "disabled": disabled}
    said["status"] = "disabled" if disabled else "enabled"
    return said if body.disabled_reason is None else {**said, "disabled_reason": body.disabled_reason}


@api.put(f"{SERVICES}/enable", rule=UPDATE)
async def enable_service(ctx: Ctx, body: Named) -> dict[str, Any]:
    return await changed(ctx, body, disabled=False)


@api.put(f"{SERVICES}/disable", rule=UPDATE)
async def disable_service(ctx: Ctx, body: Named) -> dict[str, Any]:
    return await changed(ctx, body, disabled=True)


@api.put(f"{SERVICES}/disable-log-reason", rule=UPDATE)
async def disable_service_with_reason(ctx: Ctx, body: Named) -> dict[str, Any]:
    if body.disabled_reason is None:
        raise BadRequest("Invalid input for disabled_reason: it is required.")
    return await changed(ctx, body, disabled=True)


async def frozen(ctx: Ctx, body: Frozen, *, so: bool) -> None:
    if body.host is None:
        raise BadRequest("Invalid input: it names no host.")
    try:
        host = await service.host_of(ctx, body.host)
    except NotFound as e:
        raise BadRequest(e.message) from None
    await service.put(ctx, host.name, frozen=so)


@api.put(f"{SERVICES}/freeze", rule="volume:freeze_host", status=202)
async def freeze_host(ctx: Ctx, body: Frozen) -> None:
    await frozen(ctx, body, so=True)


@api.put(f"{SERVICES}/thaw", rule="volume:thaw_host", status=202)
async def thaw_host(ctx: Ctx, body: Frozen) -> None:
    await frozen(ctx, body, so=False)


@api.get("/v3/os-hosts", rule="volume_extension:hosts", wrap="hosts")
async def list_hosts(ctx: Ctx) -> list[dict[str, Any]]:
    rows = await service.rows(ctx)
    return [
        {
            "host_name": f"{host.name}@{BACKEND}",
            "service": BINARY,
            "zone": "nova",
            "service-status": "available" if host.usable else "unavailable",
            "service-state": "disabled" if host.name in rows and rows[host.name].disabled else "enabled",
            "last-update": time(host.renewed_at),
        }
        for host in await hosts.list_all(ctx)
    ]


@api.get("/v3/os-hosts/{volume_host}", rule="volume_extension:hosts", wrap="host")
async def show_host(ctx: Ctx, volume_host: str) -> list[dict[str, Any]]:
    host = await service.host_of(ctx, volume_host)
    resource = {"host": volume_host, "project": "(total)"}
    for kind, (many, gib) in (await service.held(ctx, host.name)).items():
        resource |= {f"{kind}_count": str(many), f"total_{kind}_gb": str(gib)}
    return [{"resource": resource}]


@api.get("/v3/scheduler-stats/get_pools", rule="scheduler_extension:scheduler_stats:get_pools", wrap="pools")
async def list_pools(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    await service.look(ctx)
    found = [(f"{pool.host}@{BACKEND}#{POOL}", pool) for pool in await service.everything(ctx)]
    wanted = last(query, "name") if ctx.at("3.28") else None
    detail = truth(query, "detail")
    return [
        {"name": name, "capabilities": service.capabilities(pool)} if detail else {"name": name}
        for name, pool in found
        if wanted in (None, name)
    ]


@api.get("/v3/capabilities/{volume_host}", rule="volume_extension:capabilities")
async def show_capabilities(ctx: Ctx, volume_host: str) -> dict[str, Any]:
    host = await service.host_of(ctx, volume_host)
    return {
        "namespace": f"OS::Storage::Capabilities::{host.name}@{BACKEND}",
        "vendor_name": VENDOR,
        "volume_backend_name": BACKEND,
        "pool_name": POOL,
        "driver_version": "1",
        "storage_protocol": PROTOCOL,
        "display_name": None,
        "description": None,
        "visibility": None,
        "replication_targets": [],
        "properties": {},
    }
