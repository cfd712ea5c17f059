"""/os-hosts/{host_name}: how hosts were shown until 2.42; hypervisors and services are what is there."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound, NotImplementedHere
from pileus.kernel.http import Body, Query
from pileus.services.compute.aggregates import service as aggregates
from pileus.services.compute.http import api, asked
from pileus.services.compute.hypervisors import service
from pileus.services.compute.hypervisors.service import Hypervisor

LIST = "/v2.1/os-hosts"
ONE = "/v2.1/os-hosts/{host_name}"
RULES = "os_compute_api:os-hosts"
LAST = "2.42"

Switch = Literal["enable", "disable", "Enable", "Disable", "ENABLE", "DISABLE"]


class ChangeHost(Body, frozen=True):
    status: Switch | UnsetType = UNSET
    maintenance_mode: Switch | UnsetType = UNSET


async def found(ctx: Ctx, name: str) -> Hypervisor:
    host = (await service.named(ctx, [name])).get(name)
    if host is None:
        raise NotFound(f"Compute host {name} could not be found.")
    return host


@api.get(LIST, rule=f"{RULES}:list", until=LAST, wrap="hosts")
async def list_hosts(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    zone = asked(ctx, query, ("zone",)).get("zone")
    async with ctx.read() as ctx:
        hosts = [host for host in await service.list_(ctx) if host.enabled]
        zones = await aggregates.zones_of(ctx, [host.name for host in hosts])
    return [
        {"host_name": host.name, "service": "compute", "zone": zones[host.name]}
        for host in hosts
        if not zone or zones[host.name] == zone
    ]


@api.get(ONE, rule=f"{RULES}:show", until=LAST, wrap="host")
async def show_host(ctx: Ctx, host_name: str) -> list[dict[str, Any]]:
    async with ctx.read() as ctx:
        host = await found(ctx, host_name)
        used = (await service.used(ctx, [host.id]))[host.id]

    def told(project: str, cpu: int, memory_mib: int, disk_gib: int) -> dict[str, Any]:
        amounts = {"cpu": cpu, "memory_mb": memory_mib, "disk_gb": disk_gib}
        return {"resource": {"host": host.name, "project": project, **amounts}}

    return [
        told("(total)", host.facts.vcpus, host.facts.memory_mib, host.facts.disk_gib),
        told("(used_now)", used.vcpus, used.memory_mib, used.disk_gib),
        told("(used_max)", used.vcpus, used.memory_mib, used.disk_gib),
    ]


@api.put(ONE, rule=f"{RULES}:update", until=LAST)
async def change_host(ctx: Ctx, host_name: str, body: ChangeHost) -> dict[str, Any]:
    if body.status is UNSET and body.maintenance_mode is UNSET:
        raise BadRequest("Invalid input: the body names neither status nor maintenance_mode.")
    await found(ctx, host_name)
    if body.maintenance_mode is not UNSET:
        raise NotImplementedHere("There is no maintenance mode here: disable the host's service and move its servers.")
    enabled = str(body.status).lower() == "enable"
    await service.change(ctx, host_name, {"enabled": enabled, "disabled_reason": None})
    return {"host": host_name, "status": "enabled" if enabled else "disabled"}


async def refuse_power(ctx: Ctx, host_name: str) -> None:
    await found(ctx, host_name)
    raise NotImplementedHere("Compute does not switch hosts on and off here.")


@api.get(f"{ONE}/reboot", rule=f"{RULES}:reboot", until=LAST)
async def reboot_host(ctx: Ctx, host_name: str) -> None:
    await refuse_power(ctx, host_name)


@api.get(f"{ONE}/shutdown", rule=f"{RULES}:shutdown", until=LAST)
async def shut_host_down(ctx: Ctx, host_name: str) -> None:
    await refuse_power(ctx, host_name)


@api.get(f"{ONE}/startup", rule=f"{RULES}:start", until=LAST)
async def start_host(ctx: Ctx, host_name: str) -> None:
    await refuse_power(ctx, host_name)
