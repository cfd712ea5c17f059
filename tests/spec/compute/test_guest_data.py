"""What guests are told of themselves: at 169.254.169.254 and on a config drive, the same."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa

from pileus.engines.guests import Asked, Told, tell_guest
from pileus.engines.hypervisor import Domain
from pileus.services.compute.servers.store import servers
from spec.compute.test_server_networks import booted, network
from support.cloud import RunningCloud
from support.computed import PUBLIC_KEY, at
from support.served import SERVERS

DATA = base64.b64encode(b"#!/bin/sh\necho hello\n").decode()


async def ask(cloud: RunningCloud, server: dict[str, Any], path: str, **more: Any) -> Told:
    (address,) = server["addresses"]["net"]
    asked = {"network_id": UUID(server["network"]), "address": address["addr"], "path": path}
    return await tell_guest(cloud.ctx(), more.pop("host", server["host"]), Asked(**{**asked, **more}))


async def a_guest(cloud: RunningCloud) -> dict[str, Any]:
    member = cloud.as_("member")
    await member.post("/compute/v2.1/os-keypairs", json={"keypair": {"name": "mine", "public_key": PUBLIC_KEY}})
    network_id = await network(member)
    personal = [{"path": "/etc/motd", "contents": DATA}]
    more = {"key_name": "mine", "user_data": DATA, "config_drive": True, "metadata": {"a": "b"}, "adminPass": "pass"}
    found = await booted(cloud, member, "2.1", networks=[{"uuid": network_id}], personality=personal, **more)
    shown = (await cloud.get(f"{SERVERS}/{found['id']}", headers=at("2.104"))).json()["server"]
    return {**shown, "network": network_id, "host": shown["OS-EXT-SRV-ATTR:host"]}


async def test_what_its_user_says_to_a_guest_is_sealed_and_goes_with_it(cloud: RunningCloud) -> None:
    member = cloud.as_("member")
    new = await booted(cloud, member, networks="none", user_data=DATA)
    query = sa.select(servers.c.user_data).where(servers.c.id == UUID(new["id"]))
    kept = (await cloud.ctx().execute(query)).scalar_one()
    assert DATA.encode() not in kept
    body = {"rebuild": {"imageRef": new["image"]["id"], "user_data": "b3RoZXI="}}
    answer = await member.post(f"{SERVERS}/{new['id']}/action", json=body, headers=at("2.57"))
    assert answer.json()["server"]["user_data"] == "b3RoZXI="
    await cloud.settle()
    found = (await cloud.get(f"{SERVERS}/{new['id']}", headers=at("2.3"))).json()["server"]
    assert found["OS-EXT-SRV-ATTR:user_data"] == "b3RoZXI="
    await member.delete(f"{SERVERS}/{new['id']}")
    await cloud.settle()
    assert (await cloud.ctx().execute(query)).scalar_one() is None


async def test_a_guest_finds_itself(cloud: RunningCloud) -> None:
    server = await a_guest(cloud)
    assert (await ask(cloud, server, "/")).body.split(b"\n")[-1] == b"latest"
    told = await ask(cloud, server, "/openstack/latest/meta_data.json")
    assert (told.status, told.content_type) == (200, "application/json")
    shown = json.loads(told.body)
    assert (shown["uuid"], shown["hostname"], shown["meta"], shown["admin_pass"]) == (
        server["id"],
        "web",
        {"a": "b"},
        "pass",
    )
    assert shown["public_keys"] == {"mine": PUBLIC_KEY}
    assert len(base64.b64decode(shown["random_seed"])) == 512
    assert "random_seed" not in json.loads((await ask(cloud, server, "/openstack/2012-08-10/meta_data.json")).body)
    assert (await ask(cloud, server, "/openstack/latest/user_data")).body == base64.b64decode(DATA)
    assert (await ask(cloud, server, "/latest/user-data/")).body == base64.b64decode(DATA)
    assert (await ask(cloud, server, "/openstack/content/0000")).body == base64.b64decode(DATA)
    data = json.loads((await ask(cloud, server, "/openstack/latest/network_data.json")).body)
    assert data["links"][0]["ethernet_mac_address"] == server["addresses"]["net"][0]["OS-EXT-IPS-MAC:mac_addr"]
    assert data["networks"][0]["ip_address"] == server["addresses"]["net"][0]["addr"]
    assert data["networks"][0]["netmask"] == "255.255.255.0"
    assert data["services"] == [{"type": "dns", "address": "10.0.0.2"}]
    for path, said in (
        ("/latest/meta-data/local-ipv4", server["addresses"]["net"][0]["addr"]),
        ("/latest/meta-data/public-keys", "0=mine"),
        ("/latest/meta-data/public-keys/0/openssh-key", PUBLIC_KEY),
        ("//latest//meta-data//placement/availability-zone", "nova"),
        ("/2009-04-04/meta-data/hostname", "web"),
        ("/latest", "meta-data/\nuser-data"),
    ):
        assert (await ask(cloud, server, path)).body.decode() == said, path
    for path in (
        "/nothing",
        "/openstack/latest/x",
        "/openstack/1.0",
        "/latest/meta-data/x",
        "/openstack/content/9999",
        "/../x",
    ):
        assert (await ask(cloud, server, path)).status == 404


async def test_the_config_drive_says_the_same(cloud: RunningCloud) -> None:
    server = await a_guest(cloud)
    sim = cloud.world.rims["hypervisor", server["host"]]._behind
    domain: Domain = sim._domain(UUID(server["id"]))
    assert domain.config_drive is not None
    files = {path: base64.b64decode(data) for path, data in domain.config_drive.files.items()}
    assert len(files) > 20
    for path, data in files.items():
        if path.startswith("openstack/"):
            assert (await ask(cloud, server, f"/{path}")).body == data, path


async def test_nobody_else_is_told(cloud: RunningCloud) -> None:
    """Another address, another network, another host; a port that is no server's; a path that is none."""
    server = await a_guest(cloud)
    path = "/openstack/latest/meta_data.json"
    other = {"h1": "h2", "h2": "h1"}[server["host"]]
    for wrong in (
        {"address": "10.0.0.200"},
        {"address": "x"},
        {"network_id": uuid4()},
        {"host": other},
        {"method": "POST"},
    ):
        assert (await ask(cloud, server, path, **wrong)).status == 404, wrong
    assert (await ask(cloud, server, "/" + "x" * 2000)).status == 404
