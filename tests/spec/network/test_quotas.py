"""/v2.0/quotas"""

from __future__ import annotations

import pytest

from pileus.beginnings import offer_services
from support.cloud import RunningCloud
from support.networks import ROOT, error, network

QUOTAS = "/network/v2.0/quotas"


@pytest.fixture
async def offered(cloud: RunningCloud) -> RunningCloud:
    """With Networking in the catalogue: limits are those of a service that is there."""
    await offer_services(cloud.world)
    return cloud


async def test_limits_are_set_counted_and_cleared(offered: RunningCloud) -> None:
    member, cloud = offered.as_("member"), offered
    url = f"{QUOTAS}/{member.project_id}"
    before = (await cloud.get(url)).json()["quota"]
    assert before.items() >= {"network": 100, "subnet": 100, "port": 500, "router": 10, "floatingip": 50}.items()
    changed = await cloud.put(url, json={"quota": {"network": 1, "port": -1}})
    assert changed.json()["quota"] == {**before, "network": 1, "port": -1}
    await network(member)
    assert error(await member.post(f"{ROOT}/networks", json={"network": {}}))[:2] == (409, "OverQuota")
    details = (await cloud.get(f"{QUOTAS}/{member.project_id}/details")).json()["quota"]
    assert details["network"] == {"limit": 1, "used": 1, "reserved": 0}
    assert (await cloud.get(f"{QUOTAS}/{member.project_id}/details.json")).json()["quota"] == details
    assert (await cloud.get(f"{QUOTAS}/{member.project_id}/default")).json()["quota"] == before
    (own,) = (await cloud.get(f"{QUOTAS}")).json()["quotas"]
    assert (own["project_id"], own["tenant_id"], own["network"]) == (member.project_id, member.project_id, 1)
    assert (await cloud.delete(url)).status_code == 204
    assert (await cloud.get(url)).json()["quota"] == before
    assert (await cloud.get(f"{QUOTAS}")).json() == {"quotas": []}


async def test_who_may_what(offered: RunningCloud) -> None:
    manager, member = offered.as_("manager"), offered.as_("member")
    url = f"{QUOTAS}/{manager.project_id}"
    assert (await manager.get(url)).status_code == 200
    assert error(await manager.put(url, json={"quota": {"network": 9}}))[0] == 403
    assert error(await member.get(url))[0] == 403
    assert error(await manager.get(f"{QUOTAS}/{offered.project_id}"))[0] == 403
    assert error(await offered.put(f"{QUOTAS}/nobody", json={"quota": {"network": 9}}))[:2] == (
        404,
        "TenantQuotaNotFound",
    )
    assert error(await offered.put(url, json={"quota": {"network": -2}}))[0] == 400
    assert error(await offered.put(url, json={"quota": {"nonsense": 1}}))[0] == 400
