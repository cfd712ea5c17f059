"""/v2.0/ports"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Raw, UnsetType, field

from pileus.kernel.context import Ctx
from pileus.kernel.db.given import given_uuid
from pileus.kernel.http import Body, Here, Query
from pileus.kernel.http.rendered import rendered
from pileus.services.network.addresses import wrong
from pileus.services.network.http import (
    api,
    ending,
    given,
    hidden,
    links,
    made,
    no_such,
    only,
    only_each,
    project_of,
    sent,
    wanted,
)
from pileus.services.network.networks import service as networks
from pileus.services.network.ports import service
from pileus.services.network.ports.rules import VNIC_TYPES
from pileus.services.network.ports.service import New, Port, Wish
from pileus.services.network.tags import service as tags

KEPT = 2_000  # documents, of 1 KB
Text64 = Annotated[str, Meta(max_length=64)]
Text255 = Annotated[str, Meta(max_length=255)]
BINDING = ("binding:host_id", "binding:profile", "binding:vif_type", "binding:vif_details", "resource_request")
VIF_DETAILS = {
    "bridge_name": "br-int",
    "connectivity": "l2",
    "datapath_type": "system",
    "port_filter": True,
    "bound_drivers": {"0": "ovn"},
}


class FixedIp(Body, frozen=True):
    subnet_id: UUID | UnsetType = UNSET
    ip_address: Text64 | UnsetType = UNSET


class AddressPair(Body, frozen=True):
    ip_address: Text64
    mac_address: Text64 | UnsetType | None = UNSET


class DhcpOption(Body, frozen=True):
    opt_name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"\A[^\r\n]*\Z")]
    opt_value: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\A[^\r\n]*\Z")] | None
    ip_version: Literal[4, 6] = 4


class PortChange(Body, frozen=True):
    name: Text255 | UnsetType = UNSET
    description: Text255 | UnsetType = UNSET
    admin_state_up: bool | UnsetType = UNSET
    mac_address: Text64 | UnsetType = UNSET
    fixed: list[FixedIp] | UnsetType = field(name="fixed_ips", default=UNSET)
    device_id: Text255 | UnsetType = UNSET
    device_owner: Text255 | UnsetType = UNSET
    host: Text255 | UnsetType | None = field(name="binding:host_id", default=UNSET)
    vnic_type: str | UnsetType = field(name="binding:vnic_type", default=UNSET)
    profile: dict[str, Any] | UnsetType | None = field(name="binding:profile", default=UNSET)
    groups: list[UUID] | UnsetType | None = field(name="security_groups", default=UNSET)
    port_security: bool | UnsetType = field(name="port_security_enabled", default=UNSET)
    address_pairs: list[AddressPair] | UnsetType | None = field(name="allowed_address_pairs", default=UNSET)
    dhcp_options: list[DhcpOption] | UnsetType | None = field(name="extra_dhcp_opts", default=UNSET)
    dns_name: Text255 | UnsetType = UNSET
    dns_domain: Text255 | UnsetType = UNSET
    qos_policy_id: UnsetType | None = UNSET


class PortCreate(PortChange, frozen=True, kw_only=True):
    network_id: UUID
    project_id: Text255 | UnsetType = UNSET
    tenant_id: Text255 | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET


class PortBodies(Body, frozen=True):
    port: PortCreate | UnsetType = UNSET
    ports: list[PortCreate] | UnsetType = UNSET


async def shown(
    ctx: Ctx, items: Sequence[Port], words: Mapping[UUID, Collection[str]] | None = None
) -> list[dict[str, Any]]:
    """Ports as the API shows them, with what the caller may see of each. `words`: their tags, if they are known."""
    async with ctx.read() as reading:
        words = await tags.of(reading, [port.id for port in items]) if words is None else words
        hides = await hiding(reading, ((port.project_id, port.network_id, port.device_owner) for port in items))
    domain, documents = ctx.world.config.network.dns_domain, []
    for port in items:
        hidden_ones = hides[port.project_id, port.network_id, port.device_owner]
        if hidden_ones is not None:
            documents.append(document(port, words.get(port.id, ()), hidden_ones, domain))
    return documents


async def listed(ctx: Ctx, rows: Sequence[tuple[Any, ...]]) -> list[Raw]:
    """The same, of rows of a list."""
    kinds = [*map(service.kind_of, rows)]
    hides, domain, documents = await hiding(ctx, kinds), ctx.world.config.network.dns_domain, []
    for row, kind in zip(rows, kinds, strict=True):
        hidden_ones = hides[kind]
        if hidden_ones is not None:
            documents.append(listed_port(row, hidden_ones, domain))
    return documents


@rendered(KEPT)
def listed_port(row: tuple[Any, ...], hides: tuple[str, ...], domain: str) -> dict[str, Any]:
    port, words = service.read(row)
    return document(port, words, hides, domain)


async def hiding(ctx: Ctx, kinds: Iterable[tuple[str, Any, str]]) -> dict[tuple[str, Any, str], tuple[str, ...] | None]:
    """What the caller may not see of ports with these projects, networks (as they are given) and device owners: to the
    rules most ports of a list are alike. None for those whose network has gone meanwhile: they go with it.
    """
    found = set(kinds)
    on = await networks.by_ids(ctx, {given_uuid(network_id) for _, network_id, _ in found})
    hides: dict[tuple[str, Any, str], tuple[str, ...] | None] = dict.fromkeys(found)
    for project_id, network_id, owner in found:
        network = on.get(given_uuid(network_id))
        if network is not None:
            target = service.target(project_id, network, owner)
            hides[project_id, network_id, owner] = tuple(hidden(ctx, "get_port", target, BINDING))
    return hides


async def one_shown(ctx: Ctx, port: Port) -> dict[str, Any]:
    """Raises NotFound when it has gone meanwhile."""
    for found in await shown(ctx, [port]):
        return found
    raise no_such("port", port.id)


def document(port: Port, words: Collection[str], hides: Collection[str], domain: str) -> dict[str, Any]:
    whole = {
        "id": port.id,
        "name": port.name,
        "network_id": port.network_id,
        "mac_address": port.mac_address,
        "admin_state_up": port.admin_state_up,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": [{"subnet_id": each.subnet_id, "ip_address": each.address} for each in port.fixed],
        "allowed_address_pairs": port.address_pairs,
        "extra_dhcp_opts": port.dhcp_options,
        "security_groups": port.groups,
        "port_security_enabled": port.port_security,
        "binding:vnic_type": port.vnic_type,
        "binding:host_id": port.host or "",
        "binding:profile": port.profile,
        "binding:vif_type": "unbound" if port.host is None else "ovs",
        "binding:vif_details": {} if port.host is None else VIF_DETAILS,
        "qos_policy_id": None,
        "qos_network_policy_id": None,
        "resource_request": None,
        "dns_name": port.dns_name,
        "dns_domain": port.dns_domain,
        "dns_assignment": assignments(port, domain),
        **ending(port, words),
    }
    for name in hides:
        del whole[name]
    return whole


def assignments(port: Port, domain: str) -> list[dict[str, str]]:
    """The names under which a port's addresses are known inside."""
    found = []
    for each in port.fixed:
        host = port.dns_name.rstrip(".") or "host-" + each.address.replace(".", "-").replace(":", "-")
        fqdn = f"{host}." if port.dns_name.endswith(".") else f"{host}.{domain.rstrip('.')}."
        found.append({"ip_address": each.address, "hostname": host, "fqdn": fqdn})
    return found


def read(body: PortChange) -> dict[str, Any]:
    """What a body says, by the names of `Port`. Raises BadRequest."""
    fields = given(body)
    fields.pop("qos_policy_id", None)
    if isinstance(body.vnic_type, str) and body.vnic_type not in VNIC_TYPES:
        raise wrong("binding:vnic_type", f"'{body.vnic_type[:80]}' is not in {list(VNIC_TYPES)}.")
    if isinstance(body.fixed, list):
        fields["fixed"] = [Wish(each.subnet_id or None, each.ip_address or None) for each in body.fixed]
    if "address_pairs" in fields:
        fields["address_pairs"] = [(each.ip_address, each.mac_address or None) for each in body.address_pairs or ()]
    if "dhcp_options" in fields:
        options = [(each.opt_name, each.opt_value, each.ip_version) for each in body.dhcp_options or ()]
        fields["dhcp_options"] = [
            dict(zip(("opt_name", "opt_value", "ip_version"), each, strict=True)) for each in options
        ]
    for name in ("profile", "groups"):
        if name in fields and fields[name] is None:
            fields[name] = {} if name == "profile" else []
    if len(set(fields.get("groups", ()))) < len(fields.get("groups", ())):
        raise wrong("security_groups", "Duplicate items in the list.")
    return fields


def named(body: PortChange) -> frozenset[str]:
    """The attributes that a body names, those inside of lists too: `fixed_ips:ip_address`."""
    inner = set[str]()
    for field_name, key in (("fixed", "fixed_ips"), ("address_pairs", "allowed_address_pairs")):
        for each in getattr(body, field_name) or ():
            inner |= {f"{key}:{name}" for name in sent(each)}
    return sent(body) | inner


def asked(ctx: Ctx, body: PortCreate) -> New:
    """What a body asks for. Raises BadRequest."""
    fields = read(body)
    project_id = project_of(ctx, fields.pop("project_id", UNSET), fields.pop("tenant_id", UNSET))
    return New(project_id=project_id, named=named(body), **fields)


@api.post("/v2.0/ports", rule="create_port", status=201, lax=True)
async def create_ports(ctx: Ctx, body: PortBodies) -> dict[str, Any]:
    bodies = wanted(body.port, body.ports, "port")
    new = [asked(ctx, each) for each in bodies]
    ports = await service.create(ctx, new)
    words = {port.id: each.tags for port, each in zip(ports, new, strict=True)}
    return made(body.port, "port", "ports", await shown(ctx, ports, words))


@api.get("/v2.0/ports", rule="get_port")
async def list_ports(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    async with ctx.read() as ctx:
        found = await service.page(ctx, query)
        documents = await listed(ctx, found.items)
    return {"ports": only_each(query, documents), **links(here, "ports", found)}


@api.get("/v2.0/ports/{port_id}", rule="get_port", wrap="port")
async def show_port(ctx: Ctx, port_id: UUID, query: Query) -> dict[str, Any]:
    return only(query, await one_shown(ctx, await service.get(ctx, port_id)))


@api.put("/v2.0/ports/{port_id}", rule="update_port", wrap="port", lax=True)
async def change_port(ctx: Ctx, port_id: UUID, body: PortChange) -> dict[str, Any]:
    return await one_shown(ctx, await service.change(ctx, port_id, read(body), named(body)))


@api.delete("/v2.0/ports/{port_id}", rule="delete_port", status=204)
async def delete_port(ctx: Ctx, port_id: UUID) -> None:
    await service.delete(ctx, port_id)
