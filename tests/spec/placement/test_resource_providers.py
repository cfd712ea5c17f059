"""/resource_providers: who has what can be used, and their trees."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from pileus.services.placement.resource_providers import service
from support.placement import Placement, error

ID = "2b7b9a4e-0000-4000-8000-000000000001"
PATH = f"/resource_providers/{ID}"
RELATED = [("inventories", "1.0"), ("usages", "1.0"), ("aggregates", "1.1"), ("traits", "1.6"), ("allocations", "1.11")]


async def tree(placement: Placement, provider_id: str) -> tuple[str | None, str]:
    """Its parent and its root."""
    shown = (await placement.get(f"/resource_providers/{provider_id}")).json()
    return shown["parent_provider_uuid"], shown["root_provider_uuid"]


async def test_a_provider_from_its_making_to_its_end(placement: Placement) -> None:
    made = await placement.post("/resource_providers", {"name": "host", "uuid": ID})
    assert (made.status_code, made.headers["location"]) == (200, f"http://cloud.example/placement{PATH}")
    shown = {
        "uuid": ID,
        "name": "host",
        "generation": 0,
        "parent_provider_uuid": None,
        "root_provider_uuid": ID,
        "links": [
            {"rel": "self", "href": f"/placement{PATH}"},
            *({"rel": rel, "href": f"/placement{PATH}/{rel}"} for rel, _ in RELATED),
        ],
    }
    assert made.json() == shown
    assert (await placement.get(PATH)).json() == shown
    assert (await placement.get("/resource_providers")).json() == {"resource_providers": [shown]}
    renamed = await placement.put(PATH, {"name": "other"})
    assert (renamed.status_code, renamed.json()) == (200, {**shown, "name": "other"})
    assert (await placement.delete(PATH)).status_code == 204
    for answer in (
        await placement.get(PATH),
        await placement.put(PATH, {"name": "x"}),
        await placement.delete(PATH),
    ):
        assert error(answer) == (
            404,
            "placement.undefined_code",
            f"No resource provider with uuid {ID} found",
        )


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.6", "1.11", "1.13", "1.19"])
async def test_before_1_20_its_making_is_answered_by_its_place_alone(placement: Placement, version: str) -> None:
    old = placement.at(version)
    made = await old.post("/resource_providers", {"name": "host"})
    assert (made.status_code, made.text) == (201, "")
    path = made.headers["location"].removeprefix("http://cloud.example/placement")
    shown = (await old.get(path)).json()
    minor = int(version.partition(".")[2])
    wanted = [rel for rel, since in RELATED if int(since.partition(".")[2]) <= minor]
    assert [link["rel"] for link in shown["links"]] == ["self", *wanted]
    assert ("parent_provider_uuid" in shown) == (minor >= 14)
    assert ("last-modified" in (await old.get(path)).headers) == (minor >= 15)
    assert (await old.put(path, {"name": "renamed"})).json()["name"] == "renamed"


async def test_names_and_ids_are_given_once(placement: Placement) -> None:
    await placement.post("/resource_providers", {"name": "host", "uuid": ID})
    other = await placement.provider("other")
    for body, what in [
        ({"name": "host"}, "name: host"),
        ({"name": "new", "uuid": ID}, f"uuid: {ID}"),
        ({"name": "other", "uuid": ID.replace("-", "")}, f"uuid: {ID}, name: other"),
    ]:
        assert error(await placement.post("/resource_providers", body)) == (
            409,
            "placement.duplicate_name",
            f"Conflicting resource provider {what} already exists.",
        )
    taken = await placement.put(f"/resource_providers/{other}", {"name": "host"})
    assert error(taken)[:2] == (409, "placement.duplicate_name")
    assert (await placement.put(f"/resource_providers/{other}", {"name": "other"})).status_code == 200


@pytest.mark.parametrize(
    ("version", "body"),
    [
        ("1.39", {}),
        ("1.39", {"name": ""}),
        ("1.39", {"name": "x" * 201}),
        ("1.39", {"name": "host", "uuid": "host"}),
        ("1.39", {"name": "host", "colour": "red"}),
        ("1.39", {"name": "host", "parent_provider_uuid": str(uuid4())}),
        ("1.39", {"name": "host", "uuid": ID, "parent_provider_uuid": ID}),
        ("1.13", {"name": "host", "parent_provider_uuid": None}),
    ],
)
async def test_what_is_no_provider(placement: Placement, version: str, body: Any) -> None:
    assert error(await placement.at(version).post("/resource_providers", body))[0] == 400


async def test_providers_are_trees(placement: Placement) -> None:
    top = await placement.provider()
    middle = await placement.provider(parent=top)
    low = await placement.provider(parent=middle)
    assert [await tree(placement, each) for each in (top, middle, low)] == [(None, top), (top, top), (middle, top)]
    status, code, detail = error(await placement.delete(f"/resource_providers/{top}"))
    assert (status, code) == (409, "placement.resource_provider.cannot_delete_parent")
    assert f"Unable to delete parent resource provider {top}" in detail
    in_tree = (await placement.get(f"/resource_providers?in_tree={low}")).json()["resource_providers"]
    assert {each["uuid"] for each in in_tree} == {top, middle, low}
    for each in (low, middle, top):
        assert (await placement.delete(f"/resource_providers/{each}")).status_code == 204


async def test_a_root_gets_a_parent_from_1_14_on_and_another_from_1_37_on(placement: Placement) -> None:
    top, other = await placement.provider(), await placement.provider()
    middle = await placement.provider()
    low = await placement.provider(parent=middle)
    old, path = placement.at("1.36"), f"/resource_providers/{middle}"
    put = await old.put(path, {"name": "middle", "parent_provider_uuid": top})
    assert put.json()["root_provider_uuid"] == top
    assert await tree(placement, low) == (middle, top)
    assert (await old.put(path, {"name": "middle", "parent_provider_uuid": top})).status_code == 200
    for parent, how in ((other, "re-parenting"), (None, "un-parenting")):
        refused = error(await old.put(path, {"name": "middle", "parent_provider_uuid": parent}))
        assert refused[0] == 400
        assert f"{how} a provider is not currently allowed." in refused[2]
        moved = await placement.put(path, {"name": "middle", "parent_provider_uuid": parent})
        assert moved.json()["parent_provider_uuid"] == parent
        assert await tree(placement, low) == (middle, parent or middle)
    assert await placement.generation(middle) == 0
    for parent, why in ((low, "creating loop"), (middle, "creating loop"), (str(uuid4()), "does not exist")):
        refused = error(await placement.put(path, {"name": "middle", "parent_provider_uuid": parent}))
        assert refused[0] == 400
        assert why in refused[2]
    assert error(await placement.put(path, {"name": ""}))[0] == 400


async def test_what_is_used_is_not_deleted(placement: Placement) -> None:
    host = await placement.provider(VCPU=4)
    consumer = await placement.consumer({host: {"VCPU": 1}})
    refused = error(await placement.delete(f"/resource_providers/{host}"))
    assert refused[:2] == (409, "placement.resource_provider.inuse")
    await placement.delete(f"/allocations/{consumer}")
    assert (await placement.delete(f"/resource_providers/{host}")).status_code == 204


async def test_a_service_above_sees_to_it_that_there_is_a_provider(placement: Placement) -> None:
    host = str(uuid4())
    made = await service.ensure(placement.ctx, host, "host")
    assert made == await service.ensure(placement.ctx, host, "host")
    low = await service.ensure(placement.ctx, str(uuid4()), "numa", parent_id=host)
    assert low.root_id == host
