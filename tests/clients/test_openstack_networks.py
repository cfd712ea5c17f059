"""openstackclient and openstacksdk about networks, subnets, ports and quotas."""

from __future__ import annotations

from clients.conftest import Openstack, Person


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
    assert admin.column("availability zone list --network", "Zone Name") == ["default", "default"]
    assert admin.shows(f"ip availability show {name}")["network_name"] == name
    admin(f"network delete {name}")
