"""The disks that an image describes in place of having bytes: what a server that runs from volumes leaves behind. Pure.

Its property `block_device_mapping` is theirs, in JSON; `bdm_v2` says that it is of the second kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from pileus.kernel.errors import BadRequest
from pileus.kernel.http.queries import TRUE
from pileus.services.compute.servers.rules import ImageFacts
from pileus.services.compute.servers.store import Device
from pileus.services.compute.servers.wanted import WantedDevice

MAPPING, SECOND, ROOT = "block_device_mapping", "bdm_v2", "root_device_name"
MOST = 26
FIELDS = (
    *("source_type", "destination_type", "guest_format", "device_type", "disk_bus", "boot_index", "device_name"),
    *(
        "delete_on_termination",
        "snapshot_id",
        "volume_id",
        "volume_size",
        "image_id",
        "no_device",
        "tag",
        "volume_type",
    ),
    *("encrypted", "encryption_secret_uuid", "encryption_format", "encryption_options"),
)
"""What Nova says of each disk, of most that there is nothing to say."""

Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\A[a-zA-Z0-9._/-]*\Z")]
Text = Annotated[str, Meta(max_length=255)]


class Snapped(msgspec.Struct, frozen=True):
    """A snapshot of one of a server's volumes, and how large it is."""

    id: UUID
    size_gib: int


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A disk in an image's mapping, whoever wrote it."""

    source_type: Literal["snapshot", "volume", "image", "blank"]
    destination_type: Literal["volume", "local"] | None = None
    snapshot_id: UUID | None = None
    volume_id: UUID | None = None
    image_id: UUID | None = None
    volume_size: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    boot_index: Annotated[int, Meta(ge=-1, le=MOST)] | None = None
    device_name: Name | None = None
    delete_on_termination: bool | None = None
    guest_format: Text | None = None
    volume_type: Text | None = None
    tag: Text | None = None
    no_device: bool | None = None


def mapping(devices: Sequence[Device], snapshots: Mapping[UUID, Snapped], disk_bus: str) -> dict[str, str]:
    """The properties of an image of these disks. `snapshots`: those of its volumes, by the ids of their devices."""
    entries = [dict.fromkeys(FIELDS) | entry(each, snapshots.get(each.id), disk_bus) for each in devices]
    return {MAPPING: msgspec.json.encode(entries).decode(), SECOND: "True", ROOT: devices[0].name or ""}


def entry(device: Device, snapped: Snapped | None, disk_bus: str) -> dict[str, Any]:
    common = {
        "device_type": "disk",
        "disk_bus": disk_bus,
        "boot_index": device.boot_index,
        "device_name": device.name,
        "delete_on_termination": device.delete_with_server,
    }
    if snapped is None:
        blank = {"source_type": "blank", "destination_type": "local", "volume_size": device.size_gib}
        return common | blank | {"guest_format": device.guest_format, "boot_index": -1, "tag": device.tag}
    taken = {"source_type": "snapshot", "destination_type": "volume", "snapshot_id": snapped.id}
    return common | taken | {"volume_size": snapped.size_gib}


def merged(wanted: Sequence[WantedDevice], image: ImageFacts) -> list[WantedDevice]:
    """What was asked for, and what the image describes beside: of the same name or for the root, one of them.

    Raises BadRequest for a mapping that is none.
    """
    described = read(image.properties)
    if any(each.boot_index == 0 for each in described):  # clients name the image itself as the root
        wanted = [each for each in wanted if not (each.boot_index == 0 and each.source == "image")]
    taken = {plain(each.name) for each in wanted if each.name}
    return [*wanted, *(each for each in described if not each.name or plain(each.name) not in taken)]


def plain(name: str) -> str:
    return name.removeprefix("/dev/")


def read(properties: Mapping[str, Any]) -> list[WantedDevice]:
    """The disks of an image's mapping. Raises BadRequest."""
    text = properties.get(MAPPING)
    if not text:
        return []
    try:
        found = msgspec.json.decode(str(text), type=Annotated[list[Described], Meta(max_length=MOST)], strict=False)
    except (msgspec.MsgspecError, RecursionError) as e:
        raise BadRequest(f"Block Device Mapping is Invalid: that of the image cannot be read: {e}") from None
    if found and str(properties.get(SECOND)).lower() not in TRUE:
        raise BadRequest(
            f"Block Device Mapping is Invalid: that of the image is of the first kind. Write it anew, with {SECOND}."
        )
    return [device(each) for each in found if not each.no_device]


def device(said: Described) -> WantedDevice:
    """Raises BadRequest."""
    blank = said.source_type == "blank"
    source_id = None if blank else getattr(said, f"{said.source_type}_id")
    if source_id is None and not blank:
        raise BadRequest(f"Block Device Mapping is Invalid: Missing device UUID for source type {said.source_type}.")
    return WantedDevice(
        source=said.source_type,
        destination=said.destination_type or ("local" if blank else "volume"),
        source_id=source_id,
        boot_index=None if said.boot_index == -1 else said.boot_index,
        size_gib=said.volume_size or 0,
        volume_type=said.volume_type,
        delete_with_server=bool(said.delete_on_termination),
        name=said.device_name,
        guest_format=said.guest_format,
        tag=said.tag,
    )
