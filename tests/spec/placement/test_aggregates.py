"""/resource_providers/{uuid}/aggregates: who belongs together."""

from __future__ import annotations

from uuid import uuid4

from support.placement import Placement, error

A, B = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"


async def test_aggregates_are_a_list_before_1_19(placement: Placement) -> None:
    host = await placement.provider()
    old, path = placement.at("1.18"), f"/resource_providers/{host}/aggregates"
    assert (await old.get(path)).json() == {"aggregates": []}
    put = await old.put(path, [B, A.replace("-", "").upper()])
    assert (put.status_code, put.json()) == (200, {"aggregates": [B, A]})
    assert (await old.get(path)).json() == {"aggregates": [A, B]}
    assert await placement.generation(host) == 0
    assert (await old.put(path, [])).json() == {"aggregates": []}


async def test_they_are_set_at_a_generation_from_1_19_on(placement: Placement) -> None:
    host = await placement.provider()
    path = f"/resource_providers/{host}/aggregates"
    put = await placement.put(path, {"aggregates": [A], "resource_provider_generation": 0})
    assert put.json() == {"aggregates": [A], "resource_provider_generation": 1}
    assert (await placement.get(path)).json() == put.json()
    stale = await placement.put(path, {"aggregates": [], "resource_provider_generation": 0})
    assert error(stale)[:2] == (409, "placement.concurrent_update")


async def test_what_is_no_list_of_aggregates(placement: Placement) -> None:
    host = await placement.provider()
    path = f"/resource_providers/{host}/aggregates"
    for version, body in [
        ("1.1", [A, A]),
        ("1.1", ["a"]),
        ("1.1", {"aggregates": [], "resource_provider_generation": 0}),
        ("1.19", [A]),
        ("1.19", {"aggregates": [A]}),
        ("1.19", {"aggregates": [A, A], "resource_provider_generation": 0}),
    ]:
        assert error(await placement.at(version).put(path, body))[0] == 400, body
    nowhere = f"/resource_providers/{uuid4()}/aggregates"
    assert error(await placement.get(nowhere))[0] == 404
    assert error(await placement.put(nowhere, {"aggregates": [], "resource_provider_generation": 0}))[0] == 404
