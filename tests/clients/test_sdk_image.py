"""openstacksdk about images."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection
from openstack.exceptions import NotFoundException

from clients.conftest import Person, Site
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


def test_who_sees_it(sdk: Any, mine: Connection, person: Person, name: str) -> None:
    image = sdk.create_image(name, visibility="private")
    assert mine.image.find_image(image.id) is None
    assert sdk.update_image(image, visibility="community").visibility == "community"
    assert mine.image.get_image(image.id).name == name
    sdk.update_image(image, visibility="shared")
    sdk.add_member(image, member_id=person.project_id)
    assert [(member.member_id, member.status) for member in sdk.members(image)] == [(person.project_id, "pending")]
    mine.image.update_member(person.project_id, image.id, status="accepted")
    assert [each.id for each in mine.image.images(visibility="shared")] == [image.id]
    sdk.remove_member(person.project_id, image=image)
    assert list(sdk.members(image)) == []
    sdk.delete_image(image.id)


def test_imports(sdk: Any, site: Site, name: str) -> None:
    staged, fetched = (sdk.create_image(name, disk_format="raw", container_format="bare") for _ in range(2))
    sdk.stage_image(staged, data=BytesIO(DATA))
    sdk.import_image(staged, method="glance-direct")
    inside = f"http://169.254.169.254:{site.port}/"
    assert sdk.import_image(fetched, method="web-download", uri=inside).status_code == 400, "which it does not raise"
    sdk.import_image(fetched, method="web-download", uri=site.holds(name, DATA))
    for image in (staged, fetched):
        assert sdk.wait_for_status(image, "active", failures=["killed"], interval=0.1, wait=60).size == len(DATA)
        sdk.delete_image(image.id)


def test_schemas(sdk: Any) -> None:
    assert "disk_format" in sdk.get_image_schema().properties
    assert sdk.get_images_schema().properties
