"""openstacksdk about images."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import NotFoundException

from clients.conftest import Person
from support.sdk import ITS_OWN_WARNINGS

pytestmark = ITS_OWN_WARNINGS
DATA = bytes(range(256)) * 4096


@pytest.fixture
def sdk(sdk: Connection) -> Any:
    return sdk.image


def test_an_image_goes_up_and_comes_down(sdk: Any, name: str, tmp_path: Path) -> None:
    made = sdk.create_image(name, data=DATA, disk_format="raw", container_format="bare", tags=["x"], os_distro="debian")
    found = sdk.get_image(made.id)
    assert (found.status, found.size, found.hash_algo) == ("active", len(DATA), "sha512")
    assert found.hash_value == hashlib.sha512(DATA).hexdigest()
    assert sdk.download_image(made.id).content == DATA
    sdk.download_image(made.id, output=str(tmp_path / "down"), stream=True)
    assert (tmp_path / "down").read_bytes() == DATA
    assert [image.id for image in sdk.images(name=name)] == [made.id]
    assert sdk.find_image(name).id == made.id
    changed = sdk.update_image(made.id, name=f"{name}x", min_ram=64)
    assert (changed.name, changed.min_ram) == (f"{name}x", 64)
    sdk.add_tag(made.id, "y")
    sdk.remove_tag(made.id, "x")
    assert sdk.get_image(made.id).tags == ["y"]
    sdk.deactivate_image(made.id)
    sdk.reactivate_image(made.id)
    sdk.delete_image(made.id)
    with pytest.raises(NotFoundException):
        sdk.get_image(made.id)


def test_many_images_are_listed_page_by_page(sdk: Any, name: str) -> None:
    made = {sdk.create_image(f"{name}-{n}", tags=[name]).id for n in range(5)}
    assert {image.id for image in sdk.images(tag=name, limit=2)} == made
    for image_id in made:
        sdk.delete_image(image_id)


def test_members(sdk: Any, person: Person, name: str) -> None:
    image = sdk.create_image(name)
    sdk.add_member(image, member_id=person.project_id)
    assert [(member.member_id, member.status) for member in sdk.members(image)] == [(person.project_id, "pending")]
    sdk.remove_member(person.project_id, image=image)
    assert list(sdk.members(image)) == []
    sdk.delete_image(image.id)


def test_an_import(sdk: Any, name: str) -> None:
    image = sdk.create_image(name, disk_format="raw", container_format="bare")
    sdk.stage_image(image, data=BytesIO(DATA))
    sdk.import_image(image, method="glance-direct")
    sdk.delete_image(image.id)


def test_schemas(sdk: Any) -> None:
    assert "disk_format" in sdk.get_image_schema().properties
    assert sdk.get_images_schema().properties
