"""openstackclient about volumes, snapshots, attachments, types, quotas, transfers and messages."""

from __future__ import annotations

from clients.conftest import Openstack, Person, until


def test_a_volume_of_each_origin(person: Person, image: str, name: str) -> None:
    says = person.says
    blank = says.shows(f"volume create {name} --size 1 --description 'of the shop' --property a=b")
    until(says, f"volume show {name}", "status", "available")
    assert (blank["size"], blank["bootable"]) == (1, False)
    says(f"volume snapshot create {name}-snap --volume {name}")
    until(says, f"volume snapshot show {name}-snap", "status", "available")
    for origin, what in (("image", image), ("snapshot", f"{name}-snap"), ("source", name)):
        says(f"volume create {name}-{origin} --{origin} {what} --size 2")
        until(says, f"volume show {name}-{origin}", "status", "available")
    assert says.shows(f"volume show {name}-image")["bootable"] is True
    assert sorted(says.column("volume list", "Name")) == sorted(
        [name, *(f"{name}-{w}" for w in ("image", "snapshot", "source"))]
    )
    says(f"volume set {name} --name {name}x --description changed --property c=d --bootable --read-only")
    says(f"volume unset {name}x --property a")
    shown = says.shows(f"volume show {name}x")
    assert (shown["description"], shown["bootable"], shown["properties"]["c"]) == ("changed", True, "d")
    assert says.column(f"volume list --name {name}x --status available --property c=d", "ID") == [blank["id"]]
    assert says.shows("volume summary")["Total Count"] == 4
    says(f"volume delete --purge {name}x")
    for origin in ("image", "snapshot", "source"):
        says(f"volume delete {name}-{origin}")
    gone(says, "volume list")
    assert says.column("volume snapshot list", "ID") == []


def gone(says: Openstack, command: str) -> None:
    """Ask until there are none: each question takes a while by itself."""
    for _ in range(100):
        if not says.shows(command):
            return
    raise AssertionError(f"{command} still says something")


def test_a_volume_grows_and_goes_back_to_its_snapshot(person: Person, name: str) -> None:
    says = person.says
    says(f"volume create {name} --size 1")
    until(says, f"volume show {name}", "status", "available")
    says(f"volume set {name} --size 3")
    until(says, f"volume show {name}", "status", "available")
    assert "greater than" in says.is_refused(f"volume set {name} --size 2")
    snapshot = says.shows(f"volume snapshot create {name} --volume {name} --property a=b")
    until(says, f"volume snapshot show {name}", "status", "available")
    says(f"volume snapshot set {name} --name {name}x --description before --property c=d")
    says(f"volume snapshot unset {name}x --property a")
    assert says.shows(f"volume snapshot show {name}x")["properties"] == {"c": "d"}
    assert says.column(f"volume snapshot list --volume {name}", "ID") == [snapshot["id"]]
    assert "snapshots" in says.is_refused(f"volume delete {name}")
    says(f"volume revert {name}x --os-volume-api-version 3.40")
    until(says, f"volume show {name}", "status", "available")
    says(f"volume snapshot delete {name}x")
    gone(says, "volume snapshot list")
    says(f"volume delete {name}")


def test_an_attachment_from_its_reservation_to_its_end(person: Person, image: str, name: str) -> None:
    says, newer = person.says, "--os-volume-api-version 3.54"
    says(f"volume create {name} --size 1")
    until(says, f"volume show {name}", "status", "available")
    says(f"server create {name} --image {image} --flavor m1.nano --nic none --wait --os-compute-api-version 2.37")
    made = says.shows(f"volume attachment create {name} --server {name} {newer}")
    assert says.shows(f"volume show {name}")["status"] == "reserved"
    says(f"volume attachment set {made['ID']} --host h1 --initiator iqn.2026-11.example:h1 {newer}")
    says(f"volume attachment complete {made['ID']} {newer}")
    assert says.shows(f"volume show {name}")["status"] == "in-use"
    assert says.column(f"volume attachment list {newer}", "ID") == [made["ID"]]
    assert says.shows(f"volume attachment show {made['ID']} {newer}")["Status"] == "attached"
    says(f"volume attachment delete {made['ID']} {newer}")
    until(says, f"volume show {name}", "status", "available")
    says(f"server delete --wait {name}")
    says(f"volume delete {name}")


def test_a_volume_is_given_away(person: Person, admin: Openstack, name: str) -> None:
    says = person.says
    says(f"volume create {name} --size 1")
    until(says, f"volume show {name}", "status", "available")
    given = says.shows(f"volume transfer request create {name} --name {name}")
    assert says.column("volume transfer request list", "ID") == [given["id"]]
    assert says.shows(f"volume transfer request show {name}")["name"] == name
    admin(f"volume transfer request accept {given['id']} --auth-key {given['auth_key']}")
    assert says.column("volume list", "Name") == []
    back = admin.shows(f"volume transfer request create {name} --name {name}")
    admin(f"volume transfer request delete {back['id']}")
    assert admin.shows(f"volume show {name}")["status"] == "available"
    admin(f"volume delete {name}")


def test_types_and_quotas(person: Person, admin: Openstack, name: str) -> None:
    admin(f"volume type create {name} --private --description fast --property vendor_name=Pileus")
    assert name not in person.says.column("volume type list", "Name")
    admin(f"volume type set {name} --project {name} --property storage_protocol=file")
    admin(f"volume type unset {name} --property vendor_name")
    assert admin.shows(f"volume type show {name}")["properties"] == {"storage_protocol": "file"}
    made = person.says.shows(f"volume create {name} --size 1 --type {name}")
    assert made["type"] == name
    admin(f"volume qos create {name} --consumer front-end --property total_iops_sec=100")
    admin(f"volume qos associate {name} {name}")
    admin(f"volume qos disassociate {name} --all")
    admin(f"volume qos delete {name}")
    admin(f"quota set {name} --volumes 1 --gigabytes 5 --snapshots 2")
    quotas = {row["Resource"]: row["Limit"] for row in admin.shows(f"quota show {name} --volume")}
    assert (quotas["volumes"], quotas["gigabytes"], quotas["snapshots"]) == (1, 5, 2)
    assert "exceeded" in person.says.is_refused("volume create more --size 1")
    until(person.says, f"volume show {name}", "status", "available")
    person.says(f"volume delete {name}")
    gone(person.says, "volume list")
    admin(f"volume type delete {name}")


def test_what_came_to_nothing_says_why(person: Person, admin: Openstack, name: str) -> None:
    says, newer = person.says, "--os-volume-api-version 3.5"
    admin(f"volume type create {name} --property vendor_name=nobody")
    failed = says.shows(f"volume create {name} --size 1 --type {name}")
    until(says, f"volume show {name}", "status", "error")
    (message,) = says.shows(f"volume message list {newer}")
    assert message["Resource UUID"] == failed["id"]
    assert "type asks for" in message["User Message"]
    says(f"volume message delete {message['ID']} {newer}")
    assert says.shows(f"volume message list {newer}") == []
    says(f"volume delete {name}")
    gone(says, "volume list")
    admin(f"volume type delete {name}")


def test_what_administrators_see(admin: Openstack) -> None:
    assert admin.column("volume service list", "Host") == ["h1@blocks"]
    assert admin.column("volume backend pool list", "Name") == ["h1@blocks#files"]
    assert admin.shows("volume backend capability show h1@blocks") == []
    admin("volume service set h1@blocks cinder-volume --disable --disable-reason mended")
    admin("volume service set h1@blocks cinder-volume --enable")
