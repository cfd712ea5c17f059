"""Servers as the API shows them, at each microversion. Each is rendered once for as long as it would come out the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw

from pileus.kernel.context import Ctx, Version, version
from pileus.kernel.db.given import given_uuid
from pileus.kernel.http import Here
from pileus.kernel.http.rendered import rendered
from pileus.services.compute.http import bookmark, is_admin, links, root, stamp
from pileus.services.compute.servers import guest_data, seen, service
from pileus.services.compute.servers.seen import Row
from pileus.services.compute.servers.service import Nic, Place, Server, status_of

ATTRIBUTES = "os_compute_api:os-extended-server-attributes"
HOST_STATUS = "os_compute_api:servers:show:host_status"
UNKNOWN_STATUS = "os_compute_api:servers:show:host_status:unknown-only"
SPECS = "os_compute_api:servers:show:flavor-extra-specs"
PROGRESSING = {"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}
KEPT = 2_000  # documents, of 2 KB
FAULTY = {"ERROR", "DELETED"}
POWER_NAMES = {0: "pending", 1: "running", 3: "paused", 4: "shutdown", 6: "crashed", 7: "suspended"}

Shown = Callable[[Server, Sequence[str]], Any]
NEWER: tuple[tuple[str, str, Shown], ...] = (
    ("2.9", "locked", lambda server, tags: server.locked_by is not None),
    ("2.19", "description", lambda server, tags: server.description),
    ("2.26", "tags", lambda server, tags: tags),
    ("2.63", "trusted_image_certificates", lambda server, tags: None),
    ("2.71", "server_groups", lambda server, tags: [str(server.group_id)] if server.group_id else []),
    ("2.73", "locked_reason", lambda server, tags: server.locked_reason),
    ("2.90", "OS-EXT-SRV-ATTR:hostname", lambda server, tags: server.hostname),
    ("2.96", "pinned_availability_zone", lambda server, tags: server.zone),
    ("2.100", "scheduler_hints", lambda server, tags: server.hints),
)


MadeOf = tuple[Row, tuple[Nic, ...], Place, "Way", str | None]
"""What a server's document is made of; its user data, where that is shown."""


class May(msgspec.Struct, frozen=True):
    """What the caller may see beside: the same for all servers of a project."""

    attributes: bool
    host_status: bool
    unknown_status: bool
    specs: bool
    details: bool


@dataclass(frozen=True, eq=False, slots=True)
class Way:
    """How a caller is shown servers. There is one of a kind (`way`): it is compared by what it is, which is fast."""

    here: Here
    version: Version | None
    groups: bool
    may: May

    def at(self, text: str) -> bool:
        """As that of Ctx."""
        return self.version is not None and self.version >= version(text)


@lru_cache(256)
def way(base: str, path: str, version: Version | None, groups: bool, may: May) -> Way:
    return Way(Here(base, path, {}), version, groups, may)


def way_of(ctx: Ctx, here: Here, owner: tuple[str, str], *, groups: bool) -> Way:
    """To the caller, those of this project and user."""
    return way(here.base, f"{root(here)}/servers", ctx.version, groups, may(ctx, owner))


def may(ctx: Ctx, owner: tuple[str, str]) -> May:
    """Of the servers of this project and user."""
    target = dict(zip(("project_id", "user_id"), owner, strict=True))

    def allowed(rule: str) -> bool:
        return ctx.world.policy.allows(rule, ctx.caller, target)

    return May(
        attributes=allowed(ATTRIBUTES),
        host_status=ctx.at("2.16") and allowed(HOST_STATUS),
        unknown_status=ctx.at("2.16") and allowed(UNKNOWN_STATUS),
        specs=ctx.at("2.47") and allowed(SPECS),
        details=is_admin(ctx),
    )


def brief(here: Here, row: Row) -> dict[str, Any]:
    id_ = given_uuid(row[0])
    return {"id": id_, "name": row[1], "links": links(here, "servers", str(id_))}


async def whole(ctx: Ctx, here: Here, rows: Sequence[Row], *, groups: bool = False) -> list[Raw]:
    """Each with all there is to see. The number of queries does not depend on how many they are."""
    return [shown(*made_of) for made_of in await all_of(ctx, here, rows, groups=groups)]


async def all_of(ctx: Ctx, here: Here, rows: Sequence[Row], *, groups: bool) -> list[MadeOf]:
    """What each of these servers' documents is made of."""
    owners = [*map(seen.owner_of, rows)]
    ways = {owner: way_of(ctx, here, owner, groups=groups) for owner in set(owners)}
    told = [row for row, owner in zip(rows, owners, strict=True) if seen.has_user_data(row) and told_all(ways[owner])]
    its = await seen.user_data_of(ctx, [given_uuid(row[0]) for row in told])
    texts = {row[0]: guest_data.user_data(ctx, its.get(given_uuid(row[0]))) for row in told}
    found = zip(rows, await service.beside(ctx, rows), owners, strict=True)
    return [(row, nics, place, ways[owner], texts.get(row[0])) for row, (nics, place), owner in found]


async def changed(ctx: Ctx, here: Here, server_id: UUID) -> dict[str, Any]:
    """What a PUT and a rebuild answer: all of it only from 2.75 on."""
    async with ctx.read() as ctx:
        (made_of,) = await all_of(ctx, here, [await service.row(ctx, server_id)], groups=True)
    shown = document(*made_of)
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


async def rebuilt(ctx: Ctx, here: Here, server: Server) -> dict[str, Any]:
    """What a rebuild answers: the server with the image that it will have."""
    shown = await changed(ctx, here, server.id)
    its = way_of(ctx, here, (server.project_id, server.user_id), groups=True)
    return {**shown, "image": image(its, server)}


def bare(address: dict[str, Any]) -> dict[str, Any]:
    """Without what the extensions said of it."""
    return {name: address[name] for name in ("version", "addr")}


def document(row: Row, nics: Sequence[Nic], place: Place, way: Way, user_data: str | None) -> dict[str, Any]:
    """Of these arguments alone: see `shown`."""
    server, disks, tags = seen.read(row)
    status = status_of(server.vm_state, server.task_state)
    document: dict[str, Any] = {
        "id": server.id,
        "name": server.name,
        "status": status,
        "tenant_id": server.project_id,
        "user_id": server.user_id,
        "metadata": server.metadata,
        "hostId": host_id(server),
        "image": image(way, server),
        "flavor": flavor(way, server),
        "created": stamp(server.created_at),
        "updated": stamp(server.updated_at),
        "addresses": addresses(nics),
        "accessIPv4": server.access_ipv4 or "",
        "accessIPv6": server.access_ipv6 or "",
        "links": links(way.here, "servers", str(server.id)),
        "OS-DCF:diskConfig": server.disk_config,
        "OS-EXT-AZ:availability_zone": place.zone,
        "config_drive": "True" if server.config_drive else "",
        "key_name": server.key_name,
        "OS-SRV-USG:launched_at": usage(server.launched_at),
        "OS-SRV-USG:terminated_at": usage(server.deleted_at),
        "OS-EXT-STS:task_state": server.task_state,
        "OS-EXT-STS:vm_state": server.vm_state,
        "OS-EXT-STS:power_state": server.power_state,
        "os-extended-volumes:volumes_attached": volumes(way, disks),
    }
    if names := dict.fromkeys(name for nic in nics for name in nic.groups):
        document["security_groups"] = [{"name": name} for name in names]
    if status in PROGRESSING:
        document["progress"] = 100 if server.vm_state == "active" else 0
    if status in FAULTY and server.fault is not None:
        document["fault"] = fault(server, details=way.may.details)
    if way.may.attributes:
        document |= attributes(way, server, user_data)
    if way.may.host_status or (way.may.unknown_status and place.status == "UNKNOWN"):
        document["host_status"] = place.status
    return document | newer(way, server, tags)


shown = rendered(KEPT)(document)


def newer(way: Way, server: Server, tags: Sequence[str]) -> dict[str, Any]:
    """What this microversion shows beyond the first one."""
    hidden = () if way.groups else ("server_groups",)
    return {name: shown(server, tags) for since, name, shown in NEWER if way.at(since) and name not in hidden}


def told_all(way: Way) -> bool:
    """Whether user data is shown, too."""
    return way.may.attributes and way.at("2.3")


def attributes(way: Way, server: Server, user_data: str | None) -> dict[str, Any]:
    """What is for administrators."""
    shown: dict[str, Any] = {
        "OS-EXT-SRV-ATTR:host": server.host,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": server.host,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{server.id.int & 0xFFFFFFFF:08x}",
    }
    if told_all(way):
        shown["OS-EXT-SRV-ATTR:reservation_id"] = server.reservation_id
        shown["OS-EXT-SRV-ATTR:launch_index"] = server.launch_index
        shown["OS-EXT-SRV-ATTR:hostname"] = server.hostname
        shown["OS-EXT-SRV-ATTR:kernel_id"] = ""
        shown["OS-EXT-SRV-ATTR:ramdisk_id"] = ""
        shown["OS-EXT-SRV-ATTR:root_device_name"] = "/dev/vda"
        shown["OS-EXT-SRV-ATTR:user_data"] = user_data
    return shown


def host_id(server: Server) -> str:
    """The same for all of a project's servers on one host, and telling nothing of it."""
    return _host_id(server.project_id, server.host) if server.host else ""


@lru_cache(1024)
def _host_id(project_id: str, host: str) -> str:
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest()


def image(way: Way, server: Server) -> dict[str, Any] | str:
    if server.image_id is None:
        return ""
    shown = {"id": server.image_id, "links": bookmark(way.here, "images", str(server.image_id))}
    if not way.at("2.98"):
        return shown
    return {**shown, "properties": {name: str(value) for name, value in server.image.properties.items()}}


def flavor(way: Way, server: Server) -> dict[str, Any]:
    kept = server.flavor
    if not way.at("2.47"):
        return {"id": kept.id, "links": bookmark(way.here, "flavors", kept.id)}
    shown: dict[str, Any] = {
        "vcpus": kept.vcpus,
        "ram": kept.memory_mib,
        "disk": kept.disk_gib,
        "ephemeral": kept.ephemeral_gib,
        "swap": kept.swap_mib,
        "original_name": kept.name,
    }
    return {**shown, "extra_specs": kept.extra_specs} if way.may.specs else shown


def addresses(nics: Iterable[Nic]) -> dict[str, list[dict[str, Any]]]:
    """By the names of the networks, with the floating address behind the fixed one."""
    found: dict[str, list[dict[str, Any]]] = {}
    for nic in nics:
        listed = found.setdefault(nic.network_name, [])
        for fixed, floating in nic.addresses:
            listed.append(address(fixed, "fixed", nic.mac))
            listed += [address(out, "floating", nic.mac) for out in floating]
    return found


def address(text: str, kind: str, mac: str) -> dict[str, Any]:
    return {"version": 6 if ":" in text else 4, "addr": text, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": mac}


def volumes(way: Way, disks: Sequence[tuple[UUID, bool]]) -> list[dict[str, Any]]:
    if not way.at("2.3"):
        return [{"id": id_} for id_, _ in disks]
    return [{"id": id_, "delete_on_termination": last} for id_, last in disks]


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
