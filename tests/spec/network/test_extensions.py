"""What Networking says of itself: extensions, zones, service providers, agents."""

from __future__ import annotations

from uuid import uuid4

from support.cloud import RunningCloud
from support.networks import error

AGENTS = "/network/v2.0/agents"


async def test_extensions_are_what_works(cloud: RunningCloud) -> None:
    reader = cloud.as_("reader")
    found = (await reader.get("/network/v2.0/extensions")).json()["extensions"]
    aliases = [each["alias"] for each in found]
    assert aliases == sorted(aliases)
    assert {"provider", "port-security", "quotas", "standard-attr-tag", "agent"} <= set(aliases)
    assert set(found[0]) == {"alias", "name", "description", "updated", "links"}
    one = await reader.get("/network/v2.0/extensions/port-security")
    assert one.json()["extension"]["name"] == "Port Security"
    assert error(await reader.get("/network/v2.0/extensions/vpnaas"))[0] == 404


async def test_the_version_tells_what_there_is(cloud: RunningCloud) -> None:
    resources = (await cloud.get("/network/v2.0")).json()["resources"]
    assert {"network": "networks", "security_group": "security-groups"}.items() <= {
        each["name"]: each["collection"] for each in resources
    }.items()
    assert resources[0]["links"][0]["href"].endswith("/network/v2.0/networks")


async def test_one_overlay_is_one_zone(cloud: RunningCloud) -> None:
    zones = (await cloud.as_("reader").get("/network/v2.0/availability_zones")).json()["availability_zones"]
    assert zones == [{"name": "default", "resource": kind, "state": "available"} for kind in ("network", "router")]
    only = await cloud.get("/network/v2.0/availability_zones?resource=router")
    assert len(only.json()["availability_zones"]) == 1
    providers = (await cloud.get("/network/v2.0/service-providers")).json()["service_providers"]
    assert providers == [{"service_type": "L3_ROUTER_NAT", "name": "ovn", "default": True}]


async def test_each_host_has_its_agents(cloud: RunningCloud) -> None:
    found = (await cloud.get(f"{AGENTS}?host=h1&alive=True")).json()["agents"]
    assert {each["agent_type"] for each in found} == {"OVN Controller agent", "OVN Metadata agent"}
    url = f"{AGENTS}/{found[0]['id']}"
    assert (await cloud.get(url)).json() == {"agent": found[0]}
    for body in ({"description": "in the cellar"}, {"admin_state_up": False}):
        changed = await cloud.put(url, json={"agent": body})
        assert changed.status_code == 200
        assert changed.json()["agent"].items() >= body.items()
    assert (await cloud.get(url)).json()["agent"]["description"] == "in the cellar"
    assert error(await cloud.delete(url))[0] == 400
    assert error(await cloud.get(f"{AGENTS}/{uuid4()}"))[:2] == (404, "AgentNotFound")
    assert (await cloud.as_("member").get(f"{AGENTS}")).json() == {"agents": []}
    assert error(await cloud.as_("member").get(url))[0] in (403, 404)
    by_host = (await cloud.get(f"{AGENTS}?sort_key=host&sort_dir=desc&fields=host")).json()["agents"]
    assert [each["host"] for each in by_host] == ["h2", "h2", "h1", "h1"]
    assert error(await cloud.get(f"{AGENTS}?sort_key=x&sort_dir=asc"))[0] == 400
    assert error(await cloud.get(f"{AGENTS}?sort_key=host"))[0] == 400
