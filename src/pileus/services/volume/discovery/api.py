"""/v3/extensions, /v3/resource_filters, /v3/os-availability-zone, /v3/clusters"""

from __future__ import annotations

from typing import Any

from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.http import Query
from pileus.services.volume.http import api
from pileus.services.volume.lists import last
from pileus.services.volume.volumes import service as volumes

FILTERS = {
    "volume": "name status metadata bootable migration_status availability_zone group_id size created_at updated_at",
    "snapshot": "name status volume_id metadata availability_zone",
    "attachment": "volume_id status instance_id attach_status",
    "message": "resource_uuid resource_type event_id request_id message_level",
    "pool": "name volume_type",
    "volume_type": "is_public extra_specs",
}
EXTENSIONS = {
    "os-admin-actions": "AdminActions",
    "os-availability-zone": "AvailabilityZones",
    "capabilities": "Capabilities",
    "os-extended-snapshot-attributes": "ExtendedSnapshotAttributes",
    "os-hosts": "Hosts",
    "qos-specs": "Qos_specs_manage",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas",
    "OS-SCH-HNT": "SchedulerHints",
    "scheduler-stats": "Scheduler_stats",
    "os-services": "Services",
    "os-snapshot-actions": "SnapshotActions",
    "os-types-extra-specs": "TypesExtraSpecs",
    "os-types-manage": "TypesManage",
    "os-used-limits": "UsedLimits",
    "os-volume-actions": "VolumeActions",
    "os-volume-encryption-metadata": "VolumeEncryptionMetadata",
    "os-vol-host-attr": "VolumeHostAttribute",
    "os-vol-image-meta": "VolumeImageMetadata",
    "os-vol-mig-status-attr": "VolumeMigStatusAttribute",
    "os-vol-tenant-attr": "VolumeTenantAttribute",
    "os-volume-transfer": "VolumeTransfer",
    "os-volume-type-access": "VolumeTypeAccess",
    "encryption": "VolumeTypeEncryption",
}
"""What is here of the extensions of the first version: alias -> name."""


def shown(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": EXTENSIONS[alias],
        "description": f"{EXTENSIONS[alias]} support.",
        "updated": "2013-01-01T00:00:00+00:00",
        "links": [],
    }


@api.get("/v3/extensions", rule="volume:get_all", wrap="extensions")
async def list_extensions(ctx: Ctx) -> list[dict[str, Any]]:
    return [shown(alias) for alias in EXTENSIONS]


@api.get("/v3/extensions/{alias}", rule="volume:get_all", wrap="extension")
async def show_extension(ctx: Ctx, alias: str) -> dict[str, Any]:
    if alias not in EXTENSIONS:
        raise NotFound("The resource could not be found.")
    return shown(alias)


@api.get("/v3/resource_filters", rule="volume:get_all", since="3.33", wrap="resource_filters")
async def list_resource_filters(ctx: Ctx, query: Query) -> list[dict[str, Any]]:
    wanted = last(query, "resource")
    return [{"resource": each, "filters": FILTERS[each].split()} for each in FILTERS if wanted in (None, each)]


@api.get("/v3/os-availability-zone", rule="volume:get_all", wrap="availabilityZoneInfo")
async def list_zones(ctx: Ctx) -> list[dict[str, Any]]:
    return [{"zoneName": zone, "zoneState": {"available": True}} for zone in volumes.ZONES]


@api.get("/v3/clusters", rule="clusters:get_all", since="3.7", wrap="clusters")
async def list_clusters(ctx: Ctx) -> list[dict[str, Any]]:
    """Hosts of this cloud stand for themselves."""
    return []


@api.get("/v3/clusters/{cluster}", rule="clusters:get", since="3.7")
async def show_cluster(ctx: Ctx, cluster: str) -> None:
    raise NotFound(f"Cluster {cluster} could not be found.")
