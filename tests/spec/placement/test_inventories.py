"""/resource_providers/{uuid}/inventories: how much a provider has."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.placement import Placement, error

USUAL = {"reserved": 0, "min_unit": 1, "max_unit": 2147483647, "step_size": 1, "allocation_ratio": 1.0}
FULL = {"total": 8, "reserved": 1, "min_unit": 2, "max_unit": 4, "step_size": 2, "allocation_ratio": 16.5}


async def test_all_inventories_are_set_at_a_generation(placement: Placement) -> None:
    host = await placement.provider()
    path = f"/resource_providers/{host}/inventories"
    assert (await placement.get(path)).json() == {"resource_provider_generation": 0, "inventories": {}}
    body = {"resource_provider_generation": 0, "inventories": {"VCPU": FULL, "MEMORY_MB": {"total": 512}}}
    put = await placement.put(path, body)
    inventories = {"VCPU": FULL, "MEMORY_MB": {"total": 512, **USUAL}}
    assert (put.status_code, put.json()) == (200, {"resource_provider_generation": 1, "inventories": inventories})
    assert (await placement.get(path)).json() == put.json()
    assert error(await placement.put(path, body))[:2] == (409, "placement.concurrent_update")
    other = {"VCPU": {**FULL, "total": 16}, "DISK_GB": {"total": 100, **USUAL}}
    put = await placement.put(path, {"resource_provider_generation": 1, "inventories": other})
    assert put.json() == {"resource_provider_generation": 2, "inventories": other}
    assert (await placement.get(path)).json() == put.json()
    assert (await placement.delete(path)).status_code == 204
    assert (await placement.get(path)).json() == {"resource_provider_generation": 3, "inventories": {}}


async def test_one_inventory_is_added_changed_and_deleted(placement: Placement) -> None:
    host = await placement.provider()
    path, one = f"/resource_providers/{host}/inventories", f"/resource_providers/{host}/inventories/VCPU"
    made = await placement.post(path, {"resource_class": "VCPU", "total": 8})
    shown = {"total": 8, **USUAL, "resource_provider_generation": 1}
    assert (made.status_code, made.json()) == (201, shown)
    assert made.headers["location"] == f"http://cloud.example/placement{path}/VCPU"
    assert (await placement.get(one)).json() == shown
    again = await placement.post(path, {"resource_class": "VCPU", "total": 8})
    assert error(again)[:2] == (409, "placement.concurrent_update")
    put = await placement.put(one, {**FULL, "resource_provider_generation": 1})
    assert put.json() == {**FULL, "resource_provider_generation": 2}
    stale = await placement.put(one, {"total": 4, "resource_provider_generation": 1})
    assert error(stale)[:2] == (409, "placement.concurrent_update")
    other = await placement.put(f"{path}/DISK_GB", {"total": 4, "resource_provider_generation": 2})
    assert error(other)[0] == 400
    assert "No inventory of class DISK_GB found" in error(other)[2]
    assert (await placement.delete(one)).status_code == 204
    assert error(await placement.get(one))[2] == f"No inventory of class VCPU for {host}"
    assert error(await placement.delete(one))[0] == 404


@pytest.mark.parametrize(
    "inventory",
    [
        {},
        {"total": 0},
        {"total": 2147483648},
        {"total": "8"},
        {"total": 8, "reserved": -1},
        {"total": 8, "reserved": 9},
        {"total": 8, "min_unit": 0},
        {"total": 8, "max_unit": 0},
        {"total": 8, "step_size": 0},
        {"total": 8, "allocation_ratio": -1.0},
        {"total": 8, "allocation_ratio": 3.5e38},
        {"total": 8, "colour": "red"},
    ],
)
async def test_what_is_no_inventory(placement: Placement, inventory: dict[str, Any]) -> None:
    host = await placement.provider(VCPU=1)
    path = f"/resource_providers/{host}/inventories"
    assert error(await placement.post(path, {"resource_class": "DISK_GB", **inventory}))[0] == 400
    assert error(await placement.put(f"{path}/VCPU", {"resource_provider_generation": 1, **inventory}))[0] == 400
    body = {"resource_provider_generation": 1, "inventories": {"DISK_GB": inventory}}
    assert error(await placement.put(path, body))[0] == 400


async def test_all_of_it_may_be_reserved_from_1_26_on(placement: Placement) -> None:
    host = await placement.provider()
    path, full = f"/resource_providers/{host}/inventories", {"total": 4, "reserved": 4}
    refused = error(await placement.at("1.25").post(path, {"resource_class": "VCPU", **full}))
    assert refused[0] == 400
    assert "The reserved value is greater than or equal to total." in refused[2]
    assert (await placement.at("1.26").post(path, {"resource_class": "VCPU", **full})).status_code == 201
    found = await placement.get("/allocation_candidates?resources=VCPU:1")
    assert found.json()["allocation_requests"] == []


async def test_a_class_that_there_is_not(placement: Placement) -> None:
    host = await placement.provider()
    path = f"/resource_providers/{host}/inventories"
    for name in ("CUSTOM_NOWHERE", "COWS"):
        made = error(await placement.post(path, {"resource_class": name, "total": 8}))
        assert made[0] == 400
        assert f"No such resource class {name}." in made[2]
        body = {"resource_provider_generation": 0, "inventories": {name: {"total": 8}}}
        assert error(await placement.put(path, body))[0] == 400


async def test_what_is_in_use_stays_but_may_shrink(placement: Placement) -> None:
    host = await placement.provider(VCPU=8, MEMORY_MB=512)
    await placement.consumer({host: {"VCPU": 4}})
    path = f"/resource_providers/{host}/inventories"
    generation = await placement.generation(host)
    body = {"resource_provider_generation": generation, "inventories": {"MEMORY_MB": {"total": 512}}}
    words = f"Inventory for 'VCPU' on resource provider '{host}' in use."
    for answer in (await placement.put(path, body), await placement.delete(path)):
        assert error(answer)[:2] == (409, "placement.inventory.inuse")
        assert words in error(answer)[2]
    refused = error(await placement.delete(f"{path}/VCPU"))
    assert refused[:2] == (409, "placement.concurrent_update")
    assert words in refused[2]
    put = await placement.put(f"{path}/VCPU", {"resource_provider_generation": generation, "total": 2})
    assert put.status_code == 200
    assert (await placement.delete(f"{path}/MEMORY_MB")).status_code == 204


async def test_the_inventories_of_nobody(placement: Placement) -> None:
    path = f"/resource_providers/{uuid4()}/inventories"
    one = {"resource_provider_generation": 0, "total": 1}
    for answer in (
        await placement.get(path),
        await placement.post(path, {"resource_class": "VCPU", "total": 1}),
        await placement.put(path, {"resource_provider_generation": 0, "inventories": {}}),
        await placement.delete(path),
        await placement.get(f"{path}/VCPU"),
        await placement.put(f"{path}/VCPU", one),
        await placement.delete(f"{path}/VCPU"),
    ):
        assert error(answer)[0] == 404


async def test_when_it_was_changed_is_said_from_1_15_on(placement: Placement) -> None:
    host = await placement.provider(VCPU=8)
    placement.process.clock.advance(60)
    for path in (f"/resource_providers/{host}/inventories", f"/resource_providers/{host}/inventories/VCPU"):
        assert "last-modified" not in (await placement.at("1.14").get(path)).headers
        assert (await placement.at("1.15").get(path)).headers["last-modified"] == "Thu, 01 Jan 2026 00:00:00 GMT"
