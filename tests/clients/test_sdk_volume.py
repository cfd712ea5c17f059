"""openstacksdk about volumes, snapshots, attachments, types, quotas, transfers and messages."""

from __future__ import annotations

from uuid import uuid4

import pytest
from openstack.connection import Connection
from openstack.exceptions import BadRequestException, HttpException, NotFoundException

from clients.conftest import Person
from support.sdk import ITS_OWN_WARNINGS

pytestmark = ITS_OWN_WARNINGS


def test_a_volume_of_each_origin(mine: Connection, image: str, name: str) -> None:
    storage = mine.block_storage
    blank = mine.create_volume(size=1, name=name, wait=True, timeout=60)
    assert (blank.status, blank.is_bootable) == ("available", False)
    snapshot = mine.create_volume_snapshot(blank.id, name=name, wait=True, timeout=60)
    image_id = mine.image.find_image(image).id
    for origin in ({"image_id": image_id}, {"snapshot_id": snapshot.id}, {"source_volume_id": blank.id}):
        made = storage.wait_for_status(storage.create_volume(size=2, **origin), interval=0.2, wait=60)
        assert (made.size, made.is_bootable) == (2, "image_id" in origin)
        storage.delete_volume(made)
        storage.wait_for_delete(made, interval=0.2, wait=60)
    storage.update_volume(blank, description="changed")
    storage.set_volume_metadata(blank, a="b")
    storage.set_volume_bootable_status(blank, True)
    shown = storage.get_volume(blank)
    assert (shown.description, shown.metadata["a"], shown.is_bootable) == ("changed", "b", True)
    assert [volume.id for volume in storage.volumes(name=name, limit=1)] == [blank.id]
    assert mine.delete_volume_snapshot(snapshot.id, wait=True, timeout=60)
    assert mine.delete_volume(blank.id, wait=True, timeout=60)
    with pytest.raises(NotFoundException):
        storage.get_volume(blank)


def test_a_volume_grows_and_becomes_an_image(mine: Connection, name: str) -> None:
    storage = mine.block_storage
    made = mine.create_volume(size=1, name=name, wait=True, timeout=60)
    storage.extend_volume(made, 2)
    storage.wait_for_status(storage.get_volume(made), interval=0.2, wait=60)
    assert storage.get_volume(made).size == 2
    with pytest.raises(BadRequestException):
        storage.extend_volume(made, 2)
    storage.upload_volume_to_image(made, name, disk_format="qcow2", container_format="bare")
    storage.wait_for_status(storage.get_volume(made), interval=0.2, wait=60)
    image = mine.image.find_image(name, ignore_missing=False)
    assert (image.status, image.disk_format) == ("active", "qcow2")
    mine.image.delete_image(image)
    assert mine.delete_volume(made.id, wait=True, timeout=60)


def test_an_attachment(mine: Connection, name: str) -> None:
    storage = mine.block_storage
    volume = mine.create_volume(size=1, name=name, wait=True, timeout=60)
    made = storage.create_attachment(volume, instance_id=str(uuid4()), connector=None)
    assert storage.get_volume(volume).status == "reserved"
    storage.update_attachment(made, connector={"host": "h1", "initiator": "iqn.2026-11.example:h1"})
    storage.complete_attachment(made)
    assert [each.id for each in storage.attachments()] == [made.id]
    assert storage.get_attachment(made).status == "attached"
    storage.delete_attachment(made)
    storage.wait_for_status(storage.get_volume(volume), interval=0.2, wait=60)
    assert mine.delete_volume(volume.id, wait=True, timeout=60)


def test_a_volume_is_given_away(mine: Connection, sdk: Connection, name: str) -> None:
    volume = mine.create_volume(size=1, name=name, wait=True, timeout=60)
    given = mine.block_storage.create_transfer(volume_id=volume.id, name=name)
    assert mine.block_storage.find_transfer(name).id == given.id
    sdk.block_storage.accept_transfer(given.id, given.auth_key)
    with pytest.raises(NotFoundException):
        mine.block_storage.get_volume(volume)
    back = sdk.block_storage.create_transfer(volume_id=volume.id, name=name)
    sdk.block_storage.delete_transfer(back)
    assert sdk.delete_volume(volume.id, wait=True, timeout=60)


def test_types_quotas_and_messages(mine: Connection, sdk: Connection, person: Person, name: str) -> None:
    storage = sdk.block_storage
    made = storage.create_type(name=name, is_public=False)
    storage.update_type_extra_specs(made, vendor_name="nobody")
    storage.add_type_access(made, person.project_id)
    assert [each["project_id"] for each in storage.get_type_access(made)] == [person.project_id]
    storage.update_quota_set(person.project_id, volumes=1)
    assert storage.get_quota_set(person.project_id, usage=True).volumes == 1
    failed = mine.block_storage.create_volume(size=1, volume_type=name)
    mine.block_storage.wait_for_status(failed, "error", failures=[], interval=0.2, wait=60)
    answer = mine.block_storage.get("/messages", microversion="3.3")
    (message,) = answer.json()["messages"]
    assert "type asks for" in message["user_message"]
    with pytest.raises(HttpException, match="exceed"):
        mine.block_storage.create_volume(size=1)
    mine.block_storage.delete_volume(failed)
    mine.block_storage.wait_for_delete(failed, interval=0.2, wait=60)
    storage.delete_type(made)
    assert storage.find_type(name) is None


def test_what_administrators_see(sdk: Connection) -> None:
    (service,) = sdk.block_storage.services()
    assert (service.host, service.binary, service.state) == ("h1@blocks", "cinder-volume", "up")
    (pool,) = sdk.block_storage.backend_pools()
    assert pool.name == "h1@blocks#files"
    assert sdk.block_storage.get_limits().absolute.max_total_volumes > 0
