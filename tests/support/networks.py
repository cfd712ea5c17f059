"""Networking, as tests ask it."""

from __future__ import annotations

import json
from typing import Any

import httpx

from support.cloud import Client, RunningCloud


async def made(client: Client, path: str, noun: str, fields: dict[str, Any]) -> dict[str, Any]:
    """One new thing, as the answer shows it."""
    answer = await client.post(path, json={noun: fields})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()[noun]
    return document


def error(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, type and message of a fault."""
    said = answer.json()["NeutronError"]
    assert set(said) == {"type", "message", "detail"}, said
    return answer.status_code, said["type"], said["message"]


ROOT = "/network/v2.0"


async def network(client: Client, cidr: str | None = "10.0.0.0/24", **fields: Any) -> tuple[str, str]:
    """A network with a subnet (without one, if there is no CIDR): their ids."""
    net = await made(client, f"{ROOT}/networks", "network", {"name": "net", **fields})
    if cidr is None:
        return net["id"], ""
    wanted = {"network_id": net["id"], "cidr": cidr, "ip_version": 6 if ":" in cidr else 4}
    return net["id"], (await made(client, f"{ROOT}/subnets", "subnet", wanted))["id"]


async def external(cloud: Client, cidr: str = "203.0.113.0/24") -> tuple[str, str]:
    """A network outside, with a subnet: their ids."""
    return await network(cloud, cidr, **{"router:external": True})


async def port(client: Client, network_id: str, **fields: Any) -> dict[str, Any]:
    return await made(client, f"{ROOT}/ports", "port", {"network_id": network_id, **fields})


async def router(client: Client, **fields: Any) -> dict[str, Any]:
    return await made(client, f"{ROOT}/routers", "router", {"name": "r", **fields})


async def interface(client: Client, router_id: str, **what: str) -> dict[str, Any]:
    """What a router's new leg is in: a subnet_id, or a port_id."""
    answer = await client.put(f"{ROOT}/routers/{router_id}/add_router_interface", json=what)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def floating_ip(client: Client, network_id: str, **fields: Any) -> dict[str, Any]:
    return await made(client, f"{ROOT}/floatingips", "floatingip", {"floating_network_id": network_id, **fields})


def told(cloud: RunningCloud, kind: str, id_: str) -> Any:
    """What the simulated overlay was told last of a thing; None of what is not there."""
    file = cloud.world.state / "hosts" / "h1" / "overlay" / kind / f"{id_}.json"
    return json.loads(file.read_text()) if file.exists() else None
