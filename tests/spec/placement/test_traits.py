"""/traits, and what is said of providers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from support.placement import Placement, error

NAME = "CUSTOM_RED"


async def names(placement: Placement, query: str) -> list[str]:
    answer = await placement.get(f"/traits?{query}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["traits"])


async def test_a_trait_from_its_making_to_its_end(placement: Placement) -> None:
    made = await placement.at("1.6").put(f"/traits/{NAME}")
    assert (made.status_code, made.text) == (201, "")
    assert made.headers["location"] == f"http://cloud.example/placement/traits/{NAME}"
    assert "last-modified" not in made.headers
    assert (await placement.put(f"/traits/{NAME}")).status_code == 204
    shown = await placement.get(f"/traits/{NAME}")
    assert (shown.status_code, shown.text, shown.headers["cache-control"]) == (204, "", "no-cache")
    assert NAME in (await placement.at("1.6").get("/traits")).json()["traits"]
    assert (await placement.delete(f"/traits/{NAME}")).status_code == 204
    for answer in (await placement.get(f"/traits/{NAME}"), await placement.delete(f"/traits/{NAME}")):
        assert error(answer) == (404, "placement.undefined_code", f"No such trait(s): {NAME}.")


async def test_a_name_that_is_none_and_one_that_stays(placement: Placement) -> None:
    for name in ("RED", "CUSTOM_red", "HW_CPU_X86_AVX", "CUSTOM_" + "X" * 249):
        assert "The trait is invalid" in error(await placement.put(f"/traits/{name}"))[2]
    assert error(await placement.delete("/traits/HW_CPU_X86_AVX"))[0] == 400


async def test_the_list_is_narrowed(placement: Placement) -> None:
    await placement.put(f"/traits/{NAME}")
    await placement.provider(traits=[NAME, "HW_CPU_X86_AVX"])
    assert len(await names(placement, "")) > 300
    assert await names(placement, f"name=in:{NAME},HW_CPU_X86_AVX,NONE") == ["HW_CPU_X86_AVX", NAME]
    assert await names(placement, "name=startswith:CUSTOM") == [NAME]
    assert await names(placement, "associated=True") == ["HW_CPU_X86_AVX", NAME]
    assert await names(placement, "associated=true&name=startswith:HW") == ["HW_CPU_X86_AVX"]
    assert NAME not in await names(placement, "associated=false")
    assert len(await names(placement, "name=like:CUSTOM")) > 300
    for query in ("name=CUSTOM", "associated=maybe", "colour=red"):
        assert error(await placement.get(f"/traits?{query}"))[0] == 400, query


async def test_the_traits_of_a_provider_are_set_at_its_generation(placement: Placement) -> None:
    host = await placement.provider()
    path = f"/resource_providers/{host}/traits"
    await placement.put(f"/traits/{NAME}")
    assert (await placement.get(path)).json() == {"traits": [], "resource_provider_generation": 0}
    put = await placement.put(path, {"traits": [NAME, "COMPUTE_NODE", NAME], "resource_provider_generation": 0})
    assert put.json() == {"traits": ["COMPUTE_NODE", NAME], "resource_provider_generation": 1}
    assert (await placement.get(path)).json() == put.json()
    stale = await placement.put(path, {"traits": [], "resource_provider_generation": 0})
    assert error(stale)[:2] == (409, "placement.concurrent_update")
    same = await placement.put(path, {"traits": ["COMPUTE_NODE", NAME], "resource_provider_generation": 1})
    assert same.json()["resource_provider_generation"] == 1
    other = await placement.put(path, {"traits": [NAME], "resource_provider_generation": 1})
    assert other.json() == {"traits": [NAME], "resource_provider_generation": 2}
    assert error(await placement.delete(f"/traits/{NAME}")) == (
        409,
        "placement.undefined_code",
        f"The trait {NAME} is in use by a resource provider.",
    )
    assert (await placement.delete(path)).status_code == 204
    assert (await placement.get(path)).json() == {"traits": [], "resource_provider_generation": 3}
    assert (await placement.delete(path)).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        {"traits": ["CUSTOM_NOWHERE"], "resource_provider_generation": 0},
        {"traits": []},
        {"traits": "COMPUTE_NODE", "resource_provider_generation": 0},
        {"traits": [""], "resource_provider_generation": 0},
        {"traits": [], "resource_provider_generation": 0, "more": 1},
    ],
)
async def test_what_cannot_be_said_of_a_provider(placement: Placement, body: Any) -> None:
    host = await placement.provider()
    assert error(await placement.put(f"/resource_providers/{host}/traits", body))[0] == 400


async def test_the_traits_of_nobody(placement: Placement) -> None:
    path = f"/resource_providers/{uuid4()}/traits"
    assert error(await placement.get(path))[0] == 404
    assert error(await placement.put(path, {"traits": [], "resource_provider_generation": 0}))[0] == 404
    assert error(await placement.delete(path))[0] == 404
