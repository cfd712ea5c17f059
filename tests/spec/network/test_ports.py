"""/v2.0/ports"""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from pileus.kernel.errors import NotFound
from pileus.services.network.ports import service
from pileus.services.network.ports.api import one_shown, shown
from support.cloud import RunningCloud
from support.networks import ROOT, error, made, network, port, told

PORTS = "/network/v2.0/ports"


async def test_one_is_made_shown_changed_and_deleted(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network_id, subnet_id = await network(member)
    new = await port(member, network_id, name="eth0", dns_name="web", tags=["blue"])
    assert new["mac_address"].startswith("fa:16:3e:")
    assert new == {
        "id": new["id"],
        "name": "eth0",
        "description": "",
        "network_id": network_id,
        "mac_address": new["mac_address"],
        "admin_state_up": True,
        "status": "DOWN",
        "device_id": "",
        "device_owner": "",
        "fixed_ips": [{"subnet_id": subnet_id, "ip_address": "10.0.0.3"}],
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "security_groups": new["security_groups"],
        "port_security_enabled": True,
        "binding:vnic_type": "normal",
        "qos_policy_id": None,
        "qos_network_policy_id": None,
        "dns_name": "web",
        "dns_domain": "",
        "dns_assignment": [{"ip_address": "10.0.0.3", "hostname": "web", "fqdn": "web.openstacklocal."}],
        "tags": ["blue"],
        "created_at": "2100-01-01T00:00:00Z",
        "updated_at": "2100-01-01T00:00:00Z",
        "revision_number": 1,
        "project_id": member.project_id,
        "tenant_id": member.project_id,
    }
    url = f"{PORTS}/{new['id']}"
    assert (await member.get(url)).json() == {"port": new}
    changed = await member.put(url, json={"port": {"name": "eth1", "device_id": "vm"}})
    assert changed.json()["port"] == {**new, "name": "eth1", "device_id": "vm", "revision_number": 2}
    assert (await member.delete(url)).status_code == 204
    assert error(await member.get(url))[:2] == (404, "PortNotFound")


async def test_it_is_up_when_it_is_bound(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    new = await port(cloud, network_id)
    assert (new["binding:vif_type"], new["binding:host_id"], new["status"]) == ("unbound", "", "DOWN")
    await cloud.settle()
    url = f"{PORTS}/{new['id']}"
    bound = (await cloud.put(url, json={"port": {"binding:host_id": "h1"}})).json()["port"]
    assert (bound["binding:vif_type"], bound["binding:vif_details"]["bridge_name"]) == ("ovs", "br-int")
    await cloud.settle()
    assert (await cloud.get(url)).json()["port"]["status"] == "ACTIVE"
    assert told(cloud, "ports", new["id"])["host"] == "h1"
    await cloud.put(url, json={"port": {"admin_state_up": False}})
    await cloud.settle()
    assert (await cloud.get(url)).json()["port"]["status"] == "DOWN"
    assert error(await cloud.put(url, json={"port": {"mac_address": "fa:16:3e:00:00:01"}}))[1] == "PortBound"


async def test_its_address_is_another_s_when_it_is_gone(cloud: RunningCloud) -> None:
    """The overlay knows of the new one only after it has forgotten the old one."""
    network_id, _ = await network(cloud)
    fixed = {"fixed_ips": [{"ip_address": "10.0.0.9"}], "mac_address": "fa:16:3e:00:00:09"}
    old = await port(cloud, network_id, **fixed)
    taken = await cloud.post(f"{PORTS}", json={"port": {"network_id": network_id, "fixed_ips": fixed["fixed_ips"]}})
    assert error(taken)[:2] == (409, "IpAddressAlreadyAllocated")
    again = {"network_id": network_id, "mac_address": fixed["mac_address"]}
    assert error(await cloud.post(f"{PORTS}", json={"port": again}))[:2] == (409, "MacAddressInUse")
    await cloud.settle()
    assert (await cloud.delete(f"{PORTS}/{old['id']}")).status_code == 204
    new = await port(cloud, network_id, **fixed)
    assert new["fixed_ips"] == [{"subnet_id": new["fixed_ips"][0]["subnet_id"], "ip_address": "10.0.0.9"}]
    await cloud.settle()
    assert told(cloud, "ports", old["id"]) is None
    assert told(cloud, "ports", new["id"])["fixed"][0]["address"] == "10.0.0.9"


async def test_addresses_are_given_until_there_are_none(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud, "10.0.0.0/29")  # six hosts: the gateway, the metadata, and four
    many = await cloud.post(f"{PORTS}", json={"ports": [{"network_id": network_id}] * 4})
    assert [each["fixed_ips"][0]["ip_address"] for each in many.json()["ports"]] == [
        "10.0.0.3",
        "10.0.0.4",
        "10.0.0.5",
        "10.0.0.6",
    ]
    full = await cloud.post(f"{PORTS}", json={"port": {"network_id": network_id}})
    assert error(full)[:2] == (409, "IpAddressGenerationFailure")
    assert (await port(cloud, network_id, fixed_ips=[]))["fixed_ips"] == []


async def test_several_subnets(cloud: RunningCloud) -> None:
    network_id, first = await network(cloud, "10.0.0.0/30")  # room for the gateway and the metadata
    wanted = {"network_id": network_id, "ip_version": 4, "cidr": "10.1.0.0/24"}
    second = (await made(cloud, f"{ROOT}/subnets", "subnet", wanted))["id"]
    new = await port(cloud, network_id)
    assert [each["subnet_id"] for each in new["fixed_ips"]] == [second]
    both = [{"subnet_id": second}, {"subnet_id": second, "ip_address": "10.1.0.77"}]
    given = (await port(cloud, network_id, fixed_ips=both))["fixed_ips"]
    assert given == [{"subnet_id": second, "ip_address": "10.1.0.4"}, {"subnet_id": second, "ip_address": "10.1.0.77"}]
    (behind,) = (await port(cloud, network_id))["fixed_ips"]
    assert behind["ip_address"] == "10.1.0.78", "none is soon used again"
    changed = await cloud.put(f"{PORTS}/{new['id']}", json={"port": {"fixed_ips": [{"ip_address": "10.1.0.88"}]}})
    assert changed.json()["port"]["fixed_ips"] == [{"subnet_id": second, "ip_address": "10.1.0.88"}]
    full = await cloud.post(f"{PORTS}", json={"port": {"network_id": network_id, "fixed_ips": [{"subnet_id": first}]}})
    assert error(full)[1] == "IpAddressGenerationFailure"


async def test_ipv6_addresses_that_devices_give_themselves(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    before = await port(cloud, network_id, mac_address="fa:16:3e:00:00:01")
    slaac = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    wanted = {"network_id": network_id, "ip_version": 6, "cidr": "fd00::/64", **slaac}
    subnet_id = (await made(cloud, f"{ROOT}/subnets", "subnet", wanted))["id"]
    url = f"{PORTS}/{before['id']}"
    own = {"subnet_id": subnet_id, "ip_address": "fd00::f816:3eff:fe00:1"}
    assert (await cloud.get(url)).json()["port"]["fixed_ips"] == [*before["fixed_ips"], own]
    new = await port(cloud, network_id, mac_address="fa:16:3e:00:00:02")
    assert new["fixed_ips"][1]["ip_address"] == "fd00::f816:3eff:fe00:2"
    chosen = {"network_id": network_id, "fixed_ips": [{"ip_address": "fd00::5"}]}
    assert error(await cloud.post(f"{PORTS}", json={"port": chosen}))[:2] == (400, "AllocationOnAutoAddressSubnet")
    moved = await cloud.put(url, json={"port": {"mac_address": "fa:16:3e:00:00:03"}})
    assert moved.json()["port"]["fixed_ips"][1]["ip_address"] == "fd00::f816:3eff:fe00:3"
    assert (await cloud.delete(f"{ROOT}/subnets/{subnet_id}")).status_code == 204
    assert (await cloud.get(url)).json()["port"]["fixed_ips"] == before["fixed_ips"]


async def test_ipv6_addresses_that_are_chosen(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud, "fd00::/64")
    assert [each["ip_address"] for each in (await port(cloud, network_id))["fixed_ips"]] == ["fd00::2"]


WRONG: list[tuple[dict[str, Any], int, str]] = [
    ({"fixed_ips": [{"ip_address": "10.9.0.1"}]}, 400, "InvalidIpForNetwork"),
    ({"fixed_ips": [{"ip_address": "10.0.0.255"}]}, 400, "InvalidIpForSubnet"),
    ({"fixed_ips": [{}]}, 400, "InvalidInput"),
    ({"fixed_ips": [{"subnet_id": "00000000-0000-4000-8000-000000000000"}]}, 400, "InvalidInput"),
    ({"fixed_ips": [{"ip_address": "10.0.0.7"}, {"ip_address": "10.0.0.7"}]}, 400, "InvalidInput"),
    ({"fixed_ips": [{"ip_address": "ten"}]}, 400, "HTTPBadRequest"),
    ({"mac_address": "fa:16:3e"}, 400, "HTTPBadRequest"),
    ({"mac_address": "01:00:5e:00:00:01"}, 400, "HTTPBadRequest"),
    ({"binding:vnic_type": "thick"}, 400, "HTTPBadRequest"),
    ({"allowed_address_pairs": [{"ip_address": "ten"}]}, 400, "HTTPBadRequest"),
    ({"allowed_address_pairs": [{"ip_address": "10.0.0.9"}] * 2}, 400, "HTTPBadRequest"),
    ({"allowed_address_pairs": [{"ip_address": f"10.0.0.{n}"} for n in range(11)]}, 400, "AllowedAddressPairExhausted"),
    (
        {"port_security_enabled": False, "allowed_address_pairs": [{"ip_address": "10.0.0.9"}]},
        409,
        "AddressPairAndPortSecurityRequired",
    ),
    ({"extra_dhcp_opts": [{"opt_name": "mtu"}]}, 400, "HTTPBadRequest"),
    ({"extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1\nx"}]}, 400, "HTTPBadRequest"),
    ({"dns_name": "-a"}, 400, "HTTPBadRequest"),
    ({"nonsense": True}, 400, "HTTPBadRequest"),
    ({"network_id": "00000000-0000-4000-8000-000000000000"}, 404, "NetworkNotFound"),
]


@pytest.mark.parametrize(("body", "status", "kind"), WRONG, ids=lambda value: str(value)[:60])
async def test_what_is_no_port_is_refused(cloud: RunningCloud, body: dict[str, Any], status: int, kind: str) -> None:
    network_id, _ = await network(cloud)
    assert error(await cloud.post(f"{PORTS}", json={"port": {"network_id": network_id, **body}}))[:2] == (status, kind)


async def test_pairs_and_options_are_kept(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    pairs = [{"ip_address": "10.0.0.128/25"}, {"ip_address": "10.0.0.9", "mac_address": "FA:16:3E:00:00:09"}]
    options = [{"opt_name": "bootfile-name", "opt_value": "pxe.0"}, {"opt_name": "mtu", "opt_value": "1400"}]
    new = await port(cloud, network_id, allowed_address_pairs=pairs, extra_dhcp_opts=options)
    assert new["allowed_address_pairs"] == [
        {"ip_address": "10.0.0.128/25", "mac_address": new["mac_address"]},
        {"ip_address": "10.0.0.9", "mac_address": "fa:16:3e:00:00:09"},
    ]
    assert new["extra_dhcp_opts"] == [{**each, "ip_version": 4} for each in options]
    await cloud.settle()
    seen = told(cloud, "ports", new["id"])
    assert seen["allowed_pairs"] == [["10.0.0.128/25", None], ["10.0.0.9", "fa:16:3e:00:00:09"]]
    gone = {"extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": None}], "allowed_address_pairs": []}
    changed = (await cloud.put(f"{PORTS}/{new['id']}", json={"port": gone})).json()["port"]
    assert (changed["extra_dhcp_opts"], changed["allowed_address_pairs"]) == ([{**options[0], "ip_version": 4}], [])


async def test_members_may_not_choose_on_networks_of_others(cloud: RunningCloud) -> None:
    network_id, subnet_id = await network(cloud, shared=True)
    member = cloud.as_("member")
    mine = await port(member, network_id, fixed_ips=[{"subnet_id": subnet_id}])
    forbidden: list[dict[str, Any]] = [
        {"mac_address": "fa:16:3e:00:00:01"},
        {"fixed_ips": [{"ip_address": "10.0.0.77"}]},
        {"port_security_enabled": False},
        {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}]},
        {"device_owner": "network:dhcp"},
        {"binding:host_id": "h1"},
        {"binding:profile": {"a": 1}},
        {"project_id": cloud.project_id, "device_id": "x"},
    ]
    for body in forbidden:
        answer = await member.post(f"{PORTS}", json={"port": {"network_id": network_id, **body}})
        assert error(answer)[:2] == (403, "PolicyNotAuthorized"), body
        if "project_id" not in body:
            changed = await member.put(f"{PORTS}/{mine['id']}", json={"port": body})
            assert error(changed)[:2] == (403, "PolicyNotAuthorized"), body


async def test_the_owner_of_a_network_sees_the_ports_on_it(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud, shared=True)
    member = cloud.as_("member")
    mine = await port(member, network_id)
    hidden = await port(cloud, network_id)
    assert [each["id"] for each in (await member.get(f"{PORTS}")).json()["ports"]] == [mine["id"]]
    assert error(await member.get(f"{PORTS}/{hidden['id']}"))[1] == "PortNotFound"
    own_id, _ = await network(member)
    seen = [each["device_owner"] for each in (await member.get(f"{PORTS}?network_id={own_id}")).json()["ports"]]
    assert seen == ["network:distributed"]


async def test_what_compute_uses_is_not_deleted_by_its_owner(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network_id, _ = await network(member)
    used = await port(member, network_id, device_owner="compute:nova", device_id="vm")
    assert error(await member.delete(f"{PORTS}/{used['id']}"))[0] == 403
    router = await port(cloud, network_id, device_owner="network:router_interface", device_id="r")
    assert error(await cloud.delete(f"{PORTS}/{router['id']}"))[:2] == (409, "ServicePortInUse")
    assert (await cloud.delete(f"{PORTS}/{used['id']}")).status_code == 204


async def test_many_cost_as_many_statements_as_few(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud, "10.0.0.0/16")
    run: list[str] = []
    cloud.db.on_statement.append(run.append)
    costs = []
    for many in (1, 2, 50):  # the first makes the default group
        run.clear()
        made_ = await cloud.post(f"{PORTS}", json={"ports": [{"network_id": network_id}] * many})
        assert made_.status_code == 201
        costs.append(len(run))
    assert costs[1] == costs[2] < 30


async def test_one_whose_network_goes_while_it_is_read_goes_with_it(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    new = await port(cloud, network_id)
    (seen,) = (await service.by_ids(cloud.ctx(), [UUID(new["id"])])).values()
    astray = msgspec.structs.replace(seen, id=uuid4(), network_id=uuid4())
    assert set(await service.targets(cloud.ctx(), [seen, astray])) == {seen.id}
    assert [each["id"] for each in await shown(cloud.ctx(), [astray, seen])] == [seen.id]
    with pytest.raises(NotFound):
        await one_shown(cloud.ctx(), astray)
    with pytest.raises(NotFound):
        await service.target_of(cloud.ctx(), astray)
