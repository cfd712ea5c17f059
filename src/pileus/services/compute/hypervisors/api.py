"""/os-hypervisors/{hypervisor}: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound, NotImplementedHere
from pileus.kernel.http import Here, Query
from pileus.kernel.http.answers import ENCODER
from pileus.kernel.http.plan import parse_uuid
from pileus.kernel.http.queries import boolean
from pileus.services.compute.http import api, asked, limit, next_link
from pileus.services.compute.hypervisors import service
from pileus.services.compute.hypervisors.service import Guest, Hypervisor, Used

LIST = "/v2.1/os-hypervisors"
ONE = "/v2.1/os-hypervisors/{hypervisor}"
RULES = "os_compute_api:os-hypervisors"
PATTERN = "hypervisor_hostname_pattern"
NUMBERS = (
    *("vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used", "free_ram_mb", "free_disk_gb"),
    *("disk_available_least", "current_workload", "running_vms"),
)
LISTED = (PATTERN, "limit", "marker", "with_servers")


class Around(msgspec.Struct, frozen=True):
    """What is told of hosts beside themselves, by name."""

    guests: dict[str, list[Guest]]
    used: dict[str, Used]


async def around(ctx: Ctx, hosts: Sequence[Hypervisor], *, servers: bool, whole: bool) -> Around:
    """Only what will be shown is looked at: the servers if asked for, the numbers until 2.87."""
    numbers = whole and not ctx.at("2.88")
    names = [host.name for host in hosts] if servers or numbers else []
    used = await service.used(ctx, [host.id for host in hosts]) if numbers else {}
    return Around(await service.guests_of(ctx, names), {host.name: used[host.id] for host in hosts} if numbers else {})


def brief(ctx: Ctx, host: Hypervisor, about: Around, *, servers: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": host.id if ctx.at("2.53") else host.number,
        "hypervisor_hostname": host.name,
        "state": "up" if host.up else "down",
        "status": "enabled" if host.enabled else "disabled",
    }
    guests = about.guests[host.name] if servers else []
    if guests or (servers and ctx.at("2.75")):
        document["servers"] = [{"uuid": guest.id, "name": guest.name} for guest in guests]
    return document


def shown(ctx: Ctx, host: Hypervisor, about: Around, *, servers: bool) -> dict[str, Any]:
    """The hypervisor, whole."""
    service_id = host.service_id if ctx.at("2.53") else host.number
    document = {
        **brief(ctx, host, about, servers=servers),
        "hypervisor_type": host.facts.type,
        "hypervisor_version": host.facts.version,
        "host_ip": host.address.rpartition(":")[0].strip("[]") if not host.address.startswith("unix:") else "",
        "service": {"id": service_id, "host": host.name, "disabled_reason": host.disabled_reason},
    }
    document["host_ip"] = document["host_ip"] or "127.0.0.1"
    if ctx.at("2.88"):
        return {**document, "uptime": None}
    cpu = host.facts.cpu if ctx.at("2.28") else ENCODER.encode(host.facts.cpu).decode()
    return {**document, **numbers(host, about.used[host.name], about.guests[host.name]), "cpu_info": cpu}


def numbers(host: Hypervisor, used: Used, guests: Sequence[Guest]) -> dict[str, int]:
    """What it has, and what of it is promised."""
    facts = host.facts
    return {
        "vcpus": facts.vcpus,
        "memory_mb": facts.memory_mib,
        "local_gb": facts.disk_gib,
        "vcpus_used": used.vcpus,
        "memory_mb_used": used.memory_mib,
        "local_gb_used": used.disk_gib,
        "free_ram_mb": facts.memory_mib - used.memory_mib,
        "free_disk_gb": facts.disk_gib - used.disk_gib,
        "disk_available_least": facts.disk_gib - used.disk_gib,
        "current_workload": sum(guest.busy for guest in guests),
        "running_vms": len(guests),
    }


async def listed(ctx: Ctx, query: Query, here: Here, *, whole: bool) -> dict[str, Any]:
    given = asked(ctx, query, LISTED, strict_from="2.53")
    pattern = given.get(PATTERN) if ctx.at("2.53") else None
    servers = ctx.at("2.53") and boolean("with_servers", given.get("with_servers", "false"))
    on: dict[str, Any] = {}
    async with ctx.read() as ctx:
        if pattern is not None:
            if "limit" in given or "marker" in given:
                raise BadRequest(
                    "Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported."
                )
            hosts = await service.search(ctx, pattern)
        elif ctx.at("2.33"):
            by_number = not ctx.at("2.53")
            hosts, at = await service.page(ctx, limit=limit(given), marker=given.get("marker"), by_number=by_number)
            on = next_link(here, "hypervisors", at)
        else:
            hosts = await service.list_(ctx)
        about = await around(ctx, hosts, servers=servers, whole=whole)
    show = shown if whole else brief
    return {"hypervisors": [show(ctx, host, about, servers=servers) for host in hosts], **on}


@api.get(LIST, rule=f"{RULES}:list")
async def list_hypervisors(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, whole=False)


@api.get(f"{LIST}/detail", rule=f"{RULES}:list-detail")
async def list_hypervisors_whole(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return await listed(ctx, query, here, whole=True)


@api.get(f"{LIST}/statistics", rule=f"{RULES}:statistics", until="2.87", wrap="hypervisor_statistics")
async def show_statistics(ctx: Ctx) -> dict[str, int]:
    async with ctx.read() as ctx:
        hosts = [host for host in await service.list_(ctx) if host.enabled]
        about = await around(ctx, hosts, servers=False, whole=True)
    total = dict.fromkeys(NUMBERS, 0) | {"count": len(hosts)}
    for host in hosts:
        for name, number in numbers(host, about.used[host.name], about.guests[host.name]).items():
            total[name] += number
    return total


@api.get(ONE, rule=f"{RULES}:show", wrap="hypervisor")
async def show_hypervisor(ctx: Ctx, hypervisor: str, query: Query) -> dict[str, Any]:
    given = asked(ctx, query, ("with_servers",), strict_from="2.53")
    servers = ctx.at("2.53") and boolean("with_servers", given.get("with_servers", "false"))
    async with ctx.read() as ctx:
        host = await found(ctx, hypervisor)
        return shown(ctx, host, await around(ctx, [host], servers=servers, whole=True), servers=servers)


async def found(ctx: Ctx, text: str) -> Hypervisor:
    """By UUID from 2.53 on, by number before. Raises NotFound, BadRequest."""
    if ctx.at("2.53"):
        try:
            return await service.get(ctx, str(parse_uuid(text)))
        except ValueError:
            raise BadRequest(f"Invalid uuid {text[:80]}") from None
    if re.fullmatch("[0-9]{1,18}", text) is None:
        raise NotFound(f"Hypervisor with ID '{text}' could not be found.")
    return await service.get_by_number(ctx, int(text))


@api.get(f"{ONE}/uptime", rule=f"{RULES}:uptime", until="2.87", wrap="hypervisor")
async def show_uptime(ctx: Ctx, hypervisor: str) -> dict[str, Any]:
    await found(ctx, hypervisor)
    raise NotImplementedHere("Virt driver does not implement uptime function.")


@api.get(f"{ONE}/search", rule=f"{RULES}:search", until="2.52", wrap="hypervisors")
async def search_hypervisors(ctx: Ctx, hypervisor: str) -> list[dict[str, Any]]:
    nothing = Around({}, {})
    return [brief(ctx, host, nothing, servers=False) for host in await service.search(ctx, hypervisor)]


@api.get(f"{ONE}/servers", rule=f"{RULES}:servers", until="2.52", wrap="hypervisors")
async def list_servers_of_hypervisors(ctx: Ctx, hypervisor: str) -> list[dict[str, Any]]:
    async with ctx.read() as ctx:
        hosts = await service.search(ctx, hypervisor)
        about = await around(ctx, hosts, servers=True, whole=False)
    return [brief(ctx, host, about, servers=True) for host in hosts]
