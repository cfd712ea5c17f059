"""What a hypervisor is told of a server: the whole guest, from its rows."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pileus.engines.hypervisor import ConfigDrive, Domain, Image, LocalDisk, Nic, VolumeDisk
from pileus.kernel.context import Ctx
from pileus.services.compute.servers import guest_data, store, wiring
from pileus.services.compute.servers.rules import ImageFacts
from pileus.services.compute.servers.store import Device, Server
from pileus.services.compute.servers.wiring import Wire

EFFECTIVE = (
    "disk_bus",
    "cdrom_bus",
    "vif_model",
    "video_model",
    "firmware_type",
    "machine_type",
    "rng_model",
    "qemu_guest_agent",
    "scsi_model",
)


async def domain(ctx: Ctx, server: Server, *, urls: Mapping[UUID, str] | None = None) -> Domain:
    """The guest as its rows have it. `urls`: from where its host fetches images, by their ids, if it has to."""
    async with ctx.read() as ctx:
        devices = await store.devices_of(ctx, [server.id])
        nics = await store.nics_of(ctx, [server.id])
        wires = await wiring.wires(ctx, [nic.port_id for nic in nics])
        drive = None
        if server.config_drive:
            about = await guest_data.about(ctx, server)
            drive = ConfigDrive(files={path: encoded(data) for path, data in guest_data.drive(about).items()})
    return Domain(
        id=server.id,
        name=server.name,
        vcpus=server.flavor.vcpus,
        memory_mib=server.flavor.memory_mib,
        disks=tuple(disks(server, devices, urls or {})),
        nics=tuple(plugged(wires[nic.port_id], server.image) for nic in nics if nic.plugged and nic.port_id in wires),
        config_drive=drive,
        machine=machine(server.image),
        metadata={"project": server.project_id, "user": server.user_id, "flavor": server.flavor.name},
    )


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def disks(server: Server, devices: Sequence[Device], urls: Mapping[UUID, str]) -> list[LocalDisk | VolumeDisk]:
    """In the order in which the guest tries to boot; what rescues it comes first."""
    made: list[LocalDisk | VolumeDisk] = []
    if server.rescue is not None:
        made.append(LocalDisk(name="rescue", size_mib=0, image=source(server.rescue, urls)))
    ephemeral = 0
    for device in devices:
        if not device.plugged:
            continue
        if device.destination == "volume":
            if device.connection is not None and device.volume_id is not None:
                made.append(VolumeDisk(id=device.id, volume_id=device.volume_id, connection=device.connection))
            continue
        if device.source == "image":
            size_mib = server.flavor.disk_gib * 1024
            made.append(
                LocalDisk(name="root", size_mib=size_mib, image=source(server.image, urls), edition=server.edition)
            )
        elif device.guest_format == "swap":
            made.append(LocalDisk(name="swap", size_mib=device.size_gib, edition=server.edition))
        else:
            made.append(
                LocalDisk(name=f"ephemeral{ephemeral}", size_mib=device.size_gib * 1024, edition=server.edition)
            )
            ephemeral += 1
    return made


def source(image: ImageFacts, urls: Mapping[UUID, str]) -> Image | None:
    if image.id is None:
        return None
    return Image(
        id=image.id,
        url=urls.get(image.id, ""),
        format=image.disk_format,
        size=image.size_bytes,
        sha512=image.sha512,
        min_disk_gib=image.min_disk_gib,
    )


def plugged(wire: Wire, image: ImageFacts) -> Nic:
    model = str(image.properties.get("hw_vif_model", "virtio"))
    return Nic(port_id=wire.port_id, mac=wire.mac, mtu=wire.mtu, model=model)


def machine(image: ImageFacts) -> dict[str, str]:
    """The properties that have an effect on what the guest is made of."""
    found: dict[str, Any] = {name: image.properties.get(f"hw_{name}") for name in EFFECTIVE}
    return {name: str(value) for name, value in found.items() if value is not None}
