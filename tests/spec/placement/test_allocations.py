"""/allocations: who uses how much of what."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.placement import OTHER, PROJECT, USER, Placement, claim, error

OWNER = {"project_id": PROJECT, "user_id": USER}


def listed(provider_id: str, **amounts: int) -> dict[str, Any]:
    """As before 1.12."""
    return {"allocations": [{"resource_provider": {"uuid": provider_id}, "resources": amounts}]}


def keyed(provider_id: str, **amounts: int) -> dict[str, Any]:
    return {"allocations": {provider_id: {"resources": amounts}}}


@pytest.mark.parametrize("version", ["1.0", "1.8", "1.12", "1.28", "1.34", "1.38"])
async def test_a_claim_at_each_microversion(placement: Placement, version: str) -> None:
    host, consumer = await placement.provider(VCPU=8), str(uuid4())
    at, path = placement.at(version), f"/allocations/{consumer}"
    minor = int(version.partition(".")[2])
    body = {
        **(keyed(host, VCPU=2) if minor >= 12 else listed(host, VCPU=2)),
        **(OWNER if minor >= 8 else {}),
        **({"consumer_generation": None} if minor >= 28 else {}),
        **({"mappings": {"": [host], "_1": [host]}} if minor >= 34 else {}),
        **({"consumer_type": "INSTANCE"} if minor >= 38 else {}),
    }
    put = await at.put(path, body)
    assert (put.status_code, put.text) == (204, "")
    shown = {"allocations": {host: {"generation": 2, "resources": {"VCPU": 2}}}}
    nobody = "00000000-0000-0000-0000-000000000000"
    assert (await at.get(path)).json() == {
        **shown,
        **(OWNER if minor >= 12 else {}),
        **({"consumer_generation": 1} if minor >= 28 else {}),
        **({"consumer_type": "INSTANCE"} if minor >= 38 else {}),
    }
    newest = (await placement.get(path)).json()
    assert newest["consumer_type"] == ("INSTANCE" if minor >= 38 else "unknown")
    assert newest["project_id"] == (PROJECT if minor >= 8 else nobody)
    of_host = (await at.get(f"/resource_providers/{host}/allocations")).json()
    said = {"resources": {"VCPU": 2}, **({"consumer_generation": 1} if minor >= 28 else {})}
    assert of_host == {"allocations": {consumer: said}, "resource_provider_generation": 2}
    refused = [*({"more": 1}, {"allocations": []}, {"allocations": {"x": {"resources": {"VCPU": 1}}}})]
    for wrong in (*({**body, **each} for each in refused), {}):
        assert error(await at.put(path, wrong))[0] == 400
    assert (await at.delete(path)).status_code == 204
    assert (await at.get(path)).json() == {"allocations": {}}
    assert error(await at.delete(path))[::2] == (404, f"No allocations for consumer '{consumer}'")


@pytest.mark.parametrize(
    "body",
    [
        claim({}, allocations={str(uuid4()): {"resources": {}}}),
        claim({str(uuid4()): {"VCPU": 0}}),
        claim({str(uuid4()): {"vcpu": 1}}),
        claim({str(uuid4()): {"VCPU": 1}}, project_id=""),
        claim({str(uuid4()): {"VCPU": 1}}, user_id="x" * 256),
        claim({str(uuid4()): {"VCPU": 1}}, consumer_type="instance"),
        claim({str(uuid4()): {"VCPU": 1}}, consumer_generation="1"),
        claim({str(uuid4()): {"VCPU": 1}}, mappings={}),
        claim({str(uuid4()): {"VCPU": 1}}, mappings={"a b": [str(uuid4())]}),
        claim({str(uuid4()): {"VCPU": 1}}, mappings={"": []}),
    ],
)
async def test_what_is_no_claim(placement: Placement, body: Any) -> None:
    assert error(await placement.put(f"/allocations/{uuid4()}", body))[0] == 400
    assert error(await placement.post("/allocations", {str(uuid4()): body}))[0] == 400


async def test_a_consumer_is_a_uuid(placement: Placement) -> None:
    host = await placement.provider(VCPU=8)
    refused = await placement.put("/allocations/somebody", claim({host: {"VCPU": 1}}))
    assert error(refused)[::2] == (400, "Malformed consumer_uuid: somebody")
    consumer = uuid4()
    assert (await placement.put(f"/allocations/{consumer.hex}", claim({host: {"VCPU": 1}}))).status_code == 204
    assert host in (await placement.get(f"/allocations/{consumer}")).json()["allocations"]
    assert (await placement.get("/allocations/somebody")).json() == {"allocations": {}}
    assert error(await placement.delete("/allocations/somebody"))[0] == 404


async def test_a_provider_or_class_that_there_is_not(placement: Placement) -> None:
    host, nowhere = await placement.provider(VCPU=8), str(uuid4())
    consumer = f"/allocations/{uuid4()}"
    refused = error(await placement.put(consumer, claim({nowhere: {"VCPU": 1}})))
    assert refused[::2] == (400, f"Allocation for resource provider '{nowhere}' that does not exist.")
    refused = error(await placement.put(consumer, claim({host: {"CUSTOM_COWS": 1}})))
    assert refused[::2] == (400, "Unable to allocate inventory: No such resource class CUSTOM_COWS.")
    refused = error(await placement.put(consumer, claim({host: {"DISK_GB": 1}})))
    assert refused[0] == 409
    assert f"Inventory for 'DISK_GB' on resource provider '{host}' invalid." in refused[2]


async def test_no_more_is_taken_than_there_is(placement: Placement) -> None:
    """(total - reserved) times the ratio, in portions."""
    inventory = {"total": 8, "reserved": 2, "allocation_ratio": 1.5, "min_unit": 2, "max_unit": 6, "step_size": 2}
    host = await placement.provider(VCPU=inventory)
    for amount in (1, 3, 8):
        refused = error(await placement.put(f"/allocations/{uuid4()}", claim({host: {"VCPU": amount}})))
        assert refused[0] == 409
        assert "The requested amount would violate inventory constraints" in refused[2]
    await placement.consumer({host: {"VCPU": 6}})
    last = await placement.consumer({host: {"VCPU": 2}})
    refused = error(await placement.put(f"/allocations/{uuid4()}", claim({host: {"VCPU": 2}})))
    assert refused[0] == 409
    assert "The requested amount would exceed the capacity: 2 asked for, 8 of 9 used." in refused[2]
    assert await placement.used(host) == {"VCPU": 8}
    more = await placement.put(f"/allocations/{last}", claim({host: {"VCPU": 4}}, consumer_generation=1))
    assert error(more)[0] == 409
    assert await placement.used(host) == {"VCPU": 8}


async def test_who_has_too_much_may_have_less(placement: Placement) -> None:
    host = await placement.provider(VCPU=8, MEMORY_MB=100)
    consumer = await placement.consumer({host: {"VCPU": 8}})
    await placement.set_inventories(host, VCPU={"total": 2, "max_unit": 4}, MEMORY_MB=100)
    path = f"/allocations/{consumer}"
    same = await placement.put(path, claim({host: {"VCPU": 8, "MEMORY_MB": 1}}, consumer_generation=1))
    assert error(same)[0] == 409, "max_unit holds for everybody"
    await placement.set_inventories(host, VCPU=2, MEMORY_MB=100)
    for amount, status in ((8, 204), (9, 409), (5, 204), (6, 409)):
        generation = (await placement.get(path)).json()["consumer_generation"]
        body = claim({host: {"VCPU": amount}}, consumer_generation=generation)
        assert (await placement.put(path, body)).status_code == status, amount
    assert error(await placement.put(f"/allocations/{uuid4()}", claim({host: {"VCPU": 1}})))[0] == 409


async def test_a_claim_replaces_the_one_before(placement: Placement) -> None:
    first, second = await placement.provider(VCPU=8), await placement.provider(VCPU=8, DISK_GB=10)
    consumer = await placement.consumer({first: {"VCPU": 2}})
    path = f"/allocations/{consumer}"
    body = claim({second: {"VCPU": 3, "DISK_GB": 1}}, consumer_generation=1, project_id=OTHER, consumer_type="VOLUME")
    assert (await placement.put(path, body)).status_code == 204
    shown = (await placement.get(path)).json()
    assert shown["allocations"] == {second: {"generation": 2, "resources": {"VCPU": 3, "DISK_GB": 1}}}
    assert (shown["project_id"], shown["consumer_type"], shown["consumer_generation"]) == (OTHER, "VOLUME", 2)
    assert (await placement.used(first), await placement.used(second)) == ({"VCPU": 0}, {"VCPU": 3, "DISK_GB": 1})
    older = await placement.at("1.12").put(path, {**keyed(first, VCPU=1), **OWNER})
    assert older.status_code == 204, "it does not look at generations"
    assert (await placement.get(path)).json()["consumer_type"] == "VOLUME"


async def test_the_generation_of_a_consumer_counts_from_1_28_on(placement: Placement) -> None:
    host = await placement.provider(VCPU=8)
    consumer = await placement.consumer({host: {"VCPU": 1}})
    for known, wrong, said in [
        (consumer, None, "expected 1 but got null"),
        (consumer, 0, "expected 1 but got 0"),
        (str(uuid4()), 1, "expected null but got 1"),
    ]:
        refused = error(
            await placement.put(f"/allocations/{known}", claim({host: {"VCPU": 2}}, consumer_generation=wrong))
        )
        assert refused == (409, "placement.concurrent_update", f"consumer generation conflict - {said}")
    assert await placement.used(host) == {"VCPU": 1}


async def test_an_empty_claim_frees_it_all_from_1_28_on(placement: Placement) -> None:
    host = await placement.provider(VCPU=8)
    consumer = await placement.consumer({host: {"VCPU": 1}})
    assert error(await placement.at("1.27").put(f"/allocations/{consumer}", {"allocations": {}, **OWNER}))[0] == 400
    assert (await placement.put(f"/allocations/{consumer}", claim({}, consumer_generation=1))).status_code == 204
    assert (await placement.get(f"/allocations/{consumer}")).json() == {"allocations": {}}
    assert await placement.used(host) == {"VCPU": 0}
    assert (await placement.put(f"/allocations/{uuid4()}", claim({}))).status_code == 204


@pytest.mark.parametrize("version", ["1.13", "1.28", "1.34", "1.38"])
async def test_many_are_set_at_once_or_none(placement: Placement, version: str) -> None:
    source, target = await placement.provider(VCPU=4), await placement.provider(VCPU=4)
    server, migration = await placement.consumer({source: {"VCPU": 3}}), str(uuid4())
    at, minor = placement.at(version), int(version.partition(".")[2])

    def body(provider_id: str, amount: int, generation: int | None) -> dict[str, Any]:
        return {
            **(keyed(provider_id, VCPU=amount) if amount else {"allocations": {}}),
            **OWNER,
            **({"consumer_generation": generation} if minor >= 28 else {}),
            **({"consumer_type": "X"} if minor >= 38 else {}),
        }

    moved = await at.post("/allocations", {migration: body(source, 3, None), server: body(target, 4, 1)})
    assert (moved.status_code, moved.text) == (204, "")
    assert (await placement.used(source), await placement.used(target)) == ({"VCPU": 3}, {"VCPU": 4})
    refused = await at.post("/allocations", {migration: body(target, 1, 1), server: body(source, 5, 2)})
    assert error(refused)[0] == 409
    assert (await placement.used(source), await placement.used(target)) == ({"VCPU": 3}, {"VCPU": 4})
    ended = await at.post("/allocations", {migration: body(source, 0, 1), server: body(target, 1, 2)})
    assert ended.status_code == 204
    assert (await placement.used(source), await placement.used(target)) == ({"VCPU": 0}, {"VCPU": 1})
    for wrong in ({}, [], {"server": body(target, 1, 2)}):
        assert error(await at.post("/allocations", wrong))[0] == 400


async def test_two_that_fit_alone_do_not_fit_together(placement: Placement) -> None:
    host = await placement.provider(VCPU=4)
    both = {str(uuid4()): claim({host: {"VCPU": 3}}), str(uuid4()): claim({host: {"VCPU": 2}})}
    assert error(await placement.post("/allocations", both))[0] == 409
    assert await placement.used(host) == {"VCPU": 0}


async def test_the_allocations_of_nobody(placement: Placement) -> None:
    assert error(await placement.get(f"/resource_providers/{uuid4()}/allocations"))[0] == 404


async def test_a_claim_steps_the_generation_of_its_providers(placement: Placement) -> None:
    host, other = await placement.provider(VCPU=4), await placement.provider(VCPU=4)
    consumer = await placement.consumer({host: {"VCPU": 1}})
    assert (await placement.generation(host), await placement.generation(other)) == (2, 1)
    put = await placement.put(f"/allocations/{consumer}", claim({other: {"VCPU": 1}}, consumer_generation=1))
    assert put.status_code == 204
    assert (await placement.generation(host), await placement.generation(other)) == (2, 2)
    await placement.put(f"/allocations/{consumer}", claim({}, consumer_generation=2))
    assert (await placement.generation(host), await placement.generation(other)) == (2, 3)
