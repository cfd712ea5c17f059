"""What is decided about a server before it is built: its flavor, its image, its disks, who may have it where."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest, Forbidden, NotFound
from pileus.kernel.quota import limits
from pileus.services.compute.flavors import service as flavors
from pileus.services.compute.hypervisors import service as hypervisors
from pileus.services.compute.keypairs import service as keypairs
from pileus.services.compute.quotas import ComputeOverQuota
from pileus.services.compute.server_groups import service as server_groups
from pileus.services.compute.server_groups.service import Group
from pileus.services.compute.servers import image_disks, neighbours
from pileus.services.compute.servers.rules import Flavor, ImageFacts, Key
from pileus.services.compute.servers.store import Device
from pileus.services.compute.servers.wanted import WantedDevice, WantedServer

LETTERS = string.ascii_letters + string.digits
PASSWORD_LENGTH = 12
SWAP = "swap"
TARGETS = "abcdefghijklmnopqrstuvwxyz"
TOO_MANY = {
    "metadata_items": "Maximum number of metadata items exceeds",
    "injected_files": "Personality file limit exceeded: the most is",
    "injected_file_content_bytes": "Personality file content too long: the most bytes are",
    "injected_file_path_length": "Personality file path too long: the most bytes are",
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What all servers of a request have in common."""

    wanted: WantedServer
    flavor: Flavor
    image: ImageFacts
    key: Key | None
    devices: Sequence[WantedDevice]
    zone: str | None
    host: str | None
    forced: bool
    group: Group | None


async def planned(ctx: Ctx, wanted: WantedServer) -> Plan:
    """Raises BadRequest, Forbidden, NotFound."""
    if wanted.certificates:
        raise BadRequest(
            "Image signature certificates cannot be checked by this cloud: leave trusted_image_certificates out."
        )
    flavor = await flavor_of(ctx, wanted.flavor_id)
    image = ImageFacts() if wanted.image_id is None else await neighbours.image(ctx, wanted.image_id)
    devices = whole(image_disks.merged(wanted.devices, image), image)
    root = devices[0]
    if root.source == "image" and root.source_id is not None and root.source_id != image.id:
        image = await neighbours.image(ctx, root.source_id)
        devices = whole(image_disks.merged(devices, image), ImageFacts())
    check_sizes(ctx, flavor, image, devices[0])
    check_blank(flavor, devices)
    await neighbours.check_sources(ctx, devices)
    await check_items(ctx, wanted)
    zone, host, forced = await destination(ctx, wanted)
    return Plan(
        wanted=wanted,
        flavor=flavor,
        image=image,
        key=await key_of(ctx, wanted.key_name),
        devices=devices,
        zone=zone,
        host=host,
        forced=forced,
        group=await _group(ctx, wanted.hints),
    )


async def _group(ctx: Ctx, hints: Mapping[str, Any]) -> Group | None:
    """Raises BadRequest for one that the caller's project has not."""
    if not hints.get("group"):
        return None
    group_id = UUID(hints["group"][0])
    found = (await server_groups.by_ids(ctx, [group_id])).get(group_id)
    if found is None or found.project_id != ctx.caller.project_id:
        raise BadRequest(f"Instance group {group_id} could not be found.")
    return found


async def flavor_of(ctx: Ctx, flavor_id: str) -> Flavor:
    try:
        return await flavors.get(ctx, flavor_id)
    except NotFound as e:
        raise BadRequest(e.message) from None


async def key_of(ctx: Ctx, name: str | None) -> Key | None:
    if name is None:
        return None
    try:
        found = await keypairs.get(ctx, name)
    except NotFound:
        raise BadRequest("Invalid key_name provided.") from None
    return Key(found.name, found.type, found.public_key)


def whole(wanted: Sequence[WantedDevice], image: ImageFacts) -> list[WantedDevice]:
    """The disks in the order in which they are tried; the first is the root. Raises BadRequest."""
    boot = [each for each in wanted if each.boot_index is not None]
    rest = [each for each in wanted if each.boot_index is None]
    boot.sort(key=lambda each: each.boot_index or 0)
    if [each.boot_index for each in boot] != list(range(len(boot))):
        raise BadRequest(
            "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid."
        )
    if not boot:
        if image.id is None:
            raise BadRequest(
                "Invalid imageRef provided."
                if not wanted
                else "Block Device Mapping is Invalid: Boot sequence for the "
                "instance and image/block device mapping combination is not valid."
            )
        local = WantedDevice(
            source="image", destination="local", source_id=image.id, boot_index=0, delete_with_server=True
        )
        return [local, *rest]
    return [_checked(each, image) for each in (*boot, *rest)]


def _checked(device: WantedDevice, image: ImageFacts) -> WantedDevice:
    if device.destination == "local" and device.source in {"volume", "snapshot"}:
        raise BadRequest(f"Block Device Mapping is Invalid: a {device.source} is no local disk.")
    if device.source == "image" and device.destination == "local":
        if device.source_id != image.id:
            raise BadRequest("Block Device Mapping is Invalid: Mapping image to local is not supported.")
        if device.boot_index != 0:
            raise BadRequest("Block Device Mapping is Invalid: Mapping image to local is not supported.")
    if device.destination == "volume" and device.source in {"image", "blank"} and not device.size_gib:
        raise BadRequest(
            "Block Device Mapping is Invalid: Images with destination_type 'volume' need to have a non-zero size specified"
            if device.source == "image"
            else "Block Device Mapping is Invalid: a blank volume needs a volume_size."
        )
    return device


def check_sizes(ctx: Ctx, flavor: Flavor, image: ImageFacts, root: WantedDevice) -> None:
    """An image must fit into the flavor. Raises BadRequest, Forbidden."""
    if flavor.memory_mib < image.min_memory_mib:
        raise BadRequest("Flavor's memory is too small for requested image.")
    if root.source == "image" and not image.size_bytes:
        raise BadRequest(f"Image {image.id} has no data that a disk could be made of.")
    if root.destination == "volume":
        if root.size_gib and root.size_gib < image.min_disk_gib and root.source == "image":
            raise BadRequest(
                f"Volume is smaller than the minimum size specified in image metadata. Volume size is {root.size_gib} GiB, minimum size is {image.min_disk_gib} GiB."
            )
        return
    if flavor.disk_gib and flavor.disk_gib << 30 < image.size_bytes:
        raise BadRequest(
            f"Flavor's disk is too small for requested image. Flavor disk is {flavor.disk_gib << 30} bytes, image is {image.size_bytes} bytes."
        )
    if flavor.disk_gib and flavor.disk_gib < image.min_disk_gib:
        raise BadRequest(
            f"Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {flavor.disk_gib << 30} bytes, minimum size is {image.min_disk_gib << 30} bytes."
        )
    if not flavor.disk_gib and not ctx.world.policy.allows(
        "os_compute_api:servers:create:zero_disk_flavor", ctx.caller, {"project_id": ctx.caller.project_id}
    ):
        raise Forbidden("Only volume-backed servers are allowed for flavors with zero disk. ")


def check_blank(flavor: Flavor, devices: Sequence[WantedDevice]) -> None:
    """Blank disks of a host are of what the flavor gives, and no more. Raises BadRequest."""
    blank = [each for each in devices if each.source == "blank" and each.destination == "local"]
    swap = [each for each in blank if each.guest_format == SWAP]
    ephemeral_gib = sum(size_of(each, flavor) for each in blank if each not in swap)
    if ephemeral_gib > flavor.ephemeral_gib:
        raise BadRequest(
            f"Block Device Mapping is Invalid: ephemeral disks of {ephemeral_gib} GiB are more than the {flavor.ephemeral_gib} "
            f"GiB of the flavor {flavor.name}."
        )
    if len(swap) > 1:
        raise BadRequest("Block Device Mapping is Invalid: More than one swap drive requested.")
    if any(each.size_gib > flavor.swap_mib for each in swap):
        raise BadRequest(
            f"Block Device Mapping is Invalid: a swap drive of {swap[0].size_gib} MiB is more than the {flavor.swap_mib} MiB "
            f"of the flavor {flavor.name}."
        )


def size_of(device: WantedDevice, flavor: Flavor) -> int:
    """Of a disk for which none was said, what the flavor gives. In GiB, of swap in MiB."""
    if device.size_gib or device.destination != "local":
        return device.size_gib
    if device.source == "blank":
        return flavor.swap_mib if device.guest_format == SWAP else flavor.ephemeral_gib
    return flavor.disk_gib


async def check_items(ctx: Ctx, wanted: WantedServer) -> None:
    """Numbers that count for each server by itself. Raises OverQuota."""
    sizes = {
        "metadata_items": len(wanted.metadata),
        "injected_files": len(wanted.files),
        "injected_file_content_bytes": max((len(f.contents) * 3 // 4 for f in wanted.files), default=0),
        "injected_file_path_length": max((len(f.path.encode()) for f in wanted.files), default=0),
    }
    await check_numbers(ctx, ctx.caller.project_id or "", sizes)


async def check_numbers(ctx: Ctx, project_id: str, sizes: Mapping[str, int]) -> None:
    """Raises OverQuota."""
    asked = {name: amount for name, amount in sizes.items() if amount}
    if not asked:
        return
    known = await limits(ctx, "compute", list(asked), project_id)
    for name, amount in asked.items():
        if 0 <= known[name] < amount:
            raise ComputeOverQuota(f"{TOO_MANY[name]} {known[name]}: {amount} are given.", resource=name)


async def destination(ctx: Ctx, wanted: WantedServer) -> tuple[str | None, str | None, bool]:
    """The zone, the host, and whether that host is forced: `zone:host`. Raises Forbidden, BadRequest."""
    target = {"project_id": ctx.caller.project_id, "user_id": ctx.caller.user_id}
    zone, host, forced = wanted.zone, None, False
    if zone is not None and ":" in zone:
        zone, host, node = [*zone.split(":"), "", ""][:3]
        host, forced = host or node or None, True
        require(ctx, "os_compute_api:servers:create:forced_host", target)
    if wanted.host or wanted.hypervisor_hostname:
        if host:
            raise BadRequest(
                "Using a host in availability_zone and in host or hypervisor_hostname at once is not allowed."
            )
        require(ctx, "compute:servers:create:requested_destination", target)
        named = {each for each in (wanted.host, wanted.hypervisor_hostname) if each}
        if len(named) > 1:
            raise BadRequest(f"No hypervisor {wanted.hypervisor_hostname} is on host {wanted.host}.")
        (host,) = named
        if not await hypervisors.named(ctx, named):
            raise BadRequest(f"Compute host {host} could not be found.")
    return zone or None, host, forced


def require(ctx: Ctx, rule: str, target: dict[str, str | None]) -> None:
    if not ctx.world.policy.allows(rule, ctx.caller, target):
        raise ctx.world.policy.refusal(rule, ctx.caller, {})


def password() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(PASSWORD_LENGTH))


def device_rows(ctx: Ctx, plan: Plan, server_id: UUID) -> list[Device]:
    """The disks of a new server, those of its flavor too, each with the name that the guest will give it."""
    rows = [
        Device(
            id=ctx.world.ids.uuid(),
            server_id=server_id,
            position=n,
            source=each.source,
            destination=each.destination,
            source_id=each.source_id if each.source in {"image", "snapshot"} else None,
            volume_id=each.source_id if each.source == "volume" else None,
            boot_index=each.boot_index,
            name=f"/dev/vd{TARGETS[n % 26]}",
            size_gib=size_of(each, plan.flavor),
            guest_format=each.guest_format,
            delete_with_server=each.delete_with_server or each.destination == "local",
            tag=each.tag,
            volume_type=each.volume_type,
            plugged=True,
        )
        for n, each in enumerate(plan.devices)
    ]
    return rows + flavor_rows(ctx, plan, server_id, len(rows))


def flavor_rows(ctx: Ctx, plan: Plan, server_id: UUID, first: int) -> list[Device]:
    """The ephemeral disk and the swap of the flavor, where none were asked for by themselves."""
    blank = [each for each in plan.devices if each.source == "blank" and each.destination == "local"]
    has_swap = any(each.guest_format == SWAP for each in blank)
    has_ephemeral = any(each.guest_format != SWAP for each in blank)
    wanted: list[tuple[int, str | None]] = []
    if plan.flavor.ephemeral_gib and not has_ephemeral:
        wanted.append((plan.flavor.ephemeral_gib, None))
    if plan.flavor.swap_mib and not has_swap:
        wanted.append((plan.flavor.swap_mib, SWAP))
    return [
        Device(
            id=ctx.world.ids.uuid(),
            server_id=server_id,
            position=first + n,
            source="blank",
            destination="local",
            name=f"/dev/vd{TARGETS[(first + n) % 26]}",
            size_gib=size,
            guest_format=form,
        )
        for n, (size, form) in enumerate(wanted)
    ]
