"""openstackclient and openstacksdk about networks, subnets, ports and quotas."""

from __future__ import annotations

import pytest

from clients.conftest import PHYSICAL, Openstack, Person


def test_a_network_with_a_subnet_and_a_port(admin: Openstack, person: Person, name: str) -> None:
    says = person.says
    network = says.shows(f"network create {name} --description 'of the shop' --tag blue")
    assert (network["name"], network["status"], network["tags"]) == (name, "ACTIVE", ["blue"])
    pool = "--allocation-pool start=10.0.0.10,end=10.0.0.20 --dns-nameserver 10.0.0.2 --gateway 10.0.0.1"
    subnet = says.shows(f"subnet create {name} --network {name} --subnet-range 10.0.0.0/24 {pool}")
    assert subnet["allocation_pools"] == [{"start": "10.0.0.10", "end": "10.0.0.20"}]
    fixed = f"--fixed-ip subnet={name},ip-address=10.0.0.77"
    port = says.shows(f"port create {name} --network {name} {fixed} --description first")
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.77"}]
    assert says.column(f"port list --network {name} --fixed-ip ip-address=10.0.0.77", "Name") == [name]
    says(f"port set {name} --name {name}x --allowed-address ip-address=10.0.0.78 --disable")
    assert says.shows(f"port show {name}x")["status"] == "DOWN"
    says(f"subnet set {name} --dns-nameserver 10.0.0.3 --host-route destination=10.9.0.0/24,gateway=10.0.0.9")
    assert len(says.shows(f"subnet show {name}")["host_routes"]) == 1
    says(f"network set {name} --name {name}x --disable")
    says(f"network unset {name}x --all-tag")
    assert says.shows(f"network show {name}x")["tags"] == []
    assert "in use" in says.is_refused(f"network delete {name}x")
    says(f"port delete {name}x")
    says(f"subnet delete {name}")
    says(f"network delete {name}x")
    assert f"{name}x" not in says.column("network list", "Name")


def test_what_administrators_see(admin: Openstack, person: Person, name: str) -> None:
    made = admin.shows(f"network create {name} --share --provider-network-type geneve")
    assert (made["provider:network_type"], made["shared"]) == ("geneve", True)
    assert name in person.says.column("network list", "Name")
    assert "OVN Controller agent" in admin.column("network agent list", "Agent Type")
    assert "provider" in admin.column("extension list --network", "Alias")
    assert admin.shows("extension show provider")["name"] == "Provider Network"
    assert admin.column("availability zone list --network", "Zone Name") == ["default", "default"]
    assert admin.shows(f"ip availability show {name}")["network_name"] == name
    admin(f"network delete {name}")


def test_a_network_is_a_physical_one(admin: Openstack, person: Person, name: str) -> None:
    flat = f"--provider-network-type flat --provider-physical-network {PHYSICAL}"
    made = admin.shows(f"network create {name} --external {flat}")
    assert (made["provider:network_type"], made["provider:physical_network"]) == ("flat", PHYSICAL)
    assert name in person.says.column("network list --external", "Name")
    assert admin.column(f"network list {flat} --name {name} --long", "Network Type") == ["flat"]
    assert "is in use" in admin.is_refused(f"network create {name} {flat}")
    admin(f"network delete {name}")


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateless", "dhcpv6-stateful"])
def test_a_subnet_of_ipv6(person: Person, name: str, mode: str) -> None:
    says = person.says
    says(f"network create {name}")
    modes = f"--ipv6-ra-mode {mode} --ipv6-address-mode {mode}"
    made = says.shows(f"subnet create {name} --network {name} --ip-version 6 --subnet-range fd00::/64 {modes}")
    assert (made["ipv6_ra_mode"], made["ipv6_address_mode"]) == (mode, mode)
    assert says.column(f"subnet list --ip-version 6 --network {name} --long", "Name") == [name]
    (fixed,) = says.shows(f"port create {name} --network {name} --mac-address fa:16:3e:00:00:07")["fixed_ips"]
    assert (fixed["ip_address"] == "fd00::f816:3eff:fe00:7") == (mode != "dhcpv6-stateful")
    says(f"port delete {name}")
    says(f"network delete {name}")


def test_what_a_port_lets_through(admin: Openstack, person: Person, name: str) -> None:
    says = person.says
    says(f"network create {name} --disable-port-security")
    says(f"security group create {name}")
    assert says.shows(f"port create {name}-open --network {name}")["port_security_enabled"] is False
    made = says.shows(f"port create {name} --network {name} --enable-port-security --security-group {name}")
    assert made["security_group_ids"] == [says.shows(f"security group show {name}")["id"]]
    says(f"port set {name} --no-security-group --disable-port-security")
    shown = says.shows(f"port show {name}")
    assert (shown["security_group_ids"], shown["port_security_enabled"]) == ([], False)
    admin(f"port set {made['id']} --host h1")
    shown = admin.shows(f"port show {made['id']}")
    assert (shown["binding_host_id"], shown["binding_vif_type"]) == ("h1", "ovs")
    says(f"port delete {name} {name}-open")
    says(f"security group delete {name}")
    says(f"network delete {name}")


def test_quotas_of_a_project(admin: Openstack, person: Person, name: str) -> None:
    admin(f"quota set --networks 1 --ports 7 {name}")
    shown = {row["Resource"]: row["Limit"] for row in admin.shows(f"quota show --network {name}")}
    assert (shown["networks"], shown["ports"]) == (1, 7)
    person.says(f"network create {name}")
    used = {row["Resource"]: row["In Use"] for row in admin.shows(f"quota show --network --usage {name}")}
    assert used["networks"] == 1
    assert "Quota exceeded" in person.says.is_refused(f"network create {name}")
    admin(f"quota delete --network {name}")
    assert {row["Resource"]: row["Limit"] for row in admin.shows(f"quota show --network {name}")}["ports"] == 500
    person.says(f"network delete {name}")
