"""Servers as the API shows them, at each microversion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.http import Here
from pileus.services.compute.http import bookmark, is_admin, links, stamp
from pileus.services.compute.servers import guest_data, service
from pileus.services.compute.servers.service import Beside, Server, Wire, status_of

ATTRIBUTES = "os_compute_api:os-extended-server-attributes"
HOST_STATUS = "os_compute_api:servers:show:host_status"
UNKNOWN_STATUS = "os_compute_api:servers:show:host_status:unknown-only"
SPECS = "os_compute_api:servers:show:flavor-extra-specs"
PROGRESSING = {"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}
FAULTY = {"ERROR", "DELETED"}
POWER_NAMES = {0: "pending", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}

Shown = Callable[[Server, Beside], Any]
More = Sequence[tuple[str, Shown]]
NEWER: tuple[tuple[str, str, Shown], ...] = (
    ("2.9", "locked", lambda server, beside: server.locked_by is not None),
    ("2.19", "description", lambda server, beside: server.description),
    ("2.26", "tags", lambda server, beside: beside.tags),
    ("2.63", "trusted_image_certificates", lambda server, beside: None),
    ("2.71", "server_groups", lambda server, beside: [str(server.group_id)] if server.group_id else []),
    ("2.73", "locked_reason", lambda server, beside: server.locked_reason),
    ("2.90", "OS-EXT-SRV-ATTR:hostname", lambda server, beside: server.hostname),
    ("2.96", "pinned_availability_zone", lambda server, beside: server.zone),
    ("2.100", "scheduler_hints", lambda server, beside: server.hints),
)


class May(msgspec.Struct, frozen=True):
    """What the caller may see beside: the same for all servers of a project."""

    attributes: bool
    host_status: bool
    unknown_status: bool
    specs: bool
    details: bool


def may(ctx: Ctx, server: Server) -> May:
    target = service.target(server)

    def allowed(rule: str) -> bool:
        return ctx.world.policy.allows(rule, ctx.caller, target)

    return May(
        attributes=allowed(ATTRIBUTES),
        host_status=ctx.at("2.16") and allowed(HOST_STATUS),
        unknown_status=ctx.at("2.16") and allowed(UNKNOWN_STATUS),
        specs=ctx.at("2.47") and allowed(SPECS),
        details=is_admin(ctx),
    )


def brief(here: Here, server: Server) -> dict[str, Any]:
    return {"id": server.id, "name": server.name, "links": links(here, "servers", str(server.id))}


async def whole(ctx: Ctx, here: Here, servers: Sequence[Server], *, groups: bool = False) -> list[dict[str, Any]]:
    """Each with all there is to see. The number of queries does not depend on how many they are."""
    allowed: dict[tuple[str, str], May] = {}
    more = newer(ctx, groups=groups)
    shown = []
    for server, its in zip(servers, await service.beside(ctx, servers), strict=True):
        key = (server.project_id, server.user_id)
        if key not in allowed:
            allowed[key] = may(ctx, server)
        shown.append(one(ctx, here, server, its, allowed[key], more))
    return shown


async def changed(ctx: Ctx, here: Here, server: Server) -> dict[str, Any]:
    """What a PUT and a rebuild answer: all of it only from 2.75 on."""
    (shown,) = await whole(ctx, here, [server], groups=True)
    if ctx.at("2.75"):
        return shown
    hidden = (
        "OS-EXT-",
        "OS-SRV-USG:",
        "os-extended-volumes:",
        "security_groups",
        "config_drive",
        "key_name",
        "host_status",
    )
    shown["addresses"] = {name: [bare(each) for each in listed] for name, listed in shown["addresses"].items()}
    return {name: value for name, value in shown.items() if not name.startswith(hidden)}


def bare(address: dict[str, Any]) -> dict[str, Any]:
    """Without what the extensions said of it."""
    return {name: address[name] for name in ("version", "addr")}


def one(ctx: Ctx, here: Here, server: Server, beside: Beside, may: May, more: More) -> dict[str, Any]:
    status = status_of(server.vm_state, server.task_state)
    document: dict[str, Any] = {
        "id": server.id,
        "name": server.name,
        "status": status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": host_id(server),
        "image": image(ctx, here, server),
        "flavor": flavor(ctx, here, server, specs=may.specs),
        "created": stamp(server.created_at),
        "updated": stamp(server.updated_at),
        "addresses": addresses(beside.wires),
        "accessIPv4": server.access_ipv4 or "",
        "accessIPv6": server.access_ipv6 or "",
        "links": links(here, "servers", str(server.id)),
        "OS-DCF:diskConfig": server.disk_config,
        "OS-EXT-AZ:availability_zone": beside.zone if server.host else "",
        "config_drive": "True" if server.config_drive else "",
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": usage(server.launched_at),
        "OS-SRV-USG:terminated_at": usage(server.deleted_at),
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": volumes(ctx, beside),
    }
    if names := dict.fromkeys(name for wire in beside.wires for name in wire.groups):
        document["security_groups"] = [{"name": name} for name in names]
    if status in PROGRESSING:
        document["progress"] = 100 if server.vm_state == "active" else 0
    if status in FAULTY and server.fault is not None:
        document["fault"] = fault(server, details=may.details)
    if may.attributes:
        document |= attributes(ctx, server)
    if may.host_status or (may.unknown_status and beside.host_status == "UNKNOWN"):
        document["host_status"] = beside.host_status
    for name, shown in more:
        document[name] = shown(server, beside)
    return document


def newer(ctx: Ctx, *, groups: bool) -> list[tuple[str, Shown]]:
    """What this microversion shows beyond the first one, and how it is seen."""
    hidden = set() if groups else {"server_groups"}
    return [(name, shown) for since, name, shown in NEWER if ctx.at(since) and name not in hidden]


def attributes(ctx: Ctx, server: Server) -> dict[str, Any]:
    """What is for administrators."""
    shown: dict[str, Any] = {
        "OS-EXT-SRV-ATTR:host": server.host,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": server.host,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{server.id.int & 0xFFFFFFFF:08x}",
    }
    if ctx.at("2.3"):
        shown["OS-EXT-SRV-ATTR:reservation_id"] = server.reservation_id
        shown["OS-EXT-SRV-ATTR:launch_index"] = server.launch_index
        shown["OS-EXT-SRV-ATTR:hostname"] = server.hostname
        shown["OS-EXT-SRV-ATTR:kernel_id"] = ""
        shown["OS-EXT-SRV-ATTR:ramdisk_id"] = ""
        shown["OS-EXT-SRV-ATTR:root_device_name"] = "/dev/vda"
        shown["OS-EXT-SRV-ATTR:user_data"] = guest_data.user_data(ctx, server)
    return shown


def host_id(server: Server) -> str:
    """The same for all of a project's servers on one host, and telling nothing of it."""
    return _host_id(server.project_id, server.host) if server.host else ""


@lru_cache(1024)
def _host_id(project_id: str, host: str) -> str:
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest()


def image(ctx: Ctx, here: Here, server: Server) -> dict[str, Any] | str:
    if server.image_id is None:
        return ""
    shown = {"id": server.image_id, "links": bookmark(here, "images", str(server.image_id))}
    if not ctx.at("2.98"):
        return shown
    return {**shown, "properties": {name: str(value) for name, value in server.image.properties.items()}}


def flavor(ctx: Ctx, here: Here, server: Server, *, specs: bool) -> dict[str, Any]:
    kept = server.flavor
    if not ctx.at("2.47"):
        return {"id": kept.id, "links": bookmark(here, "flavors", kept.id)}
    shown: dict[str, Any] = {
        "vcpus": kept.vcpus,
        "ram": kept.memory_mib,
        "disk": kept.disk_gib,
        "ephemeral": kept.ephemeral_gib,
        "swap": kept.swap_mib,
        "original_name": kept.name,
    }
    return {**shown, "extra_specs": kept.extra_specs} if specs else shown


def addresses(wires: Iterable[Wire]) -> dict[str, list[dict[str, Any]]]:
    """By the names of the networks, with the floating address behind the fixed one."""
    found: dict[str, list[dict[str, Any]]] = {}
    for wire in wires:
        listed = found.setdefault(wire.network_name, [])
        for fixed in wire.fixed:
            listed.append(address(fixed.address, "fixed", wire.mac))
            listed += [
                address(out, "floating", wire.mac) for out, inner in wire.floating.items() if inner == fixed.address
            ]
    return found


def address(text: str, kind: str, mac: str) -> dict[str, Any]:
    return {"version": 6 if ":" in text else 4, "addr": text, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": mac}


def volumes(ctx: Ctx, beside: Beside) -> list[dict[str, Any]]:
    if not ctx.at("2.3"):
        return [{"id": each.volume_id} for each in beside.volumes]
    return [{"id": each.volume_id, "delete_on_termination": each.delete_with_server} for each in beside.volumes]


def fault(server: Server, *, details: bool) -> dict[str, Any]:
    assert server.fault is not None
    shown: dict[str, Any] = {
        "code": server.fault.code,
        "message": server.fault.message,
        "created": stamp(server.fault.created_at),
    }
    if server.fault.details and (details or server.fault.code != 500):
        shown["details"] = server.fault.details
    return shown


def usage(at: float | None) -> str | None:
    text = stamp(at)
    return None if text is None else f"{text.removesuffix('Z')}.000000"


def diagnostics(server: Server, found: Mapping[str, int | float]) -> dict[str, Any]:
    """The form that is the same for all hypervisors, from 2.48 on."""
    cpus = [
        {"id": n, "time": int(found[f"cpu{n}_time"]), "utilisation": None}
        for n in range(server.flavor.vcpus)
        if f"cpu{n}_time" in found
    ]
    targets = sorted(name.removesuffix("_read_req") for name in found if name.endswith("_read_req"))
    disks = [
        {
            "read_bytes": int(found.get(f"{t}_read", 0)),
            "read_requests": int(found.get(f"{t}_read_req", 0)),
            "write_bytes": int(found.get(f"{t}_write", 0)),
            "write_requests": int(found.get(f"{t}_write_req", 0)),
            "errors_count": int(found.get(f"{t}_errors", 0)),
        }
        for t in targets
    ]
    taps = sorted(name.removesuffix("_rx_packets") for name in found if name.endswith("_rx_packets"))
    used = int(found.get("memory-rss", 0)) // 1024
    return {
        "state": POWER_NAMES.get(server.power_state, "running"),
        "driver": "libvirt",
        "hypervisor": "qemu",
        "hypervisor_os": "linux",
        "uptime": int(found.get("uptime", 0)),
        "config_drive": server.config_drive,
        "num_cpus": len(cpus),
        "num_nics": len(taps),
        "num_disks": len(disks),
        "memory_details": {"maximum": int(found.get("memory", 0)) // 1024, "used": used},
        "cpu_details": cpus,
        "disk_details": disks,
        "nic_details": [nic_numbers(found, tap) for tap in taps],
    }


def nic_numbers(found: Mapping[str, int | float], tap: str) -> dict[str, Any]:
    names = {"": "octets", "_packets": "packets", "_errors": "errors", "_drop": "drop"}
    numbers = {
        f"{way}_{said}": int(found.get(f"{tap}_{way}{name}", 0)) for way in ("rx", "tx") for name, said in names.items()
    }
    return {"mac_address": None, "rx_rate": None, "tx_rate": None, **numbers}
