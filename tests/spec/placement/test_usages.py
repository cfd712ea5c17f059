"""/usages, and those of a provider: counted from the allocations."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.placement import OTHER, PROJECT, USER, Placement, claim, error


async def usages(placement: Placement, query: str = "") -> dict[str, Any]:
    answer = await placement.get(f"/usages?project_id={PROJECT}{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["usages"])


@pytest.fixture
async def host(placement: Placement) -> str:
    """Two servers and a volume of the project use it, and a server of another that was made before 1.38."""
    host = await placement.provider(VCPU=100, DISK_GB=1000, MEMORY_MB=1)
    await placement.consumer({host: {"VCPU": 2, "DISK_GB": 10}})
    await placement.consumer({host: {"VCPU": 3}})
    await placement.consumer({host: {"DISK_GB": 20}}, kind="VOLUME")
    older = {"allocations": {host: {"resources": {"VCPU": 4}}}, "project_id": PROJECT, "user_id": OTHER}
    assert (await placement.at("1.12").put(f"/allocations/{uuid4()}", older)).status_code == 204
    await placement.put(f"/allocations/{uuid4()}", claim({host: {"VCPU": 50}}, project_id=OTHER))
    return host


async def test_of_a_project(placement: Placement, host: str) -> None:
    old = placement.at("1.37")
    assert await usages(old) == {"VCPU": 9, "DISK_GB": 30}
    assert await usages(old, f"&user_id={USER}") == {"VCPU": 5, "DISK_GB": 30}
    assert await usages(old, "&user_id=nobody") == {}


async def test_by_the_type_of_consumers_from_1_38_on(placement: Placement, host: str) -> None:
    instances = {"VCPU": 5, "DISK_GB": 10, "consumer_count": 2}
    volumes = {"DISK_GB": 20, "consumer_count": 1}
    unknown = {"VCPU": 4, "consumer_count": 1}
    assert await usages(placement) == {"INSTANCE": instances, "VOLUME": volumes, "unknown": unknown}
    assert await usages(placement, "&consumer_type=VOLUME") == {"VOLUME": volumes}
    assert await usages(placement, "&consumer_type=unknown") == {"unknown": unknown}
    assert await usages(placement, "&consumer_type=all") == {"all": {"VCPU": 9, "DISK_GB": 30, "consumer_count": 4}}
    assert await usages(placement, "&consumer_type=NONE") == {}
    assert await usages(placement, f"&user_id={OTHER}") == {"unknown": unknown}


async def test_of_a_provider(placement: Placement, host: str) -> None:
    answer = await placement.get(f"/resource_providers/{host}/usages")
    assert answer.json() == {
        "resource_provider_generation": 6,
        "usages": {"VCPU": 59, "DISK_GB": 30, "MEMORY_MB": 0},
    }
    assert error(await placement.get(f"/resource_providers/{uuid4()}/usages"))[0] == 404


@pytest.mark.parametrize(
    ("version", "query"),
    [
        ("1.9", ""),
        ("1.9", "project_id="),
        ("1.9", f"project_id={'x' * 256}"),
        ("1.9", "project_id=x&user_id="),
        ("1.37", "project_id=x&consumer_type=all"),
        ("1.38", "project_id=x&consumer_type=instance"),
        ("1.38", "project_id=x&more=1"),
    ],
)
async def test_what_is_no_question(placement: Placement, version: str, query: str) -> None:
    assert error(await placement.at(version).get(f"/usages?{query}"))[0] == 400


async def test_a_project_sees_its_own(placement: Placement, host: str) -> None:
    reader = placement.as_("reader")
    assert await usages(reader.at("1.9")) == {"VCPU": 9, "DISK_GB": 30}
    assert len(await usages(reader)) == 3
    assert error(await placement.as_("stranger").get(f"/usages?project_id={PROJECT}"))[0] == 403
    assert error(await reader.get(f"/usages?project_id={OTHER}"))[0] == 403
