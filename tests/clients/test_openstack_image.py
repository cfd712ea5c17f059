"""openstackclient about images: created, listed, changed, saved, shared, imported, deleted."""

from __future__ import annotations

import shlex
from pathlib import Path

from clients.conftest import Openstack, Person, Site, until
from support.imagery import qcow2
from support.pages import block_of

DATA = bytes(range(256)) * 1024


def test_an_image_from_its_birth_to_its_end(admin: Openstack, name: str, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(DATA)
    made = admin.shows(
        f"image create {name} --disk-format raw --container-format bare --file {tmp_path}/up --min-disk 1 --min-ram 64 "
        "--property os_distro=debian --tag blue --private"
    )
    assert (made["name"], made["status"], made["size"], made["visibility"]) == (name, "active", len(DATA), "private")
    assert (made["min_disk"], made["min_ram"], made["tags"]) == (1, 64, ["blue"])
    assert made["properties"]["os_distro"] == "debian"
    assert name in admin.column("image list", "Name")
    assert admin.column(f"image list --private --name {name} --long", "Checksum") == [made["checksum"]]
    assert admin.column("image list --property os_distro=debian --tag blue --status active --sort name:asc", "ID")
    admin(f"image set {name} --name {name}x --tag green --property os_version=12 --min-ram 128 --protected --shared")
    shown = admin.shows(f"image show {name}x")
    assert (sorted(shown["tags"]), shown["min_ram"], shown["protected"]) == (["blue", "green"], 128, True)
    assert shown["properties"]["os_version"] == "12"
    admin(f"image unset {name}x --tag blue --property os_version")
    shown = admin.shows(f"image show {made['id']}")
    assert (shown["tags"], "os_version" in shown["properties"]) == (["green"], False)
    admin(f"image save {name}x --file {tmp_path}/down")
    assert (tmp_path / "down").read_bytes() == DATA
    assert "protected" in admin.is_refused(f"image delete {name}x")
    admin(f"image set {name}x --unprotected --deactivate")
    assert admin.shows(f"image show {name}x")["status"] == "deactivated"
    admin(f"image set {name}x --activate")
    admin(f"image delete {name}x")
    assert f"No Image found for {name}x" in admin.is_refused(f"image show {name}x")


def test_an_image_is_shared_with_a_project(admin: Openstack, person: Person, name: str, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(DATA)
    made = admin.shows(f"image create {name} --shared --file {tmp_path}/up")
    admin(f"image add project {made['id']} {person.project_id}")
    assert admin.column(f"image member list {made['id']}", "Status") == ["pending"]
    assert name not in person.says.column("image list", "Name")
    person.says(f"image set {made['id']} --accept")
    assert name in person.says.column("image list", "Name")
    assert admin.shows(f"image member get {made['id']} {person.project_id}")["status"] == "accepted"
    person.says(f"image set {made['id']} --reject")
    assert name not in person.says.column("image list", "Name")
    admin(f"image remove project {made['id']} {person.project_id}")
    person.says.is_refused(f"image show {made['id']}")
    admin(f"image delete {name}")


def test_images_are_listed_page_by_page(admin: Openstack, name: str) -> None:
    first, second = (admin.shows(f"image create {name}{n} --tag {name} --community")["id"] for n in (1, 2))
    listed = f"image list --community --tag {name}"
    assert admin.column(f"{listed} --limit 1", "ID") == [second], "the newest first"
    assert admin.column(f"{listed} --marker {second}", "ID") == [first]
    admin(f"image delete {first} {second}")


def test_an_image_is_staged_and_imported(admin: Openstack, name: str, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(DATA)
    admin(f"image create {name} --disk-format raw --container-format bare")
    admin(f"image stage {name} --file {tmp_path}/up")
    assert admin.shows(f"image show {name}")["status"] == "uploading"
    admin(f"image import {name} --method glance-direct")
    until(admin, f"image show {name}", "status", "active")
    assert admin.shows("image task list") is not None
    admin(f"image delete {name}")


def test_an_image_is_fetched(admin: Openstack, site: Site, name: str) -> None:
    admin(f"image create {name} --disk-format raw --container-format bare")
    admin(f"image import {name} --method web-download --uri {site.holds(name, DATA)}")
    until(admin, f"image show {name}", "status", "active")
    assert admin.shows(f"image show {name}")["size"] == len(DATA)
    admin(f"image delete {name}")


def test_the_commands_of_the_user_guide_fetch_an_image(admin: Openstack, site: Site, name: str) -> None:
    here = {"https://cloud.example/guest.qcow2": site.holds(name, qcow2()), " far ": f" {name} "}
    for openstack, *words in block_of("docs/user-guide.md", "--uri").here(here).commands():
        assert openstack == "openstack"
        admin(shlex.join(words))
    until(admin, f"image show {name}", "status", "active")
    assert admin.shows(f"image show {name}")["disk_format"] == "qcow2"
    admin(f"image delete {name}")


def test_what_image_can_do(admin: Openstack) -> None:
    assert admin.shows("image import info")["import-methods"] == ["glance-direct", "web-download"]
    assert admin.column("image stores list", "ID") == ["local"]


def test_a_bad_image_is_refused_in_words(admin: Openstack, name: str, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(DATA)
    said = admin.is_refused(f"image create {name} --disk-format qcow2 --container-format bare --file {tmp_path}/up")
    assert "declared qcow2" in said
