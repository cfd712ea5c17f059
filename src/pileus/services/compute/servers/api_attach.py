"""/servers/{server_id}/os-volume_attachments and /os-interface."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Answer, Body, Query
from pileus.services.compute.http import api, asked
from pileus.services.compute.servers import attaching, checks, service
from pileus.services.compute.servers.attaching import WantedVolume
from pileus.services.compute.servers.bodies import Opt, Ranges, Tag, fits
from pileus.services.compute.servers.checks import Flag, said
from pileus.services.compute.servers.store import Device, NicRow
from pileus.services.compute.servers.wanted import WantedNic
from pileus.services.compute.servers.wiring import Wire

VOLUMES = "/v2.1/servers/{server_id}/os-volume_attachments"
NICS = "/v2.1/servers/{server_id}/os-interface"
VOLUME = "os_compute_api:os-volumes-attachments"
NIC = "os_compute_api:os-attach-interfaces"


class AttachVolume(Body, frozen=True):
    volumeId: UUID
    device: Annotated[str, Meta(pattern="(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$")] | Opt | None = UNSET
    tag: Tag | Opt = UNSET
    delete_on_termination: Flag | Opt = UNSET


class ChangeVolume(Body, frozen=True):
    volumeId: UUID
    delete_on_termination: Flag | Opt = UNSET
    device: str | Opt | None = UNSET
    serverId: str | Opt = UNSET
    tag: str | Opt | None = UNSET
    id: str | Opt = UNSET


class FixedIp(Body, frozen=True):
    ip_address: str


class AttachInterface(Body, frozen=True):
    net_id: str | Opt = UNSET
    port_id: str | Opt = UNSET
    fixed_ips: Annotated[list[FixedIp], Meta(min_length=1, max_length=1)] | Opt = UNSET
    tag: Tag | Opt = UNSET


class WantedInterface(Body, frozen=True):
    interfaceAttachment: AttachInterface | Opt = UNSET


ATTACH: Ranges = {"tag": ("2.49", ""), "delete_on_termination": ("2.79", "")}
PLUG: Ranges = {"tag": ("2.49", "")}
CHANGED_SINCE = "2.85"


def attachment(ctx: Ctx, device: Device) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "serverId": device.server_id,
        "volumeId": device.volume_id,
        "device": device.name,
    }
    if not ctx.at("2.89"):
        shown["id"] = device.volume_id
    if ctx.at("2.70"):
        shown["tag"] = device.tag
    if ctx.at("2.79"):
        shown["delete_on_termination"] = device.delete_with_server
    if ctx.at("2.89"):
        shown |= {"attachment_id": device.id, "bdm_uuid": device.id}
    return shown


@api.get(VOLUMES, rule=f"{VOLUME}:index")
async def list_volume_attachments(ctx: Ctx, server_id: UUID, query: Query) -> dict[str, Any]:
    given = asked(ctx, query, ("limit", "offset"), strict_from="2.75")
    found = await attaching.volumes_of(ctx, await service.get(ctx, server_id))
    first = checks.count("offset", given.get("offset"), 0, least=0)
    most = checks.count("limit", given.get("limit"), 1000, least=0)
    return {"volumeAttachments": [attachment(ctx, each) for each in found[first : first + most]]}


@api.get(f"{VOLUMES}/{{volume_id}}", rule=f"{VOLUME}:show", wrap="volumeAttachment")
async def show_volume_attachment(ctx: Ctx, server_id: UUID, volume_id: UUID) -> dict[str, Any]:
    return attachment(ctx, await attaching.volume_of(ctx, await service.get(ctx, server_id), volume_id))


@api.post(VOLUMES, rule=f"{VOLUME}:create", wrap_body="volumeAttachment")
async def attach_volume(ctx: Ctx, server_id: UUID, body: AttachVolume) -> Answer:
    fits(ctx, body, ATTACH)
    wanted = WantedVolume(
        volume_id=body.volumeId,
        name=said(body.device),
        tag=said(body.tag),
        delete_with_server=checks.flag("delete_on_termination", body.delete_on_termination),
    )
    device = await attaching.attach_volume(ctx, await service.get(ctx, server_id), wanted)
    if ctx.at("2.101"):
        return Answer(status=202)
    return Answer({"volumeAttachment": attachment(ctx, device)})


@api.put(f"{VOLUMES}/{{volume_id}}", rule=f"{VOLUME}:update", wrap_body="volumeAttachment", status=202)
async def change_volume_attachment(ctx: Ctx, server_id: UUID, volume_id: UUID, body: ChangeVolume) -> None:
    """From 2.85 on: whether it goes with its server. Another volume cannot take its place here."""
    server = await service.get(ctx, server_id)
    if body.volumeId != volume_id:
        raise BadRequest(
            "This cloud does not put one volume in the place of another: detach it, then attach the other."
        )
    if not ctx.at(CHANGED_SINCE) or body.delete_on_termination is UNSET:
        raise BadRequest("The attachment already is of this volume: nothing would change.")
    wanted = checks.flag("delete_on_termination", body.delete_on_termination)
    await attaching.keep_volume(ctx, server, volume_id, delete_with_server=wanted)


@api.delete(f"{VOLUMES}/{{volume_id}}", rule=f"{VOLUME}:delete", status=202)
async def detach_volume(ctx: Ctx, server_id: UUID, volume_id: UUID) -> None:
    await attaching.detach_volume(ctx, await service.get(ctx, server_id), volume_id)


# interfaces


def interface(ctx: Ctx, row: NicRow, wire: Wire) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "port_id": row.port_id,
        "net_id": wire.network_id,
        "mac_addr": wire.mac,
        "port_state": wire.status,
        "fixed_ips": [{"subnet_id": each.subnet_id, "ip_address": each.address} for each in wire.fixed],
    }
    return {**shown, "tag": row.tag} if ctx.at("2.70") else shown


@api.get(NICS, rule=f"{NIC}:list")
async def list_interfaces(ctx: Ctx, server_id: UUID, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    found = await attaching.interfaces_of(ctx, await service.get(ctx, server_id))
    return {"interfaceAttachments": [interface(ctx, row, wire) for row, wire in found]}


@api.get(f"{NICS}/{{port_id}}", rule=f"{NIC}:show", wrap="interfaceAttachment")
async def show_interface(ctx: Ctx, server_id: UUID, port_id: UUID, query: Query) -> dict[str, Any]:
    asked(ctx, query, strict_from="2.102")
    return interface(ctx, *await attaching.interface_of(ctx, await service.get(ctx, server_id), port_id))


@api.post(NICS, rule=f"{NIC}:create", wrap="interfaceAttachment", wrap_body="")
async def attach_interface(ctx: Ctx, server_id: UUID, body: WantedInterface) -> dict[str, Any]:
    given = AttachInterface() if body.interfaceAttachment is UNSET else body.interfaceAttachment
    assert isinstance(given, AttachInterface)
    fits(ctx, given, PLUG)
    server = await service.get(ctx, server_id)
    return interface(ctx, *await attaching.attach_interface(ctx, server, wanted_nic(given)))


def wanted_nic(body: AttachInterface) -> WantedNic | None:
    """None: whatever there is. Raises BadRequest."""
    net, port, fixed = said(body.net_id), said(body.port_id), said(body.fixed_ips)
    if net and port:
        raise BadRequest("Must not input both network_id and port_id")
    if fixed and not net:
        raise BadRequest("Must input network_id when request IP address")
    if port:
        return WantedNic(port_id=checks.uuid("port_id", port), tag=said(body.tag))
    if not net:
        return None
    wanted = checks.any_address("fixed_ips", fixed[0].ip_address) if fixed else None
    return WantedNic(network_id=checks.uuid("net_id", net), fixed_ip=wanted, tag=said(body.tag))


@api.delete(f"{NICS}/{{port_id}}", rule=f"{NIC}:delete", status=202)
async def detach_interface(ctx: Ctx, server_id: UUID, port_id: UUID) -> None:
    await attaching.detach_interface(ctx, await service.get(ctx, server_id), port_id)
