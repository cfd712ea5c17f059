"""openstacksdk about networks, subnets, ports, routers, floating IPs, security groups, quotas and agents."""

from __future__ import annotations

import pytest
from openstack.connection import Connection
from openstack.exceptions import ConflictException, NotFoundException

from clients.conftest import PHYSICAL, Person
from support.sdk import ITS_OWN_WARNINGS

pytestmark = ITS_OWN_WARNINGS


def test_a_network_its_subnets_and_its_ports(mine: Connection, name: str) -> None:
    cloud = mine.network
    network = cloud.create_network(name=name, mtu=1400)
    subnet = cloud.create_subnet(
        network_id=network.id,
        ip_version=4,
        cidr="10.0.0.0/24",
        gateway_ip="10.0.0.254",
        allocation_pools=[{"start": "10.0.0.10", "end": "10.0.0.20"}],
        dns_nameservers=["10.0.0.2"],
        host_routes=[{"destination": "10.9.0.0/24", "nexthop": "10.0.0.9"}],
    )
    sixth = cloud.create_subnet(
        network_id=network.id, ip_version=6, cidr="fd00::/64", ipv6_address_mode="slaac", ipv6_ra_mode="slaac"
    )
    assert (cloud.get_network(network).mtu, sixth.ipv6_ra_mode) == (1400, "slaac")
    assert set(cloud.get_network(network).subnet_ids) == {subnet.id, sixth.id}
    port = cloud.create_port(name=name, network_id=network.id, fixed_ips=[{"ip_address": "10.0.0.15"}])
    assert {fixed["subnet_id"] for fixed in port.fixed_ips} >= {subnet.id}
    assert cloud.find_port(name).mac_address == port.mac_address
    changed = cloud.update_port(port, security_groups=[], port_security_enabled=False)
    assert (changed.security_group_ids, changed.is_port_security_enabled) == ([], False)
    assert cloud.update_subnet(subnet, dns_nameservers=["10.0.0.3"]).dns_nameservers == ["10.0.0.3"]
    with pytest.raises(ConflictException):
        cloud.delete_network(network)
    cloud.delete_port(port)
    for each in (subnet, sixth):
        cloud.delete_subnet(each)
    cloud.delete_network(network)
    with pytest.raises(NotFoundException):
        cloud.get_network(network)


def test_many_at_once_and_page_by_page(mine: Connection, name: str) -> None:
    cloud = mine.network
    network = cloud.create_network(name=name)
    bodies = [{"name": f"{name}-{n}", "network_id": network.id, "description": name} for n in range(5)]
    made = list(cloud.create_ports(bodies))
    paged = cloud.ports(description=name, limit=2, sort_key="name", sort_dir="desc")
    assert [port.name for port in paged] == [f"{name}-{n}" for n in (4, 3, 2, 1, 0)]
    (only,) = cloud.ports(name=f"{name}-3", fields=["id"])
    assert (only.id, only.name) == (made[3].id, None)
    for port in made:
        cloud.delete_port(port)
    cloud.delete_network(network)


def test_a_router_and_a_floating_ip(mine: Connection, sdk: Connection, name: str) -> None:
    outside = sdk.network.create_network(name=f"{name}-out", is_router_external=True)
    sdk.network.create_subnet(network_id=outside.id, ip_version=4, cidr="198.51.100.0/24", is_dhcp_enabled=False)
    cloud = mine.network
    network = cloud.create_network(name=name)
    subnet = cloud.create_subnet(network_id=network.id, ip_version=4, cidr="10.0.0.0/24")
    router = cloud.create_router(name=name, external_gateway_info={"network_id": outside.id})
    assert router.external_gateway_info["enable_snat"] is True
    plain = {"network_id": outside.id, "enable_snat": False}
    assert sdk.network.update_router(router, external_gateway_info=plain).external_gateway_info["enable_snat"] is False
    cloud.add_interface_to_router(router, subnet_id=subnet.id)
    port = cloud.create_port(name=name, network_id=network.id)
    floating = cloud.create_ip(floating_network_id=outside.id, port_id=port.id)
    assert floating.fixed_ip_address == port.fixed_ips[0]["ip_address"]
    assert cloud.find_ip(floating.floating_ip_address).router_id == router.id
    assert cloud.update_ip(floating, port_id=None).port_id is None
    cloud.delete_ip(floating)
    cloud.delete_port(port)
    cloud.remove_interface_from_router(router, subnet_id=subnet.id)
    assert cloud.update_router(router, external_gateway_info={}).external_gateway_info is None
    cloud.delete_router(router)
    cloud.delete_network(network)
    sdk.network.delete_network(outside)


def test_a_security_group_and_its_rules(mine: Connection, name: str) -> None:
    cloud = mine.network
    group = cloud.create_security_group(name=name, description="of the web")
    assert len(group.security_group_rules) == 2, "what goes out, of both versions"
    rule = cloud.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22
    )
    assert rule.id in {each.id for each in cloud.security_group_rules(security_group_id=group.id)}
    with pytest.raises(ConflictException):
        cloud.create_security_group_rule(
            security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22
        )
    cloud.delete_security_group_rule(rule)
    assert cloud.update_security_group(group, description="changed").description == "changed"
    cloud.delete_security_group(group)
    assert cloud.find_security_group(name) is None


def test_what_administrators_see_and_set(mine: Connection, sdk: Connection, person: Person, name: str) -> None:
    cloud = sdk.network
    shared = cloud.create_network(name=name, is_shared=True, provider_network_type="geneve")
    assert mine.network.get_network(shared).is_shared is True
    cloud.delete_network(shared)
    flat = cloud.create_network(
        name=name,
        provider_network_type="flat",
        provider_physical_network=PHYSICAL,
        is_router_external=True,
        is_port_security_enabled=False,
    )
    port = cloud.create_port(network_id=flat.id, binding_host_id="h1", binding_vnic_type="normal")
    assert (port.binding_host_id, port.binding_vif_type, port.is_port_security_enabled) == ("h1", "ovs", False)
    cloud.delete_port(port)
    cloud.delete_network(flat)
    cloud.update_quota(person.project_id, networks=1)
    assert cloud.get_quota(person.project_id, details=True).networks["limit"] == 1
    kept = mine.network.create_network(name=name)
    with pytest.raises(ConflictException, match="Quota exceeded"):
        mine.network.create_network(name=name)
    mine.network.delete_network(kept)
    cloud.delete_quota(person.project_id)
    assert "OVN Controller agent" in {agent.agent_type for agent in cloud.agents()}
    assert {"router", "security-group", "quotas"} <= {extension.alias for extension in cloud.extensions()}
