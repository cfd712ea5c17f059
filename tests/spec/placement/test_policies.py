"""Who may ask Placement: administrators and services, each in their project; the reshaper is for services alone."""

from __future__ import annotations

import pytest

from support.placement import PROJECT, Placement, error

NOBODY = "00000000-0000-4000-8000-000000000000"
OF_PROVIDERS = "/resource_providers/" + NOBODY


@pytest.mark.parametrize("who", ["member", "reader", "nobody", "stranger", "system"])
async def test_others_are_told_nothing(placement: Placement, who: str) -> None:
    host = await placement.provider(VCPU=1)
    asking = placement.as_(who)
    for method, path in [
        ("GET", "/resource_providers"),
        ("GET", f"/resource_providers/{host}"),
        ("GET", f"/resource_providers/{host}/inventories"),
        ("DELETE", f"/resource_providers/{host}"),
        ("GET", "/resource_classes"),
        ("GET", "/traits"),
        ("GET", f"/allocations/{host}"),
        ("GET", "/allocation_candidates?resources=VCPU:1"),
    ]:
        there = await asking.request(method, path)
        assert there.status_code == 403, path
        missing = await asking.request(method, path.replace(host, NOBODY))
        assert error(missing)[1:] == error(there)[1:]


async def test_nobody_at_all(placement: Placement) -> None:
    answer = await placement.as_("").get("/resource_providers")
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["title"] == "Unauthorized"


async def test_a_service_may_what_an_administrator_may_and_reshape(placement: Placement) -> None:
    service = placement.as_("service")
    host = await service.provider(VCPU=1)
    assert (await service.get(f"/usages?project_id={PROJECT}")).status_code == 200
    body = {"inventories": {host: {"inventories": {}, "resource_provider_generation": 1}}, "allocations": {}}
    refused = await placement.at("1.30").post("/reshaper", body)
    assert error(refused)[0] == 403
    assert (await service.at("1.30").post("/reshaper", body)).status_code == 204
