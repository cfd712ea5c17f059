"""What Tempest does not make itself, but must find in the cloud: two images, a type of volumes, the
network that leads out, the extensions, the hosts."""

from __future__ import annotations

from typing import Any

import httpx

from conformance.cloud import Cloud

IMAGES = ("tempest-1", "tempest-2")
MULTIATTACH = "tempest-multiattach"
BYTES = bytes(1 << 20)  # no simulated guest looks at them


def laid(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """Make the images and the type; the sections of tempest.conf that name what is there."""
    with httpx.Client(
        headers={"X-Auth-Token": cloud.token}, event_hooks={"response": [httpx.Response.raise_for_status]}
    ) as http:
        one, other = (image(http, cloud.urls["image"], name) for name in IMAGES)
        networks = http.get(f"{cloud.urls['network']}/v2.0/networks", params={"router:external": True}).json()[
            "networks"
        ]
        extensions = http.get(f"{cloud.urls['network']}/v2.0/extensions").json()["extensions"]
        type_ = {"name": MULTIATTACH, "extra_specs": {"multiattach": "<is> True"}}
        http.post(f"{cloud.urls['block-storage']}/types", json={"volume_type": type_})
        hosts = http.get(f"{cloud.urls['compute']}/os-hypervisors").json()["hypervisors"]
    return {
        "compute": {"image_ref": one, "image_ref_alt": other, "min_compute_nodes": len(hosts)},
        "network": {"public_network_id": networks[0]["id"], "floating_network_name": networks[0]["name"]},
        "volume": {"volume_type_multiattach": MULTIATTACH},
        "network-feature-enabled": {"api_extensions": ",".join(sorted(each["alias"] for each in extensions))},
    }


def image(http: httpx.Client, url: str, name: str) -> str:
    body = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    made = str(http.post(f"{url}/v2/images", json=body).json()["id"])
    http.put(f"{url}/v2/images/{made}/file", content=BYTES, headers={"Content-Type": "application/octet-stream"})
    return made
