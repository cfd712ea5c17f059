"""What a guest may know of itself. The metadata service and the config drive are made by the same functions, so they agree."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.services.compute.servers import neighbours, store, wiring
from pileus.services.compute.servers.store import Device, NicRow, Server
from pileus.services.compute.servers.wiring import Fixed, Wire

OPENSTACK = (
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
)
EC2 = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
)
VENDOR_SINCE, NETWORK_SINCE, TAGGED_SINCE, VENDOR2_SINCE = "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06"
SEED_BYTES = 512
USER_DATA = b"user data"  # where it is sealed


class Vault(msgspec.Struct, frozen=True):
    """What is sealed in a server's row."""

    admin_pass: str | None = None
    files: Sequence[tuple[str, str]] = ()  # path, contents in base64
    seed: str = ""  # of the random numbers that a guest starts with


class About(msgspec.Struct, frozen=True, kw_only=True):
    """A server, and all that a guest is told of it."""

    server: Server
    vault: Vault
    user_data: str | None
    wires: Sequence[Wire]
    nics: Sequence[NicRow]
    devices: Sequence[Device]
    zone: str


def sealed(ctx: Ctx, vault: Vault) -> bytes:
    return ctx.world.seal.seal(msgspec.json.encode(vault))


def opened(ctx: Ctx, server: Server) -> Vault:
    if server.sealed is None:
        return Vault()
    return msgspec.json.decode(ctx.world.seal.open(server.sealed), type=Vault)


def sealed_user_data(ctx: Ctx, text: str | None) -> bytes | None:
    return None if text is None else ctx.world.seal.seal(text.encode(), place=USER_DATA)


def user_data(ctx: Ctx, sealed: bytes | None) -> str | None:
    """As it came: in base64."""
    return None if sealed is None else ctx.world.seal.open(sealed, place=USER_DATA).decode()


async def about(ctx: Ctx, server: Server) -> About:
    async with ctx.read() as ctx:
        nics = await store.nics_of(ctx, [server.id])
        wires = await wiring.wires(ctx, [nic.port_id for nic in nics])
        devices = await store.devices_of(ctx, [server.id])
        zone = await neighbours.zone_of(ctx, server)
    return About(
        server=server,
        vault=opened(ctx, server),
        user_data=user_data(ctx, server.user_data),
        wires=[wires[nic.port_id] for nic in nics if nic.port_id in wires],
        nics=nics,
        devices=devices,
        zone=zone,
    )


def drive(about: About) -> dict[str, bytes]:
    """The files of a config drive, by their paths."""
    files: dict[str, bytes] = {}
    for version in (*OPENSTACK, "latest"):
        for name, data in openstack(about, version).items():
            files[f"openstack/{version}/{name}"] = data
    for n, (_, contents) in enumerate(about.vault.files):
        files[f"openstack/content/{n:04d}"] = decoded(contents)
    for version in (EC2[-1], "latest"):
        files[f"ec2/{version}/meta-data.json"] = encode(ec2_tree(about))
        if about.user_data:
            files[f"ec2/{version}/user-data"] = decoded(about.user_data)
    return files


# OpenStack's form


def openstack(about: About, version: str) -> dict[str, bytes]:
    """The files of one version of OpenStack's form, by name."""
    at = OPENSTACK[-1] if version == "latest" else version
    files = {"meta_data.json": encode(meta_data(about, at))}
    if about.user_data:
        files["user_data"] = decoded(about.user_data)
    if at >= VENDOR_SINCE:
        files["vendor_data.json"] = encode({})
    if at >= NETWORK_SINCE:
        files["network_data.json"] = encode(network_data(about))
    if at >= VENDOR2_SINCE:
        files["vendor_data2.json"] = encode({})
    return files


def meta_data(about: About, version: str) -> dict[str, Any]:
    server = about.server
    shown: dict[str, Any] = {
        "uuid": str(server.id),
        "availability_zone": about.zone,
        "hostname": server.hostname,
        "launch_index": server.launch_index,
        "name": server.name,
    }
    if server.metadata:
        shown["meta"] = server.metadata
    if about.vault.files:
        shown["files"] = [
            {"path": path, "content_path": f"/content/{n:04d}"} for n, (path, _) in enumerate(about.vault.files)
        ]
    if server.key is not None:
        shown["public_keys"] = {server.key.name: server.key.public_key}
        shown["keys"] = [{"name": server.key.name, "type": server.key.type, "data": server.key.public_key}]
    if version >= "2013-04-04":
        shown["random_seed"] = base64.b64encode(seed(about)).decode()
    if version >= "2015-10-15":
        shown["project_id"] = server.project_id
    if about.vault.admin_pass is not None:
        shown["admin_pass"] = about.vault.admin_pass
    if version >= TAGGED_SINCE:
        shown["devices"] = devices(about)
    if version >= "2020-10-14":
        shown["dedicated_cpus"] = []
    return shown


def seed(about: About) -> bytes:
    """Random to everybody but this guest, and the same however often it asks."""
    return hashlib.shake_256(about.vault.seed.encode() + about.server.id.bytes).digest(SEED_BYTES)


def devices(about: About) -> list[dict[str, Any]]:
    """What has a tag, by which the guest finds it."""
    wires = {wire.port_id: wire for wire in about.wires}
    found: list[dict[str, Any]] = [
        {"type": "nic", "bus": "none", "address": "none", "mac": wires[nic.port_id].mac, "tags": [nic.tag]}
        for nic in about.nics
        if nic.tag and nic.port_id in wires
    ]
    found += [
        {
            "type": "disk",
            "bus": "none",
            "address": "none",
            "path": device.name,
            "serial": str(device.volume_id or ""),
            "tags": [device.tag],
        }
        for device in about.devices
        if device.tag
    ]
    return found


def network_data(about: About) -> dict[str, Any]:
    """Links, networks and services, as cloud-init reads them."""
    links, networks, resolvers = [], [], []
    for n, wire in enumerate(about.wires):
        link = f"tap{str(wire.port_id)[:11]}"
        links.append(
            {"id": link, "vif_id": str(wire.port_id), "type": "ovs", "mtu": wire.mtu, "ethernet_mac_address": wire.mac}
        )
        for m, fixed in enumerate(wire.fixed):
            networks.append(network(wire, fixed, f"network{n if not m else f'{n}.{m}'}", link))
            resolvers += [{"type": "dns", "address": address} for address in fixed.dns]
    return {"links": links, "networks": networks, "services": list({s["address"]: s for s in resolvers}.values())}


def network(wire: Wire, fixed: Fixed, id_: str, link: str) -> dict[str, Any]:
    version = 6 if ":" in fixed.address else 4
    size = int(fixed.cidr.partition("/")[2])
    mask = prefix_mask(version, size)
    routes = [
        {
            "network": to.partition("/")[0],
            "netmask": prefix_mask(version, int(to.partition("/")[2] or size)),
            "gateway": via,
        }
        for to, via in fixed.routes
    ]
    if fixed.gateway:
        nowhere = "0.0.0.0" if version == 4 else "::"  # noqa: S104 (a route, no address to listen at)
        routes.insert(0, {"network": nowhere, "netmask": nowhere, "gateway": fixed.gateway})
    return {
        "id": id_,
        "type": f"ipv{version}",
        "link": link,
        "ip_address": fixed.address,
        "netmask": mask,
        "routes": routes,
        "network_id": str(wire.network_id),
        "services": [{"type": "dns", "address": address} for address in fixed.dns],
    }


def prefix_mask(version: int, size: int) -> str:
    if version == 4:
        return str(ipaddress.ip_network(f"0.0.0.0/{size}").netmask)
    return str(ipaddress.ip_network(f"::/{size}").netmask)


# EC2's form


def ec2_tree(about: About) -> dict[str, Any]:
    """What is below /latest/meta-data, as a tree."""
    server = about.server
    fixed = [each.address for wire in about.wires for each in wire.fixed if ":" not in each.address]
    floating = [address for wire in about.wires for address in wire.floating]
    local = fixed[0] if fixed else ""
    mapping = {"ami": "vda", "root": "/dev/vda"}
    mapping |= {f"ebs{n}": d.name or "" for n, d in enumerate(d for d in about.devices if d.destination == "volume")}
    tree: dict[str, Any] = {
        "ami-id": ec2_id("ami", server.image_id),
        "ami-launch-index": str(server.launch_index),
        "ami-manifest-path": "",
        "block-device-mapping": mapping,
        "hostname": server.hostname,
        "instance-action": "none",
        "instance-id": ec2_id("i", server.id),
        "instance-type": server.flavor.name,
        "local-hostname": server.hostname,
        "local-ipv4": local,
        "placement": {"availability-zone": about.zone},
        "public-hostname": server.hostname,
        "public-ipv4": floating[0] if floating else "",
        "reservation-id": server.reservation_id,
        "security-groups": "\n".join(dict.fromkeys(name for wire in about.wires for name in wire.groups)),
    }
    if server.key is not None:
        tree["public-keys"] = {"0": {"_name": f"0={server.key.name}", "openssh-key": server.key.public_key}}
    return tree


def ec2_id(kind: str, id_: UUID | None) -> str:
    return f"{kind}-{(id_.int & 0xFFFFFFFF) if id_ else 0:08x}"


def ec2_page(tree: Any, path: Sequence[str]) -> str | None:
    """What is at a path below meta-data: a value, or the names below; None when there is nothing."""
    for part in path:
        if not isinstance(tree, Mapping) or part not in tree or part == "_name":
            return None
        tree = tree[part]
    if not isinstance(tree, Mapping):
        return str(tree)
    return "\n".join(shown_name(name, value) for name, value in tree.items() if name != "_name")


def shown_name(name: str, value: Any) -> str:
    if not isinstance(value, Mapping):
        return name
    return str(value.get("_name", f"{name}/"))


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


def decoded(text: str) -> bytes:
    return base64.b64decode("".join(text.split()))
