"""Servers that run from volumes, by the stock clients: made, kept as images that boot, rebuilt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openstack.connection import Connection

from clients.conftest import Person, until
from support.sdk import ITS_OWN_WARNINGS

pytestmark = ITS_OWN_WARNINGS
SOON = {"interval": 0.2, "wait": 60}
BARE = "--flavor m1.nano --nic none --wait --os-compute-api-version 2.37"


@pytest.fixture
def other(person: Person, image: str, name: str, tmp_path: Any) -> str:
    """Another image than everybody's."""
    (tmp_path / "disk").write_bytes(bytes(4096))
    person.says(f"image create {name}-other --file {tmp_path}/disk --disk-format raw --container-format bare")
    return f"{name}-other"


def test_the_command_makes_keeps_and_rebuilds_them(person: Person, image: str, other: str, name: str) -> None:
    says = person.says
    made = says.shows(f"server create {name} --image {image} --boot-from-volume 1 {BARE}")
    (root,) = (each["id"] for each in made["volumes_attached"])
    says(f"server image create {name} --name {name}-kept --wait")
    kept = says.shows(f"image show {name}-kept")
    assert (kept["status"], kept["size"]) == ("active", 0)
    (snapshot,) = says.shows("volume snapshot list")
    assert (snapshot["Name"], snapshot["Status"]) == (f"snapshot for {name}-kept", "available")
    (entry,) = json.loads(kept["properties"]["block_device_mapping"])
    assert entry["snapshot_id"] == snapshot["ID"]
    copy = says.shows(f"server create {name}-copy --image {name}-kept {BARE}")
    (copied,) = (each["id"] for each in copy["volumes_attached"])
    assert says.shows(f"volume show {copied}")["snapshot_id"] == snapshot["ID"]
    rebuild = f"server rebuild {name} --image {other}"
    assert "unacceptable" in says.is_refused(f"{rebuild} --os-compute-api-version 2.92")
    says(f"{rebuild} --reimage-boot-volume --os-compute-api-version 2.93")
    until(says, f"server show {name}", "status", "ACTIVE")
    assert says.shows(f"volume show {root}")["volume_image_metadata"]["image_name"] == other
    says(f"server delete {name} {name}-copy")


def test_the_sdk_makes_keeps_and_rebuilds_them(mine: Connection, image: str, other: str, name: str) -> None:
    compute, flavor = mine.compute, mine.compute.find_flavor("m1.nano").id
    first, second = mine.image.find_image(image), mine.image.find_image(other)
    root = {"uuid": first.id, "source_type": "image", "destination_type": "volume", "boot_index": 0, "volume_size": 1}
    server = compute.create_server(name=name, flavor_id=flavor, block_device_mapping=[root], networks="none")
    server = compute.wait_for_server(server, **SOON)
    (attached,) = compute.volume_attachments(server)
    kept = compute.create_server_image(server, f"{name}-kept", wait=True, timeout=60)
    assert (kept.status, kept.size) == ("active", 0)
    copy = compute.create_server(name=f"{name}-copy", flavor_id=flavor, image_id=kept.id, networks="none")
    assert len(list(compute.volume_attachments(compute.wait_for_server(copy, **SOON)))) == 1
    compute.rebuild_server(server, image=second.id)
    assert compute.wait_for_server(server, **SOON).status == "ACTIVE"
    volume = mine.block_storage.get_volume(attached.volume_id)
    assert (volume.status, volume.volume_image_metadata["image_id"]) == ("in-use", second.id)
    for each in (server, copy):
        assert mine.delete_server(each.id, wait=True, timeout=60)
