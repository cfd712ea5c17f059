"""What Tempest does not make itself, but must find in the cloud: two images, a second endpoint of Image, a network, a type
of volumes, the network that leads out, the extensions, the hosts."""

from __future__ import annotations

from typing import Any

import httpx

from conformance.cloud import Cloud
from conformance.disk import Disk

IMAGES = ("tempest-1", "tempest-2")
MULTIATTACH = "tempest-multiattach"
NETWORK = "tempest"
OTHER_IMAGE = "image_remote"
BYTES = bytes(1 << 20)  # no simulated guest looks at them


def laid(cloud: Cloud, disk: Disk) -> dict[str, dict[str, Any]]:
    """Make the images, the endpoint, the network and the type; the sections of tempest.conf that name what is there."""
    with httpx.Client(
        headers={"X-Auth-Token": cloud.token}, event_hooks={"response": [httpx.Response.raise_for_status]}
    ) as http:
        one, other = (image(http, cloud.urls["image"], name) for name in IMAGES)
        second_endpoint(http, cloud)
        http.post(f"{cloud.urls['network']}/v2.0/networks", json={"network": {"name": NETWORK, "shared": True}})
        networks = http.get(f"{cloud.urls['network']}/v2.0/networks", params={"router:external": True}).json()[
            "networks"
        ]
        extensions = http.get(f"{cloud.urls['network']}/v2.0/extensions").json()["extensions"]
        type_ = {"name": MULTIATTACH, "extra_specs": {"multiattach": "<is> True"}}
        http.post(f"{cloud.urls['block-storage']}/types", json={"volume_type": type_})
        hosts = http.get(f"{cloud.urls['compute']}/os-hypervisors").json()["hypervisors"]
    return {
        "image": {
            "http_qcow2_image": disk.url,
            "images_manifest_file": disk.manifest,
            "alternate_image_endpoint": OTHER_IMAGE,
        },
        "compute": {
            "image_ref": one,
            "image_ref_alt": other,
            "min_compute_nodes": len(hosts),
            "fixed_network_name": NETWORK,
        },
        "network": {"public_network_id": networks[0]["id"], "floating_network_name": networks[0]["name"]},
        "volume": {"volume_type_multiattach": MULTIATTACH},
        "network-feature-enabled": {"api_extensions": ",".join(sorted(each["alias"] for each in extensions))},
    }


def second_endpoint(http: httpx.Client, cloud: Cloud) -> None:
    """Of Image, for what is begun at one and ended at another: what serves them has all in common."""
    made = http.post(f"{cloud.auth_url}/services", json={"service": {"type": OTHER_IMAGE, "name": OTHER_IMAGE}}).json()
    where = {"interface": "public", "url": cloud.urls["image"], "region_id": cloud.region}
    http.post(f"{cloud.auth_url}/endpoints", json={"endpoint": {**where, "service_id": made["service"]["id"]}})


def image(http: httpx.Client, url: str, name: str) -> str:
    body = {
        "name": name,
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "public",
        "hw_scsi_model": "virtio-scsi",
    }
    made = str(http.post(f"{url}/v2/images", json=body).json()["id"])
    http.put(f"{url}/v2/images/{made}/file", content=BYTES, headers={"Content-Type": "application/octet-stream"})
    return made
