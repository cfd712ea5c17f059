"""Placement in the catalogue of a whole cloud."""

from __future__ import annotations

from pileus.beginnings import offer_services
from support.cloud import BASE, RunningCloud


async def test_the_catalogue_offers_it_once(cloud: RunningCloud) -> None:
    for _ in range(2):
        await offer_services(cloud.world)
    catalog = (await cloud.get("/identity/v3/auth/catalog")).json()["catalog"]
    (entry,) = [each for each in catalog if each["type"] == "placement"]
    assert entry["name"] == "placement"
    assert {endpoint["url"] for endpoint in entry["endpoints"]} == {f"{BASE}/placement"}
    assert {endpoint["interface"] for endpoint in entry["endpoints"]} == {"public", "internal", "admin"}
