"""/reshaper: inventories move to other providers together with what is used of them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.placement import Placement, claim, error


def shape(generation: int, **totals: int) -> dict[str, Any]:
    inventories = {name: {"total": total} for name, total in totals.items()}
    return {"inventories": inventories, "resource_provider_generation": generation}


@pytest.mark.parametrize("version", ["1.30", "1.34", "1.38"])
async def test_what_is_used_moves_along(placement: Placement, version: str) -> None:
    host = await placement.provider(VCPU=8, DISK_GB=100)
    numa = await placement.provider(parent=host)
    server = await placement.consumer({host: {"VCPU": 2, "DISK_GB": 10}})
    minor = int(version.partition(".")[2])
    moved = claim({host: {"DISK_GB": 10}, numa: {"VCPU": 2}}, consumer_generation=1)
    if minor >= 34:
        moved["mappings"] = {"": [host]}
    if minor < 38:
        del moved["consumer_type"]
    body = {
        "inventories": {host: shape(2, DISK_GB=100), numa: shape(0, VCPU=8)},
        "allocations": {server: moved},
    }
    at = placement.as_("service").at(version)
    answer = await at.post("/reshaper", body)
    assert (answer.status_code, answer.text) == (204, "")
    assert (await placement.used(host), await placement.used(numa)) == ({"DISK_GB": 10}, {"VCPU": 2})
    for wrong in (
        {**body, "inventories": {}},
        {"inventories": body["inventories"]},
        {**body, "more": 1},
        {**body, "allocations": {server: {**moved, "more": 1}}},
        {**body, "inventories": {host: {**shape(3), "inventories": {"DISK_GB": {"total": 1, "reserved": 2}}}}},
    ):
        assert error(await at.post("/reshaper", wrong))[0] == 400


async def test_all_of_it_or_nothing(placement: Placement) -> None:
    host = await placement.provider(VCPU=8, DISK_GB=100)
    server = await placement.consumer({host: {"VCPU": 2}})
    nowhere, service = str(uuid4()), placement.as_("service")
    staying = claim({host: {"VCPU": 2}}, consumer_generation=1)
    growing = claim({host: {"VCPU": 3}}, consumer_generation=1)
    for inventories, allocations, fault in [
        ({nowhere: shape(0)}, {}, (400, "placement.resource_provider.not_found")),
        ({host: shape(1, VCPU=8)}, {}, (409, "placement.concurrent_update")),
        ({host: shape(2, COWS=8)}, {}, (400, "placement.undefined_code")),
        ({host: shape(2, DISK_GB=8)}, {}, (409, "placement.inventory.inuse")),
        ({host: shape(2, DISK_GB=8)}, {server: staying}, (409, "placement.inventory.inuse")),
        ({host: shape(2)}, {server: {**staying, "consumer_generation": 0}}, (409, "placement.concurrent_update")),
        ({host: shape(2, VCPU=2)}, {server: growing}, (409, "placement.undefined_code")),
    ]:
        body = {"inventories": inventories, "allocations": allocations}
        assert error(await service.post("/reshaper", body))[:2] == fault, body
    assert await placement.used(host) == {"VCPU": 2, "DISK_GB": 0}
    assert await placement.generation(host) == 2
