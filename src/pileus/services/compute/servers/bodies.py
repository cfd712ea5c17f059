"""What the API accepts about servers, and from which microversion to which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body
from pileus.services.compute.http import Name
from pileus.services.compute.metadata import checked_metadata
from pileus.services.compute.servers.checks import (
    Count,
    Flag,
    address,
    any_address,
    base64_text,
    checked_hostname,
    count,
    flag,
    printable,
    said,
    uuid,
)
from pileus.services.compute.servers.wanted import PersonalFile, WantedDevice, WantedNic, WantedServer

USER_DATA_LENGTH = 65535

Tag = Annotated[str, Meta(min_length=1, max_length=60, pattern="^[^,/]*$")]
Text255 = Annotated[str, Meta(max_length=255)]
DiskConfig = Literal["AUTO", "MANUAL"]
Opt = UnsetType
Ranges = Mapping[str, tuple[str, str]]
"""Of each field that not every microversion has: the first and the last ("" for none) that does."""


class NicBody(Body, frozen=True):
    uuid: str | Opt = UNSET
    port: str | Opt | None = UNSET
    fixed_ip: str | Opt = UNSET
    tag: Tag | Opt = UNSET


class DeviceBody(Body, frozen=True):
    source_type: Literal["volume", "image", "snapshot", "blank"] | Opt = UNSET
    destination_type: Literal["local", "volume"] | Opt = UNSET
    uuid: Annotated[str, Meta(min_length=1, max_length=255, pattern="^[a-zA-Z0-9._-]*$")] | Opt = UNSET
    image_id: str | Opt = UNSET
    snapshot_id: str | Opt = UNSET
    volume_id: str | Opt = UNSET
    boot_index: int | str | Opt | None = UNSET
    volume_size: Count | Opt = UNSET
    volume_type: Text255 | Opt | None = UNSET
    delete_on_termination: Flag | Opt = UNSET
    device_name: Annotated[str, Meta(min_length=1, max_length=255, pattern="^[a-zA-Z0-9._/-]*$")] | Opt = UNSET
    device_type: Text255 | Opt = UNSET
    disk_bus: Text255 | Opt = UNSET
    guest_format: Text255 | Opt = UNSET
    tag: Tag | Opt = UNSET
    no_device: Any = UNSET
    virtual_name: Text255 | Opt = UNSET
    connection_info: str | Opt = UNSET


class OldDeviceBody(Body, frozen=True):
    """block_device_mapping, as the first API had it."""

    volume_id: str | Opt = UNSET
    snapshot_id: str | Opt = UNSET
    volume_size: Count | Opt = UNSET
    delete_on_termination: Flag | Opt = UNSET
    device_name: Text255 | Opt = UNSET
    no_device: Any = UNSET
    virtual_name: Text255 | Opt = UNSET
    connection_info: str | Opt = UNSET


class FileBody(Body, frozen=True):
    path: str
    contents: str


class GroupBody(Body, frozen=True):
    name: Name


class ServerBody(Body, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=255)]
    flavorRef: Annotated[str, Meta(min_length=1)] | int
    imageRef: str | Opt = UNSET
    networks: list[NicBody] | Literal["auto", "none"] | Opt = UNSET
    security_groups: list[GroupBody] | Opt = UNSET
    key_name: Name | Opt = UNSET
    user_data: str | Opt | None = UNSET
    config_drive: Flag | Opt = UNSET
    metadata: dict[str, str] | Opt = UNSET
    adminPass: str | Opt = UNSET
    availability_zone: Name | Opt = UNSET
    accessIPv4: str | Opt = UNSET
    accessIPv6: str | Opt = UNSET
    disk_config: DiskConfig | Opt = field(default=UNSET, name="OS-DCF:diskConfig")
    min_count: Count | Opt = UNSET
    max_count: Count | Opt = UNSET
    return_reservation_id: Flag | Opt = UNSET
    block_device_mapping: list[OldDeviceBody] | Opt = UNSET
    block_device_mapping_v2: list[DeviceBody] | Opt = UNSET
    personality: list[FileBody] | Opt = UNSET
    description: Text255 | Opt | None = UNSET
    tags: Annotated[list[Tag], Meta(max_length=50)] | Opt = UNSET
    trusted_image_certificates: list[str] | Opt | None = UNSET
    host: Annotated[str, Meta(min_length=1, max_length=255, pattern="^[a-zA-Z0-9-._]*$")] | Opt = UNSET
    hypervisor_hostname: Annotated[str, Meta(min_length=1, max_length=255, pattern="^[a-zA-Z0-9-._]*$")] | Opt = UNSET
    hostname: str | Opt = UNSET


class CreateServer(Body, frozen=True):
    server: ServerBody
    hints: dict[str, Any] | Opt = field(default=UNSET, name="os:scheduler_hints")
    old_hints: dict[str, Any] | Opt = field(default=UNSET, name="OS-SCH-HNT:scheduler_hints")


class ChangeServer(Body, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=255)] | Opt = UNSET
    accessIPv4: str | Opt = UNSET
    accessIPv6: str | Opt = UNSET
    disk_config: DiskConfig | Opt = field(default=UNSET, name="OS-DCF:diskConfig")
    description: Text255 | Opt | None = UNSET
    hostname: str | Opt = UNSET
    pinned_availability_zone: Name | Opt | None = UNSET


SERVER: Ranges = {
    "description": ("2.19", ""),
    "tags": ("2.52", ""),
    "personality": ("2.1", "2.56"),
    "trusted_image_certificates": ("2.63", ""),
    "host": ("2.74", ""),
    "hypervisor_hostname": ("2.74", ""),
    "hostname": ("2.90", ""),
}
CHANGE: Ranges = {"description": ("2.19", ""), "hostname": ("2.90", ""), "pinned_availability_zone": ("2.104", "")}


def fits(ctx: Ctx, body: msgspec.Struct, ranges: Ranges) -> None:
    """Refuses what the request's microversion does not have. Raises BadRequest."""
    for name, (since, until) in ranges.items():
        if getattr(body, name) is not UNSET and not (ctx.at(since) and (not until or not beyond(ctx, until))):
            raise BadRequest(
                "Invalid input for field/attribute server. "
                f"Additional properties are not allowed ('{name}' was unexpected)",
                field=name,
            )


def beyond(ctx: Ctx, last: str) -> bool:
    major, _, minor = last.partition(".")
    return ctx.version is not None and ctx.version > (int(major), int(minor))


# from bodies to what the service takes


def wanted_server(ctx: Ctx, document: CreateServer) -> WantedServer:
    """Raises BadRequest."""
    body = document.server
    fits(ctx, body, SERVER)
    if ctx.at("2.37") and body.networks is UNSET:
        raise BadRequest("Invalid input for field/attribute server. 'networks' is a required property")
    if isinstance(body.networks, str) and not ctx.at("2.37"):
        raise BadRequest(f"Invalid input for field/attribute networks. Value: {body.networks}. It is no list.")
    least = count("min_count", body.min_count)
    most = count("max_count", body.max_count, max(least, 1))
    if least > most:
        raise BadRequest("min_count must be <= max_count")
    return WantedServer(
        name=printable(ctx, "name", body.name),
        description=description(ctx, body),
        flavor_id=str(body.flavorRef).rstrip("/").rpartition("/")[2],
        image_id=image(body.imageRef),
        networks=nics(ctx, body.networks),
        groups=None if body.security_groups is UNSET else tuple(dict.fromkeys(g.name for g in body.security_groups)),
        key_name=said(body.key_name),
        user_data=base64_text("user_data", str(body.user_data), USER_DATA_LENGTH) if said(body.user_data) else None,
        config_drive=flag("config_drive", body.config_drive),
        metadata=checked_metadata(said(body.metadata, {})),
        admin_pass=said(body.adminPass),
        zone=said(body.availability_zone),
        host=said(body.host),
        hypervisor_hostname=said(body.hypervisor_hostname),
        hostname=None if body.hostname is UNSET else checked_hostname(ctx, body.hostname),
        access_ipv4=address("accessIPv4", body.accessIPv4, 4),
        access_ipv6=address("accessIPv6", body.accessIPv6, 6),
        disk_config=said(body.disk_config),
        least=least,
        most=most,
        devices=devices(ctx, body),
        files=tuple(
            PersonalFile(f.path, base64_text("personality", f.contents, 2**20)) for f in said(body.personality, ())
        ),
        tags=tuple(dict.fromkeys(said(body.tags, ()))),
        certificates=bool(said(body.trusted_image_certificates)),
        hints=hints({**said(document.old_hints, {}), **said(document.hints, {})}),
    )


def description(ctx: Ctx, body: ServerBody) -> str | None:
    if ctx.at("2.19"):
        return said(body.description)  # type: ignore[no-any-return]
    return body.name  # until then it was a copy of the name


def image(text: str | UnsetType) -> UUID | None:
    return None if text is UNSET or text == "" else uuid("imageRef", text.rstrip("/").rpartition("/")[2])


def nics(ctx: Ctx, wanted: list[NicBody] | str | UnsetType) -> tuple[WantedNic, ...] | str | None:
    """ "auto", "none", or these; None when nothing was said."""
    if wanted is UNSET:
        return None
    if isinstance(wanted, str):
        return wanted
    return tuple(nic(ctx, each) for each in wanted)


def nic(ctx: Ctx, body: NicBody) -> WantedNic:
    if body.tag is not UNSET and not (ctx.at("2.42") or (ctx.at("2.32") and not ctx.at("2.37"))):
        raise BadRequest("Additional properties are not allowed ('tag' was unexpected)")
    if not said(body.port) and body.uuid is UNSET:
        raise BadRequest("Bad network format: missing 'uuid'")
    if said(body.port):
        if body.fixed_ip is not UNSET:
            raise BadRequest(
                f"Specified Fixed IP '{body.fixed_ip[:80]}' cannot be used with port '{body.port}': the two cannot be specified together."
            )
        return WantedNic(port_id=uuid("port", str(body.port)), tag=said(body.tag))
    text = str(body.uuid)
    if text.startswith("br-") and not ctx.at("2.37"):
        text = text.partition("-")[2]
    fixed = None if body.fixed_ip is UNSET else any_address("fixed_ip", body.fixed_ip)
    return WantedNic(network_id=uuid("uuid", text), fixed_ip=fixed, tag=said(body.tag))


def devices(ctx: Ctx, body: ServerBody) -> tuple[WantedDevice, ...]:
    new, old = said(body.block_device_mapping_v2, []), said(body.block_device_mapping, [])
    if new and old:
        raise BadRequest("Using different block_device_mapping syntaxes is not allowed in the same request.")
    if old:
        return tuple(old_device(each, n) for n, each in enumerate(old) if said(each.no_device) is None)
    return tuple(device(ctx, each) for each in new if not said(each.no_device))


def old_device(body: OldDeviceBody, n: int) -> WantedDevice:
    source = "snapshot" if body.snapshot_id is not UNSET else "volume"
    id_ = said(body.snapshot_id) or said(body.volume_id)
    if id_ is None:
        raise BadRequest("Block Device Mapping is Invalid: a volume or a snapshot must be named.")
    return WantedDevice(
        source=source,
        destination="volume",
        source_id=uuid(f"{source}_id", id_),
        boot_index=0 if n == 0 else None,
        size_gib=count("volume_size", body.volume_size, 0),
        delete_with_server=flag("delete_on_termination", body.delete_on_termination),
        name=said(body.device_name),
    )


def device(ctx: Ctx, body: DeviceBody) -> WantedDevice:
    if body.tag is not UNSET and not (ctx.at("2.42") or (ctx.at("2.32") and not ctx.at("2.33"))):
        raise BadRequest("Additional properties are not allowed ('tag' was unexpected)")
    if body.volume_type is not UNSET and not ctx.at("2.67"):
        raise BadRequest("Additional properties are not allowed ('volume_type' was unexpected)")
    source = said(body.source_type, "volume")
    destination = said(body.destination_type, "local" if source == "blank" else "volume")
    named = said(body.uuid) or said(getattr(body, f"{source}_id", UNSET))
    if source != "blank" and not named:
        raise BadRequest(f"Block Device Mapping is Invalid: Missing device UUID for source type {source}.")
    index = said(body.boot_index)
    return WantedDevice(
        source=source,
        destination=destination,
        source_id=uuid("uuid", str(named)) if source != "blank" else None,
        boot_index=None if index is None or str(index).startswith("-") else count("boot_index", index, least=0),
        size_gib=count("volume_size", body.volume_size, 0),
        volume_type=said(body.volume_type),
        delete_with_server=flag("delete_on_termination", body.delete_on_termination, destination == "local"),
        name=said(body.device_name),
        guest_format=said(body.guest_format),
        tag=said(body.tag),
    )


HINTED = ("group", "same_host", "different_host")


def hints(given: Mapping[str, Any]) -> dict[str, Any]:
    """Those that have a meaning as lists of ids, the others as they are. Raises BadRequest."""
    found = dict(given)
    for name in HINTED:
        if name in given:
            values = given[name] if isinstance(given[name], list) else [given[name]]
            if not all(isinstance(value, str) for value in values):
                raise BadRequest(f"Invalid input for field/attribute {name}. It is no list of ids.")
            found[name] = [str(uuid(name, value)) for value in values]
    return found
