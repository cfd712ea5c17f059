"""/v2.0/floatingips: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Body, Here, Query
from pileus.services.network.addresses import read_address
from pileus.services.network.floating_ips import service
from pileus.services.network.floating_ips.service import New, Whole
from pileus.services.network.http import api, ending, given, listed, made, only, project_of, sent, wanted
from pileus.services.network.ports.service import Port

ALL, ONE = "/v2.0/floatingips", "/v2.0/floatingips/{floatingip_id}"

Text = Annotated[str, Meta(max_length=255)]
Address = Annotated[str, Meta(max_length=64)]


class NewFloatingIp(Body, frozen=True):
    floating_network_id: UUID
    description: Text = ""
    subnet_id: UUID | UnsetType | None = UNSET
    floating_ip_address: Address | UnsetType | None = UNSET
    port_id: UUID | None = None
    fixed_ip_address: Address | None = None
    dns_name: Text = ""
    dns_domain: Text = ""
    qos_policy_id: None = None
    distributed: bool | None = None
    project_id: Text | UnsetType = UNSET
    tenant_id: Text | UnsetType = UNSET


class NewFloatingIps(Body, frozen=True):
    floatingip: NewFloatingIp | UnsetType = UNSET
    floatingips: list[NewFloatingIp] | UnsetType = UNSET


class Change(Body, frozen=True):
    description: Text | UnsetType = UNSET
    port_id: UUID | UnsetType | None = UNSET
    fixed_ip_address: Address | UnsetType | None = UNSET
    qos_policy_id: UnsetType | None = UNSET


def new_of(ctx: Ctx, body: NewFloatingIp) -> New:
    """Raises BadRequest."""
    address = body.floating_ip_address
    named = sent(body) - {name for name in ("floating_ip_address",) if not body.floating_ip_address}
    return New(
        project_id=project_of(ctx, body.project_id, body.tenant_id),
        network_id=body.floating_network_id,
        description=body.description,
        subnet_id=None if isinstance(body.subnet_id, UnsetType) else body.subnet_id,
        address=str(read_address(address, "floating_ip_address")) if isinstance(address, str) else None,
        port_id=body.port_id,
        fixed_ip_address=body.fixed_ip_address,
        dns_name=body.dns_name,
        dns_domain=body.dns_domain,
        named=frozenset(named),
    )


def shown(found: Whole) -> dict[str, Any]:
    floating_ip = found.floating_ip
    return {
        "id": floating_ip.id,
        "floating_network_id": floating_ip.floating_network_id,
        "floating_ip_address": floating_ip.floating_ip_address,
        "port_id": floating_ip.fixed_port_id,
        "fixed_ip_address": floating_ip.fixed_ip_address,
        "router_id": floating_ip.router_id,
        "status": floating_ip.status,
        "port_details": None if found.port is None else details(found.port),
        "port_forwardings": [],
        "dns_name": floating_ip.dns_name,
        "dns_domain": floating_ip.dns_domain,
        "qos_policy_id": None,
        "qos_network_policy_id": None,
        **ending(floating_ip, found.tags),
    }


def details(port: Port) -> dict[str, Any]:
    return {
        "name": port.name,
        "network_id": port.network_id,
        "mac_address": port.mac_address,
        "admin_state_up": port.admin_state_up,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
    }


@api.post(ALL, rule="create_floatingip", status=201)
async def create_floating_ips(ctx: Ctx, body: NewFloatingIps) -> dict[str, Any]:
    asked = wanted(body.floatingip, body.floatingips, "floatingip")
    found = await service.create(ctx, [new_of(ctx, each) for each in asked])
    return made(body.floatingip, "floatingip", "floatingips", [shown(each) for each in found])


@api.get(ALL, rule="get_floatingip")
async def list_floating_ips(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return listed(here, query, "floatingips", await service.page(ctx, query), shown)


@api.get(ONE, rule="get_floatingip", wrap="floatingip")
async def show_floating_ip(ctx: Ctx, floatingip_id: UUID, query: Query) -> dict[str, Any]:
    return only(query, shown(await service.show(ctx, floatingip_id)))


@api.put(ONE, rule="update_floatingip", wrap="floatingip")
async def change_floating_ip(ctx: Ctx, floatingip_id: UUID, body: Change) -> dict[str, Any]:
    changes = given(body)
    changes.pop("qos_policy_id", None)
    return shown(await service.change(ctx, floatingip_id, changes))


@api.delete(ONE, rule="delete_floatingip", status=204)
async def delete_floating_ip(ctx: Ctx, floatingip_id: UUID) -> None:
    await service.delete(ctx, floatingip_id)
