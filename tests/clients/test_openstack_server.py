"""openstackclient about servers: made, looked at, worked with, deleted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from clients.conftest import Openstack, Person, until


@pytest.fixture
def network(person: Person, name: str) -> str:
    person.says(f"network create {name}")
    person.says(f"subnet create {name} --network {name} --subnet-range 10.0.0.0/24")
    return name


def test_a_server_from_its_birth_to_its_end(
    person: Person, admin: Openstack, image: str, network: str, name: str
) -> None:
    says = person.says
    made = says.shows(
        f"server create {name} --image {image} --flavor m1.nano --network {network} --property a=b --wait"
    )
    assert (made["status"], made["properties"]) == ("ACTIVE", {"a": "b"})
    assert says.column("server list", "Name") == [name]
    assert says.column(f"server list --name ^{name}$ --status ACTIVE", "ID") == [made["id"]]
    shown = says.shows(f"server show {name}")
    assert list(shown["addresses"]) == [network]
    says(f"server set {name} --property c=d --description changed --os-compute-api-version 2.90")
    says(f"server unset {name} --property a")
    assert says.shows(f"server show {name}")["properties"] == {"c": "d"}
    for command, status in (
        ("stop", "SHUTOFF"),
        ("start", "ACTIVE"),
        ("pause", "PAUSED"),
        ("unpause", "ACTIVE"),
        ("suspend", "SUSPENDED"),
        ("resume", "ACTIVE"),
    ):
        says(f"server {command} {name}")
        until(says, f"server show {name}", "status", status)
    for how in ("soft", "hard"):
        says(f"server reboot --{how} {name}")
        until(says, f"server show {name}", "status", "ACTIVE")
    assert "login:" in says(f"console log show {name}")
    for kind in ("novnc", "serial"):
        token = re.search(r"token(?:=|%3D)([\w-]+)", says.shows(f"console url show --{kind} {name}")["url"])
        assert token
        assert admin.shows(f"console connection show {token[1]}")["instance_uuid"] == made["id"]
    assert "403" in says.is_refused(f"server set --state error --auto-approve {name}")
    for state in ("error", "active"):
        admin(f"server set --state {state} --auto-approve {made['id']}")
        assert says.shows(f"server show {name}")["status"] == state.upper()
    says(f"server image create --name {name}-snap --wait {name}")
    says(f"server delete --wait {name}")
    assert says.column("server list", "Name") == []


def test_a_volume_and_an_interface_come_and_go(person: Person, image: str, network: str, name: str) -> None:
    says = person.says
    says(f"server create {name} --image {image} --flavor m1.nano --nic none --wait --os-compute-api-version 2.37")
    volume = says.shows(f"volume create {name} --size 1")
    until(says, f"volume show {name}", "status", "available")
    says(f"server add volume {name} {name}")
    until(says, f"volume show {name}", "status", "in-use")
    listed = json.loads(says(f"server volume list {name} -f json"))
    assert [each["Volume ID"] for each in listed] == [volume["id"]]
    says(f"volume set --size 2 {name} --os-volume-api-version 3.42")
    until(says, f"volume show {name}", "status", "in-use")
    assert says.shows(f"volume show {name}")["size"] == 2
    says(f"server remove volume {name} {name}")
    until(says, f"volume show {name}", "status", "available")
    says(f"server add network {name} {network}")
    assert list(says.shows(f"server show {name}")["addresses"]) == [network]
    says(f"server remove network {name} {network}")
    says(f"server lock {name}")
    says(f"server unlock {name}")
    for settle, flavor in (("revert", "m1.nano"), ("confirm", "m1.micro")):
        says(f"server resize --flavor m1.micro {name}")
        until(says, f"server show {name}", "status", "VERIFY_RESIZE")
        says(f"server resize {settle} {name}")
        until(says, f"server show {name}", "status", "ACTIVE")
        assert says.shows(f"server show {name}")["flavor"]["original_name"] == flavor
    says(f"server rebuild --image {image} --wait {name}")
    actions = says.column(f"server event list {name}", "Action")
    assert {
        "create",
        "attach_volume",
        "extend_volume",
        "detach_volume",
        "resize",
        "revertResize",
        "confirmResize",
        "rebuild",
    } <= set(actions)
    says(f"server delete --wait {name}")


def test_servers_are_made_with_all_that_they_may_have(
    person: Person, image: str, network: str, name: str, tmp_path: Path
) -> None:
    says = person.says
    says(f"keypair create --private-key {tmp_path}/key {name}")
    group = says.shows(f"server group create {name} --policy affinity")
    (tmp_path / "data").write_text("#!/bin/sh\n")
    made = says.shows(
        f"server create {name} --image {image} --flavor m1.nano --network {network} --key-name {name} --min 2 --max 2 "
        f"--security-group default --user-data {tmp_path}/data --use-config-drive --availability-zone nova "
        f"--hint group={group['id']} --wait"
    )
    assert (made["key_name"], bool(made["config_drive"])) == (name, True)
    assert sorted(says.column("server list", "Name")) == [f"{name}-1", f"{name}-2"]
    assert len(says.shows(f"server group show {name}")["members"]) == 2
    says(f"server delete --wait {name}-1 {name}-2")


def test_an_administrator_says_where_and_with_which_port(admin: Openstack, image: str, name: str) -> None:
    admin(f"network create {name}")
    admin(f"subnet create {name} --network {name} --subnet-range 10.0.0.0/24")
    admin(f"port create {name} --network {name}")
    create = f"server create --image {image} --flavor m1.nano"
    admin(f"{create} {name} --port {name} --host h1")
    admin(f"{create} {name}2 --nic none --availability-zone nova:h1 --os-compute-api-version 2.37")
    for each in (name, f"{name}2"):
        until(admin, f"server show {each}", "status", "ACTIVE")
        assert admin.shows(f"server show {each}")["OS-EXT-SRV-ATTR:host"] == "h1"
    assert list(admin.shows(f"server show {name}")["addresses"]) == [name]
    assert "could not be found" in admin.is_refused(f"{create} {name}3 --nic none --host nowhere")
    admin(f"server delete --wait {name} {name}2")
    admin(f"port delete {name}")
    admin(f"network delete {name}")


def test_a_server_runs_from_a_volume(person: Person, image: str, network: str, name: str) -> None:
    says = person.says
    words = f"--image {image} --boot-from-volume 1 --flavor m1.nano --network {network} --wait"
    made = says.shows(f"server create {name} {words}")
    assert [each["delete_on_termination"] for each in made["volumes_attached"]] == [False]
    (volume,) = says.shows("volume list")
    assert volume["Status"] == "in-use"
    says(f"server delete --wait {name}")
    until(says, f"volume show {volume['ID']}", "status", "available")
    says(f"volume delete {volume['ID']}")
