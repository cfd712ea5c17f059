"""/os-availability-zone: what the API shows; nothing of how it is done."""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.http import Query
from pileus.services.compute.availability_zones import service
from pileus.services.compute.availability_zones.service import Zone
from pileus.services.compute.http import api, asked, long_stamp
from pileus.services.compute.hypervisors.service import BINARY

RULES = "os_compute_api:os-availability-zone"


def shown(zone: Zone, hosts: dict[str, Any] | None) -> dict[str, Any]:
    return {"zoneName": zone.name, "zoneState": {"available": zone.available}, "hosts": hosts}


def hosts_of(zone: Zone) -> dict[str, Any] | None:
    """Its hosts, each with the one service that runs there; None for a zone that is not available."""
    if not zone.available:
        return None
    return {
        host.name: {BINARY: {"available": host.up, "active": host.enabled, "updated_at": long_stamp(host.seen_at)}}
        for host in zone.hosts
    }


@api.get("/v2.1/os-availability-zone", rule=f"{RULES}:list", wrap="availabilityZoneInfo")
async def list_zones(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    asked(ctx, query, strict_from="2.102")
    return [shown(zone, None) for zone in await service.list_(ctx)]


@api.get("/v2.1/os-availability-zone/detail", rule=f"{RULES}:detail", wrap="availabilityZoneInfo")
async def list_zones_whole(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    asked(ctx, query, strict_from="2.102")
    return [shown(zone, hosts_of(zone)) for zone in await service.list_(ctx)]
