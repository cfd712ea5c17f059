"""Servers in networks: at boot, and interfaces of those that are there."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from pileus.engines.troubles import Trouble
from pileus.kernel.verify import verify
from support.cloud import Client, RunningCloud
from support.computed import at
from support.served import SERVERS, TINY, an_image

NETWORK = "/network/v2.0"
NEWEST = at("2.104")


async def network(client: Client, name: str = "net", cidr: str = "10.0.0.0/24") -> str:
    answer = await client.post(f"{NETWORK}/networks", json={"network": {"name": name}})
    assert answer.status_code == 201, answer.text
    network_id = str(answer.json()["network"]["id"])
    body = {"network_id": network_id, "ip_version": 4, "cidr": cidr, "dns_nameservers": ["10.0.0.2"]}
    answer = await client.post(f"{NETWORK}/subnets", json={"subnet": body})
    assert answer.status_code == 201, answer.text
    return network_id


async def port(client: Client, network_id: str) -> str:
    answer = await client.post(f"{NETWORK}/ports", json={"port": {"network_id": network_id}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["port"]["id"])


async def ports(client: Client) -> dict[str, Any]:
    return {each["id"]: each for each in (await client.get(f"{NETWORK}/ports")).json()["ports"]}


async def boot(cloud: RunningCloud, client: Client, version: str = "2.104", **more: Any) -> Any:
    body = {"name": "web", "flavorRef": TINY, "imageRef": await an_image(cloud), **more}
    return await client.post(SERVERS, json={"server": body}, headers=at(version))


async def booted(cloud: RunningCloud, client: Client, version: str = "2.104", **more: Any) -> dict[str, Any]:
    answer = await boot(cloud, client, version, **more)
    assert answer.status_code == 202, answer.text
    await cloud.settle()
    shown = await client.get(f"{SERVERS}/{answer.json()['server']['id']}", headers=NEWEST)
    return dict(shown.json()["server"])


async def nics(cloud: RunningCloud, server_id: str) -> int:
    found = {}
    for host in ("h1", "h2"):
        found |= await cloud.world.engine("hypervisor", host).observe()
    return len(found[UUID(server_id)].nics)


async def test_a_server_gets_an_address_in_the_network_that_is_named(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network_id = await network(member)
    server = await booted(cloud, member, networks=[{"uuid": network_id, "fixed_ip": "10.0.0.77"}])
    assert server["status"] == "ACTIVE", server
    (address,) = server["addresses"]["net"]
    assert (address["addr"], address["version"], address["OS-EXT-IPS:type"]) == ("10.0.0.77", 4, "fixed")
    (found,) = [each for each in (await ports(member)).values() if each["device_id"] == server["id"]]
    assert (found["device_owner"], found["mac_address"]) == ("compute:nova", address["OS-EXT-IPS-MAC:mac_addr"])
    assert await nics(cloud, server["id"]) == 1
    ips = f"{SERVERS}/{server['id']}/ips"
    assert (await member.get(f"{ips}/net")).json() == {"net": [{"version": 4, "addr": "10.0.0.77"}]}
    for query, many in (("ip=10.0.0.77", 1), ("ip=^10\\.0", 1), ("ip=10.1", 0), ("ip6=10.0", 0)):
        assert len((await member.get(f"{SERVERS}?{query}")).json()["servers"]) == many, query
    again = await boot(cloud, member, networks=[{"uuid": network_id, "fixed_ip": "10.0.0.77"}])
    assert again.status_code == 400
    await member.delete(f"{SERVERS}/{server['id']}")
    await cloud.settle()
    assert not [each for each in (await ports(member)).values() if each["device_id"] == server["id"]]


async def test_a_port_that_was_there_stays_when_its_server_goes(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    port_id = await port(member, await network(member))
    server = await booted(cloud, member, networks=[{"port": port_id, "tag": "first"}])
    bound = (await ports(cloud))[port_id]
    assert (bound["device_id"], bound["binding:host_id"]) == (server["id"], server.get("x", bound["binding:host_id"]))
    assert bound["binding:host_id"] in {"h1", "h2"}
    assert (await boot(cloud, member, networks=[{"port": port_id}])).status_code == 409
    assert (await boot(cloud, member, networks=[{"port": str(uuid4())}])).status_code == 400
    await member.delete(f"{SERVERS}/{server['id']}")
    await cloud.settle()
    free = (await ports(cloud))[port_id]
    assert (free["device_id"], free["binding:host_id"]) == ("", "")


async def test_without_a_word_the_only_network_is_meant(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    assert (await booted(cloud, member, "2.1"))["addresses"] == {}
    assert (await boot(cloud, member, networks="auto")).status_code == 400
    await network(member)
    for version, more in (("2.1", {}), ("2.37", {"networks": "auto"})):
        assert list((await booted(cloud, member, version, **more))["addresses"]) == ["net"]
    assert (await booted(cloud, member, networks="none"))["addresses"] == {}
    await network(member, "other", "10.1.0.0/24")
    assert (await boot(cloud, member, "2.1")).status_code == 409
    assert (await boot(cloud, member, networks=[{"uuid": str(uuid4())}])).status_code == 400
    assert (await boot(cloud, member, networks=[{}])).status_code == 400


async def test_a_build_that_fails_leaves_no_ports(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network_id = await network(member)
    kept, before = await port(member, network_id), len(await ports(member))
    for host in ("h1", "h2"):
        cloud.world.rims["hypervisor", host]._behind.troubles.add(Trouble(kind="fail", cause="no"), verb="ensure_power")
    server = await booted(cloud, member, networks=[{"uuid": network_id}, {"port": kept}])
    assert server["status"] == "ERROR"
    assert (await ports(member))[kept]["device_id"] == ""
    assert len(await ports(member)) == before


async def test_interfaces_come_and_go(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network_id = await network(member)
    server = await booted(cloud, member, networks="none")
    path = f"/compute/v2.1/servers/{server['id']}/os-interface"
    body = {"net_id": network_id, "fixed_ips": [{"ip_address": "10.0.0.9"}], "tag": "x"}
    answer = await member.post(path, json={"interfaceAttachment": body}, headers=at("2.70"))
    assert answer.status_code == 200, answer.text
    first = answer.json()["interfaceAttachment"]
    assert (first["net_id"], first["fixed_ips"][0]["ip_address"], first["tag"]) == (network_id, "10.0.0.9", "x")
    await cloud.settle()
    kept = await port(member, network_id)
    assert (await member.post(path, json={"interfaceAttachment": {"port_id": kept}})).status_code == 200
    assert (await member.post(path, json={})).status_code == 200
    await cloud.settle()
    listed = (await member.get(path)).json()["interfaceAttachments"]
    assert len(listed) == await nics(cloud, server["id"]) == 3
    assert (await member.post(path, json={"interfaceAttachment": {"port_id": kept}})).status_code == 409
    for each in listed:
        one = f"/compute/v2.1/servers/{server['id']}/os-interface/{each['port_id']}"
        assert (await member.get(one)).json()["interfaceAttachment"]["port_id"] == each["port_id"]
        assert (await member.delete(one)).status_code == 202
    await cloud.settle()
    assert await nics(cloud, server["id"]) == 0
    mine = [each for each in (await ports(member)).values() if not each["device_owner"].startswith("network:")]
    assert [each["id"] for each in mine] == [kept]
    assert mine[0]["device_id"] == ""


async def test_an_interface_goes_that_has_just_come(cloud: RunningCloud) -> None:
    """Also when it is not plugged in yet, and when that is said twice."""
    member = cloud.as_("member")
    network_id = await network(member)
    server = await booted(cloud, member, networks="none")
    kept = await port(member, network_id)
    path = f"{SERVERS}/{server['id']}/os-interface"
    for wanted in ({"net_id": network_id}, {"port_id": kept}):
        made = (await member.post(path, json={"interfaceAttachment": wanted})).json()["interfaceAttachment"]
        for _ in range(2):
            assert (await member.delete(f"{path}/{made['port_id']}")).status_code == 202
        await cloud.settle()
        assert (await member.delete(f"{path}/{made['port_id']}")).status_code == 404
    assert (await member.get(path)).json() == {"interfaceAttachments": []}
    assert await nics(cloud, server["id"]) == 0
    assert not [each for each in (await ports(member)).values() if each["device_id"] == server["id"]]
    assert (await ports(member))[kept]["device_owner"] == ""


async def test_an_interface_that_fails_is_not_there(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network_id = await network(member)
    server = await booted(cloud, member, networks="none")
    for host in ("h1", "h2"):
        cloud.world.rims["hypervisor", host]._behind.troubles.add(
            Trouble(kind="fail", once=True, cause="no"), verb="ensure_defined"
        )
    await member.post(f"{SERVERS}/{server['id']}/os-interface", json={"interfaceAttachment": {"net_id": network_id}})
    await cloud.settle()
    assert (await member.get(f"{SERVERS}/{server['id']}/os-interface")).json() == {"interfaceAttachments": []}
    assert not [each for each in (await ports(member)).values() if each["device_id"] == server["id"]]


async def test_a_port_that_is_deleted_is_unplugged_and_no_servers_any_more(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await booted(cloud, member, networks=[{"uuid": await network(member)}])
    (found,) = [each["id"] for each in (await ports(member)).values() if each["device_id"] == server["id"]]
    answer = await cloud.delete(f"{NETWORK}/ports/{found}")
    assert answer.status_code == 204, answer.text
    assert (await member.get(f"{SERVERS}/{server['id']}")).json()["server"]["addresses"] == {}
    await cloud.settle()
    assert (await verify(cloud.ctx(), ["compute.guests", "compute.interfaces"])).differences == []
    actions = (await member.get(f"{SERVERS}/{server['id']}/os-instance-actions")).json()["instanceActions"]
    assert actions[0]["action"] == "detach_interface"
    await member.delete(f"{SERVERS}/{server['id']}")
    await cloud.settle()
    assert (await member.get(f"{SERVERS}/{server['id']}")).status_code == 404


async def test_security_groups_of_a_server(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    network_id = await network(member)
    for name in ("web", "db"):
        await member.post(f"{NETWORK}/security-groups", json={"security_group": {"name": name}})
    networks = [{"uuid": network_id}]
    server = await booted(cloud, member, networks=networks, security_groups=[{"name": "web"}])
    assert server["security_groups"] == [{"name": "web"}]
    path = f"/compute/v2.1/servers/{server['id']}/action"
    for action, names in (("addSecurityGroup", {"web", "db"}), ("removeSecurityGroup", {"web"})):
        assert (await member.post(path, json={action: {"name": "db"}})).status_code == 202
        shown = (await member.get(f"{SERVERS}/{server['id']}")).json()["server"]
        assert {each["name"] for each in shown["security_groups"]} == names
    (group,) = (await member.get(f"{SERVERS}/{server['id']}/os-security-groups")).json()["security_groups"]
    assert (group["name"], group["tenant_id"]) == ("web", member.project_id)
    assert (await member.post(path, json={"removeSecurityGroup": {"name": "db"}})).status_code == 404
    assert (await boot(cloud, member, networks=networks, security_groups=[{"name": "none"}])).status_code == 400
    default = await booted(cloud, member, networks=networks)
    assert default["security_groups"] == [{"name": "default"}]


async def test_a_rebuilt_server_s_addresses_are_bare_before_2_75(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    server = await booted(cloud, member, networks=[{"uuid": await network(member)}])
    path = f"/compute/v2.1/servers/{server['id']}"
    for version, more in (("2.74", set()), ("2.75", {"OS-EXT-IPS:type", "OS-EXT-IPS-MAC:mac_addr"})):
        body = {"rebuild": {"imageRef": server["image"]["id"]}}
        rebuilt = (await member.post(f"{path}/action", json=body, headers=at(version))).json()["server"]
        await cloud.settle()
        renamed = (await member.put(path, json={"server": {"name": "x"}}, headers=at(version))).json()["server"]
        for shown in (rebuilt, renamed):
            assert {frozenset(each) for each in shown["addresses"]["net"]} == {frozenset({"version", "addr"} | more)}
        assert "OS-EXT-SRV-ATTR:user_data" not in rebuilt
        assert rebuilt["user_data"] is None
