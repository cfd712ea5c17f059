"""The external network that a new cloud has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pileus.beginnings import offer_services
from support.cloud import RunningCloud, running_cloud


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path) -> AsyncIterator[RunningCloud]:
    async with running_cloud(database_url, tmp_path / "state", {"network.public_cidr": "172.24.4.0/24"}) as cloud:
        yield cloud


async def test_a_new_cloud_has_a_way_out_that_everybody_sees(cloud: RunningCloud) -> None:
    (network,) = (await cloud.as_("member").get("/network/v2.0/networks")).json()["networks"]
    assert (network["name"], network["router:external"], network["shared"]) == ("public", True, False)
    (subnet,) = (await cloud.get("/network/v2.0/subnets")).json()["subnets"]
    assert (subnet["cidr"], subnet["gateway_ip"], subnet["enable_dhcp"]) == ("172.24.4.0/24", "172.24.4.1", False)
    assert subnet["allocation_pools"] == [{"start": "172.24.4.10", "end": "172.24.4.254"}]
    (provider,) = (await cloud.get("/network/v2.0/networks")).json()["networks"]
    assert (provider["provider:network_type"], provider["provider:physical_network"]) == ("flat", "public")


async def test_one_that_was_deleted_stays_away(cloud: RunningCloud) -> None:
    (network,) = (await cloud.get("/network/v2.0/networks")).json()["networks"]
    assert (await cloud.delete(f"/network/v2.0/networks/{network['id']}")).status_code == 204
    await offer_services(cloud.world)
    assert (await cloud.get("/network/v2.0/networks")).json()["networks"] == []


async def test_an_operator_may_do_without(database_url: str, tmp_path: Path) -> None:
    async with running_cloud(database_url, tmp_path / "state", {"network.public_cidr": ""}) as cloud:
        assert (await cloud.get("/network/v2.0/networks")).json()["networks"] == []
