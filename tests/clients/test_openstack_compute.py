"""openstackclient about what Compute has beside servers: flavors, key pairs, groups, hosts and their aggregates, quotas."""

from __future__ import annotations

from pathlib import Path

from clients.conftest import Openstack, Person
from support.computed import PUBLIC_KEY


def test_a_flavor_from_its_birth_to_its_end(admin: Openstack, person: Person, name: str) -> None:
    words = "--id auto --ram 128 --disk 1 --vcpus 1 --ephemeral 2 --swap 64 --private --description small"
    made = admin.shows(f"flavor create {name} {words} --property hw:cpu_policy=shared")
    assert (made["ram"], made["disk"], made["OS-FLV-EXT-DATA:ephemeral"], made["swap"]) == (128, 1, 2, 64)
    assert made["properties"] == {"hw:cpu_policy": "shared"}
    assert name not in person.says.column("flavor list", "Name")
    admin(f"flavor set {name} --project {person.project_id} --property hw:numa_nodes=1 --description tiny")
    assert name in person.says.column("flavor list", "Name")
    shown = admin.shows(f"flavor show {name}")
    assert (shown["description"], shown["access_project_ids"]) == ("tiny", [person.project_id])
    assert shown["properties"] == {"hw:cpu_policy": "shared", "hw:numa_nodes": "1"}
    admin(f"flavor unset {name} --project {person.project_id} --property hw:numa_nodes")
    assert name not in person.says.column("flavor list", "Name")
    assert name in admin.column("flavor list --all --long", "Name")
    assert "400" in admin.is_refused(f"--os-compute-api-version 2.86 flavor set {name} --property hw:cpu_policy=maybe")
    admin(f"flavor delete {name}")
    assert "No Flavor found" in admin.is_refused(f"flavor show {name}")
    assert "403" in person.says.is_refused(f"flavor create {name} --ram 1 --disk 1 --vcpus 1")


def test_the_flavors_that_everybody_expects(person: Person) -> None:
    assert person.says.column("flavor list --min-ram 4096 --limit 2", "Name") == ["m1.medium", "m1.large"]
    assert person.says.shows("flavor show m1.nano")["ram"] == 192


def test_a_key_pair_from_its_birth_to_its_end(person: Person, name: str, tmp_path: Path) -> None:
    says = person.says
    (tmp_path / "key.pub").write_text(PUBLIC_KEY)
    made = says.shows(f"keypair create --public-key {tmp_path}/key.pub {name}")
    assert (made["name"], made["user_id"]) == (name, person.user_id)
    assert name in says.column("keypair list", "Name")
    assert says(f"keypair show --public-key {name}").strip() == PUBLIC_KEY
    says(f"keypair create --private-key {tmp_path}/own {name}2")
    assert "PRIVATE KEY" in (tmp_path / "own").read_text()
    says(f"keypair delete {name} {name}2")
    assert f"No Keypair found for {name}" in says.is_refused(f"keypair show {name}")


def test_a_key_pair_of_somebody_else(admin: Openstack, person: Person, name: str, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(PUBLIC_KEY)
    admin(f"keypair create --public-key {tmp_path}/key.pub --user {person.user_id} {name}")
    assert name in person.says.column("keypair list", "Name")
    assert name in admin.column(f"keypair list --user {person.user_id}", "Name")
    admin(f"keypair delete --user {person.user_id} {name}")
    assert name not in person.says.column("keypair list", "Name")


def test_a_server_group_from_its_birth_to_its_end(admin: Openstack, person: Person, name: str) -> None:
    says = person.says
    made = says.shows(f"server group create {name} --policy anti-affinity --rule max_server_per_host=2")
    assert (made["policy"], made["rules"]) == ("anti-affinity", {"max_server_per_host": 2})
    assert says.shows(f"--os-compute-api-version 2.15 server group show {name}")["policies"] == ["anti-affinity"]
    assert name in says.column("server group list --long", "Name")
    assert name in admin.column("server group list --all-projects", "Name")
    says(f"server group delete {name}")
    assert name not in says.column("server group list", "Name")


def test_an_aggregate_makes_a_zone(admin: Openstack, person: Person, name: str) -> None:
    made = admin.shows(f"aggregate create {name} --zone {name} --property ssd=true")
    assert (made["availability_zone"], made["properties"]) == (name, {"availability_zone": name, "ssd": "true"})
    added = admin.shows(f"aggregate add host {name} h1")
    assert added["hosts"] == ["h1"]
    assert name in person.says.column("availability zone list --compute", "Zone Name")
    assert {"h1"} == set(admin.column("compute service list --service nova-compute --host h1", "Host"))
    admin(f"aggregate set {name} --name {name}x --property ssd=false --property gpu=no")
    assert admin.shows(f"aggregate show {name}x")["properties"]["gpu"] == "no"
    admin(f"aggregate unset {name}x --property gpu")
    assert name in [row["Availability Zone"] for row in admin.shows("aggregate list --long")]
    assert "400" in admin.is_refused(f"aggregate delete {name}x")
    admin(f"aggregate remove host {name}x h1")
    admin(f"aggregate delete {name}x")
    assert name not in person.says.column("availability zone list --compute", "Zone Name")


def test_hosts_and_their_services(admin: Openstack, person: Person) -> None:
    assert "h1" in admin.column("hypervisor list --long", "Hypervisor Hostname")
    shown = admin.shows("hypervisor show h1")
    assert (shown["state"], shown["status"], shown["service_host"]) == ("up", "enabled", "h1")
    assert admin.shows("hypervisor stats show")["count"] >= 1
    assert admin.column("host list", "Host Name") == ["h1"]
    admin("compute service set --disable --disable-reason mending h1 nova-compute")
    (row,) = admin.shows("compute service list --long")
    assert (row["Status"], row["Disabled Reason"]) == ("disabled", "mending")
    admin("compute service set --enable h1 nova-compute")
    admin("compute service set --down h1 nova-compute")
    assert admin.column("compute service list", "State") == ["down"]
    admin("compute service set --up h1 nova-compute")
    assert admin.column("compute service list", "State") == ["up"]
    assert "403" in person.says.is_refused("hypervisor list")


def test_quotas_of_a_project(admin: Openstack, person: Person) -> None:
    admin(f"quota set --cores 7 --instances -1 {person.name}")
    shown = {row["Resource"]: row["Limit"] for row in person.says.shows("quota show --compute")}
    assert (shown["cores"], shown["instances"], shown["ram"]) == (7, -1, 51200)
    used = {row["Resource"]: row["In Use"] for row in person.says.shows("quota show --compute --usage")}
    assert used["cores"] == 0
    limits = {row["Name"]: row["Value"] for row in person.says.shows("limits show --absolute")}
    assert (limits["total_cores"], limits["total_cores_used"]) == (7, 0)
    admin(f"quota delete --compute {person.name}")
    shown = {row["Resource"]: row["Limit"] for row in admin.shows(f"quota show --compute {person.name}")}
    assert shown["cores"] == 20


def test_usage_of_nothing(admin: Openstack, person: Person) -> None:
    assert person.project_id not in admin.column("usage list", "Project")
    assert admin.shows(f"usage show --project {person.name}")
