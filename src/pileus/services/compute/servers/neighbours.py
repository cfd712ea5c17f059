"""What servers ask of images, of Block Storage and of hosts: the one place that knows how those are asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, NotFound
from pileus.services.compute.aggregates import service as aggregates
from pileus.services.compute.hypervisors import service as hypervisors
from pileus.services.compute.hypervisors.service import State
from pileus.services.compute.servers.image_disks import MAPPING, ROOT, SECOND
from pileus.services.compute.servers.rules import ImageFacts
from pileus.services.compute.servers.wanted import WantedDevice
from pileus.services.image.images import service as images
from pileus.services.volume.snapshots import service as snapshots
from pileus.services.volume.volumes import service as volumes

GIB = 1 << 30
NOT_INHERITED = {"image_type", "instance_uuid", "backup_type", MAPPING, SECOND, ROOT}


# images


async def image(ctx: Ctx, image_id: UUID) -> ImageFacts:
    """An image that the caller may boot from. Raises BadRequest."""
    try:
        found = await images.get(ctx, image_id)
    except NotFound:
        raise BadRequest(f"Can not find requested image {image_id}") from None
    if found.status != "active":
        raise BadRequest(f"Image {image_id} is not active.")
    return ImageFacts(
        id=found.id,
        name=found.name,
        disk_format=found.disk_format or "raw",
        min_disk_gib=max(found.min_disk, -(-(found.virtual_size or 0) // GIB)),
        min_memory_mib=found.min_ram,
        size_bytes=found.size or 0,
        sha512=found.hash_value if found.hash_algo == "sha512" else None,
        properties=found.properties,
    )


async def transfer(ctx: Ctx, image_id: UUID, server_id: UUID) -> str:
    """A path from which a host may fetch the image's bytes for the server. Raises NotFound, Conflict."""
    return await images.transfer(ctx, image_id, subject_id=server_id)


async def image_for(
    ctx: Ctx, image_id: UUID, name: str, facts: ImageFacts, properties: Mapping[str, str], *, disk_format: str
) -> None:
    """In the open transaction: an image that will be made of a server, with what that has of its own. Raises OverQuota,
    TooLarge."""
    kept = {key: value for key, value in facts.properties.items() if key not in NOT_INHERITED}
    await images.create_for(
        ctx,
        id=image_id,
        name=name,
        disk_format=disk_format,
        container_format="bare",
        visibility="private",
        min_disk=facts.min_disk_gib,
        min_ram=facts.min_memory_mib,
        properties={**kept, **properties},
    )


async def complete(ctx: Ctx, image_id: UUID) -> None:
    """In the open transaction: such an image is there, without bytes. Raises Gone, Conflict."""
    await images.set_without_bytes(ctx, image_id)


async def receive(ctx: Ctx, image_id: UUID, server_id: UUID) -> str | None:
    """Where a host sends the bytes of such an image; None when they are there. Raises NotFound."""
    if (await images.get(ctx, image_id)).status == "active":
        return None
    return await images.receive(ctx, image_id, subject_id=server_id)


async def abandon(ctx: Ctx, image_id: UUID) -> None:
    """Nothing comes of the image, if it is not whole. May be repeated."""
    await images.abandon(ctx, image_id)


async def rotate_backups(ctx: Ctx, server_id: UUID, kind: str, rotation: int) -> None:
    """Delete the oldest of a server's backups of that kind but for so many."""
    query = {"instance_uuid": [str(server_id)], "backup_type": [kind], "image_type": ["backup"]}
    found, _ = await images.page(ctx, {**query, "sort_key": ["created_at"], "sort_dir": ["desc"]})
    for each in found[rotation:]:
        await images.delete(ctx, each.id)


# what disks are made of


async def check_sources(ctx: Ctx, devices: Iterable[WantedDevice]) -> None:
    """Raises BadRequest for volumes and snapshots that the caller may not know of."""
    for each in devices:
        try:
            if each.source == "snapshot" and each.source_id is not None:
                await snapshots.get(ctx, each.source_id)
            elif each.source == "volume" and each.source_id is not None:
                await volumes.get(ctx, each.source_id)
        except NotFound:
            raise BadRequest(
                f"Block Device Mapping is Invalid: failed to get {each.source} {each.source_id}."
            ) from None


# hosts


async def zone_of(ctx: Ctx, server: Any) -> str:
    """The availability zone of the server's host; without one, the one that was asked for."""
    if server.host is None:
        return server.zone or ""
    return (await places(ctx, [server.host]))[server.host].zone


class Place(NamedTuple):
    """The availability zone of a host, and how it is: UP, DOWN, MAINTENANCE or UNKNOWN."""

    zone: str
    status: str


NOWHERE = Place("", "")


async def places(ctx: Ctx, hosts: Collection[str]) -> dict[str | None, Place]:
    """Of each of these hosts."""
    if not hosts:
        return {}
    known = await hypervisors.states_of(ctx, hosts)
    zones = await aggregates.zones_of(ctx, hosts)
    return {name: Place(zones[name], condition(known.get(name))) for name in hosts}


def condition(host: State | None) -> str:
    if host is None:
        return "UNKNOWN"
    if not host.enabled:
        return "MAINTENANCE"
    return "UP" if host.up else "DOWN"
