"""openstackclient about security groups, routers, floating IPs, and what projects share."""

from __future__ import annotations

from clients.conftest import Openstack, Person


def test_a_security_group_and_its_rules(admin: Openstack, person: Person, name: str) -> None:
    says = person.says
    made = says.shows(f"security group create {name} --description 'of the web' --tag blue --stateful")
    assert (made["name"], made["description"], made["stateful"]) == (name, "of the web", True)
    assert sorted(says.column("security group list", "Name")) == sorted(["default", name])
    ssh = says.shows(f"security group rule create {name} --protocol tcp --dst-port 22 --remote-ip 10.0.0.0/8")
    assert (ssh["protocol"], ssh["port_range_min"], ssh["remote_ip_prefix"]) == ("tcp", 22, "10.0.0.0/8")
    ping = says.shows(f"security group rule create {name} --protocol icmp --icmp-type 8 --ingress")
    inside = says.shows(f"security group rule create {name} --protocol udp --remote-group {name} --ethertype IPv6")
    assert inside["remote_group_id"] == made["id"]
    ids = says.column(f"security group rule list {name}", "ID")
    assert {ssh["id"], ping["id"], inside["id"]} < set(ids)
    assert says.shows(f"security group rule show {ssh['id']}")["security_group_id"] == made["id"]
    assert "already exists" in says.is_refused(
        f"security group rule create {name} --protocol tcp --dst-port 22 --remote-ip 10.0.0.0/8"
    )
    says(f"security group rule delete {ping['id']}")
    says(f"security group set {name} --name {name}x --description changed")
    says(f"security group unset {name}x --all-tag")
    assert says.shows(f"security group show {name}x")["description"] == "changed"
    says(f"security group delete {name}x")
    assert says.column("security group list", "Name") == ["default"]


def test_an_address_group_in_a_rule(admin: Openstack, person: Person, name: str) -> None:
    says = person.says
    made = says.shows(f"address group create {name} --address 10.0.0.0/8 --address 192.0.2.7")
    assert sorted(made["addresses"]) == ["10.0.0.0/8", "192.0.2.7/32"]
    rule = says.shows(f"security group rule create default --protocol tcp --dst-port 80 --remote-address-group {name}")
    assert rule["remote_address_group_id"] == made["id"]
    says(f"address group set {name} --address 198.51.100.0/24 --name {name}x")
    says(f"address group unset {name}x --address 10.0.0.0/8")
    assert len(says.shows(f"address group show {name}x")["addresses"]) == 2
    assert "in use" in says.is_refused(f"address group delete {name}x")
    says(f"security group rule delete {rule['id']}")
    says(f"address group delete {name}x")


def test_a_router_from_the_inside_to_the_outside(admin: Openstack, person: Person, name: str) -> None:
    """And a floating IP that stands for a port."""
    says = person.says
    admin(f"network create {name}-out --external --share")
    admin(f"subnet create {name}-out --network {name}-out --subnet-range 203.0.113.0/24 --no-dhcp")
    says(f"network create {name}")
    says(f"subnet create {name} --network {name} --subnet-range 10.0.0.0/24")
    made = says.shows(f"router create {name} --description 'of the web'")
    assert (made["status"], made["external_gateway_info"]) == ("ACTIVE", None)
    says(f"router add subnet {name} {name}")
    says(f"router set {name} --external-gateway {name}-out --route destination=192.168.0.0/24,gateway=10.0.0.9")
    shown = says.shows(f"router show {name}")
    assert shown["external_gateway_info"]["enable_snat"] is True
    assert shown["routes"] == [{"destination": "192.168.0.0/24", "nexthop": "10.0.0.9"}]
    assert len(shown["interfaces_info"]) == 1
    says(f"router add route {name} --route destination=192.168.1.0/24,gateway=10.0.0.9")
    says(f"router remove route {name} --route destination=192.168.1.0/24,gateway=10.0.0.9")
    assert name in says.column("router list", "Name")
    says(f"port create {name} --network {name} --security-group default")
    floating = says.shows(f"floating ip create {name}-out --description web")
    address = floating["floating_ip_address"]
    says(f"floating ip set {address} --port {name}")
    assert says.shows(f"floating ip show {address}")["port_id"] == says.shows(f"port show {name}")["id"]
    assert says.column("floating ip list", "Floating IP Address") == [address]
    assert "required by one or more floating IPs" in says.is_refused(f"router remove subnet {name} {name}")
    says(f"floating ip unset {address} --port")
    says(f"floating ip delete {address}")
    admin(f"router set {made['id']} --disable-snat --external-gateway {name}-out")
    assert says.shows(f"router show {name}")["external_gateway_info"]["enable_snat"] is False
    says(f"router set {name} --no-route")
    says(f"router unset {name} --external-gateway")
    says(f"router remove subnet {name} {name}")
    says(f"router add subnet {name} {name}")
    assert "still attached" in says.is_refused(f"router delete {name}")
    says(f"router remove subnet {name} {name}")
    says(f"router delete {name}")
    says(f"port delete {name}")
    admin(f"network delete {name}-out")  # or another test's client would take it for the way out


def test_a_port_becomes_a_leg_of_a_router(admin: Openstack, person: Person, name: str) -> None:
    says = person.says
    says(f"network create {name}")
    says(f"subnet create {name} --network {name} --subnet-range 10.0.0.0/24")
    says(f"port create {name} --network {name}")
    says(f"router create {name} --disable")
    says(f"router add port {name} {name}")
    assert says.shows(f"port show {name}")["device_owner"] == "network:router_interface"
    says(f"router remove port {name} {name}")
    says(f"router delete {name}")


def test_a_network_is_shared_by_a_policy(admin: Openstack, person: Person, name: str) -> None:
    admin(f"network create {name}")
    assert name not in person.says.column("network list", "Name")
    made = admin.shows(
        f"network rbac create {name} --type network --action access_as_shared --target-project {person.project_id}"
    )
    assert name in person.says.column("network list", "Name")
    assert made["id"] in admin.column("network rbac list", "ID")
    assert admin.shows(f"network rbac show {made['id']}")["target_project_id"] == person.project_id
    admin(f"network rbac set {made['id']} --target-project admin")
    assert name not in person.says.column("network list", "Name")
    admin(f"network rbac delete {made['id']}")


def test_an_address_scope(admin: Openstack, name: str) -> None:
    made = admin.shows(f"address scope create {name} --ip-version 6 --share")
    assert (made["ip_version"], made["shared"]) == (6, True)
    admin(f"address scope set {name} --name {name}x")
    assert f"{name}x" in admin.column("address scope list --ip-version 6", "Name")
    admin(f"address scope delete {name}x")
