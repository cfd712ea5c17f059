"""What `pileus verify` says of networks: each way in which the overlay can disagree with their rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from pileus.engines.overlay import Group, Network
from pileus.kernel.db import metadata
from pileus.kernel.verify import Difference, verify
from support.cloud import RunningCloud
from support.networks import external, floating_ip, interface, network, port, router

NAMES = ("networks", "ports", "routers", "security_groups", "floating_ips", "addresses", "quotas")
CHECKS = [*(f"network.{name}" for name in NAMES), "kernel.generations"]
FENCE = 10**9  # of nobody: newer than any operation's


def home(cloud: RunningCloud) -> Path:
    return cloud.world.state / "hosts" / "h1" / "overlay"


async def told(cloud: RunningCloud) -> list[Difference]:
    return (await verify(cloud.ctx(), CHECKS)).differences


async def write(cloud: RunningCloud, name: str, where: dict[str, Any], **columns: Any) -> None:
    """Change rows behind everybody's back."""
    table = metadata.tables[name]
    mine = [table.c[column] == value for column, value in where.items()]
    async with cloud.ctx().transaction() as ctx:
        await ctx.execute(table.update().where(*mine).values(**columns))


async def test_the_overlay_has_what_the_rows_say(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    bound = await port(cloud, network_id, **{"binding:host_id": "h1"})
    await cloud.settle()
    assert await told(cloud) == []
    (home(cloud) / "ports" / f"{bound['id']}.json").unlink()
    (home(cloud) / "networks" / f"{network_id}.json").rename(home(cloud) / "networks" / f"{bound['id']}.json")
    found = await told(cloud)
    assert {(each.subject, each.subject_id) for each in found} == {
        ("port", bound["id"]),
        ("network", network_id),
        ("network", bound["id"]),
        ("project", cloud.project_id),
    }
    assert any(f"quota counts {1} of network, and the overlay has 0" in each.cause for each in found)


async def test_where_a_port_is_and_with_which_addresses(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    bound = await port(cloud, network_id, **{"binding:host_id": "h1"})
    await cloud.settle()
    file = home(cloud) / "ports" / f"{bound['id']}.json"
    wish = json.loads(file.read_text())
    address = wish["fixed"][0]["address"]
    wish["host"], wish["fixed"][0]["address"] = "h2", "10.0.0.99"
    file.write_text(json.dumps(wish))
    (found,) = await told(cloud)
    assert found.cause.startswith(f"The rows say up on h1 with {address}, and it is up on h2 with 10.0.0.99. Disable")


async def test_routers_groups_and_floating_ips(cloud: RunningCloud) -> None:
    outside, _ = await external(cloud)
    inside, subnet = await network(cloud)
    between = await router(cloud, external_gateway_info={"network_id": outside})
    await interface(cloud, between["id"], subnet_id=subnet)
    behind = await port(cloud, inside)
    floating = await floating_ip(cloud, outside, port_id=behind["id"])
    await cloud.settle()
    assert await told(cloud) == []
    overlay = cloud.world.engine("overlay", "h1")
    stray = Group(id=uuid4())
    await overlay.ensure_group(stray, fence=FENCE)
    await overlay.ensure_router_gone(UUID(between["id"]), fence=FENCE)
    found = {(each.subject, each.subject_id) for each in await told(cloud)}
    assert found == {
        ("router", between["id"]),
        ("floating ip", floating["id"]),
        ("security group", str(stray.id)),
        ("project", cloud.project_id),
    }


async def test_an_address_that_is_never_freed_and_a_change_that_nobody_makes(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    made = await port(cloud, network_id)
    await cloud.settle()
    of_port = {"port_id": UUID(made["id"])}
    await write(cloud, "network_allocation", of_port, released=1)
    (kept,) = [each for each in await told(cloud) if "out of use" in each.cause]
    assert (kept.subject, kept.subject_id) == ("port", made["id"])
    await write(cloud, "network_allocation", of_port, released=None, subnet_id=uuid4())
    assert [each.subject_id for each in await told(cloud)] == [made["id"]]
    await write(cloud, "network_network", {"id": UUID(network_id)}, wanted_generation=9)
    behind = [each for each in await told(cloud) if each.subject == "network.network"]
    assert [each.subject_id for each in behind] == [network_id]
    assert "no network.network is at work. Change it by its API" in behind[0].cause


async def test_what_is_about_to_be_said_is_none(cloud: RunningCloud) -> None:
    network_id, _ = await network(cloud)
    await port(cloud, network_id, **{"binding:host_id": "h1"})
    assert await told(cloud) == []
    await cloud.settle()
    assert await told(cloud) == []


async def test_a_cloud_without_a_host_has_no_overlay_that_could_differ(cloud: RunningCloud) -> None:
    await write(cloud, "host", {}, fenced=True)
    await cloud.world.engine("overlay", "h1").ensure_network(Network(id=uuid4(), mtu=1500), fence=FENCE)
    assert await told(cloud) == []
