"""What is asked of a new server, whatever the microversion called it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec


class WantedNic(msgspec.Struct, frozen=True, kw_only=True):
    """A port that is there, or one to be made in a network."""

    network_id: UUID | None = None
    port_id: UUID | None = None
    fixed_ip: str | None = None
    tag: str | None = None


class WantedDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A disk: `source` image, volume, snapshot or blank; `destination` local or volume."""

    source: str
    destination: str
    source_id: UUID | None = None
    boot_index: int | None = None
    size_gib: int = 0
    volume_type: str | None = None
    delete_with_server: bool = False
    name: str | None = None
    guest_format: str | None = None
    tag: str | None = None


class PersonalFile(msgspec.Struct, frozen=True):
    """A file for the guest's first boot; `contents` in base64."""

    path: str
    contents: str


class WantedServer(msgspec.Struct, frozen=True, kw_only=True):
    """`networks`: "auto", "none", these, or None: nothing was said. `groups` None: nothing was said of security groups."""

    name: str
    flavor_id: str
    description: str | None = None
    image_id: UUID | None = None
    networks: tuple[WantedNic, ...] | str | None = None
    groups: tuple[str, ...] | None = None
    key_name: str | None = None
    user_data: str | None = None
    config_drive: bool = False
    metadata: dict[str, str] = {}
    admin_pass: str | None = None
    zone: str | None = None
    host: str | None = None
    hypervisor_hostname: str | None = None
    hostname: str | None = None
    access_ipv4: str | None = None
    access_ipv6: str | None = None
    disk_config: str | None = None
    least: int = 1
    most: int = 1
    devices: tuple[WantedDevice, ...] = ()
    files: tuple[PersonalFile, ...] = ()
    tags: tuple[str, ...] = ()
    certificates: bool = False
    hints: dict[str, Any] = {}
