"""Flavors: sizes that an administrator makes and projects use."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import RunningCloud
from support.computed import a_flavor, at

FLAVORS = "/compute/v2.1/flavors"
SMALL = {"name": "small", "ram": 64, "vcpus": 1, "disk": 0}


async def made(cloud: RunningCloud, version: str = "2.1", **more: Any) -> dict[str, Any]:
    answer = await cloud.post(FLAVORS, json={"flavor": {**SMALL, **more}}, headers=at(version))
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["flavor"])


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [flavor["id"] for flavor in answer.json()["flavors"]]


async def test_a_new_cloud_has_the_flavors_that_everybody_expects(cloud: RunningCloud) -> None:
    reader = cloud.as_("reader")
    assert ids(await reader.get(FLAVORS)) == ["1", "2", "3", "4", "42", "5", "84"]
    assert (await reader.get("/compute/v2.1/flavors/42")).json()["flavor"]["ram"] == 192


async def test_a_flavor_is_made_shown_and_deleted(cloud: RunningCloud) -> None:
    ephemeral = {"OS-FLV-EXT-DATA:ephemeral": "3", "swap": "128", "rxtx_factor": "2.5"}
    flavor = await made(cloud, id="one", **ephemeral)
    expected = {
        "id": "one",
        "name": "small",
        "ram": 64,
        "vcpus": 1,
        "disk": 0,
        "swap": 128,
        "OS-FLV-EXT-DATA:ephemeral": 3,
        "OS-FLV-DISABLED:disabled": False,
        "os-flavor-access:is_public": True,
        "rxtx_factor": 2.5,
        "links": [
            {"rel": "self", "href": "http://cloud.test/compute/v2.1/flavors/one"},
            {"rel": "bookmark", "href": "http://cloud.test/compute/flavors/one"},
        ],
    }
    assert flavor == expected
    assert (await cloud.get("/compute/v2.1/flavors/one")).json() == {"flavor": expected}
    gone = await cloud.delete("/compute/v2.1/flavors/one")
    assert (gone.status_code, gone.content) == (202, b"")
    again = await cloud.delete("/compute/v2.1/flavors/one")
    assert again.json()["itemNotFound"]["message"] == "Flavor one could not be found."


async def test_what_a_flavor_shows_by_microversion(cloud: RunningCloud) -> None:
    flavor = await made(cloud, "2.55", description="A small one.")
    assert flavor["description"] == "A small one."
    assert flavor["swap"] == ""
    url = f"/compute/v2.1/flavors/{flavor['id']}"
    assert "description" not in (await cloud.get(url, headers=at("2.54"))).json()["flavor"]
    assert (await cloud.get(url, headers=at("2.61"))).json()["flavor"]["extra_specs"] == {}
    assert (await cloud.get(url, headers=at("2.75"))).json()["flavor"]["swap"] == 0
    newest = (await cloud.get(url, headers=at("2.102"))).json()["flavor"]
    assert not {"rxtx_factor", "OS-FLV-DISABLED:disabled"} & newest.keys()
    brief = (await cloud.get(FLAVORS, headers=at("2.55"))).json()["flavors"][0]
    assert brief.keys() == {"id", "name", "links", "description"}


async def test_a_description_can_be_changed_from_2_55_on(cloud: RunningCloud) -> None:
    body = {"flavor": {"description": "new"}}
    assert (await cloud.put("/compute/v2.1/flavors/1", json=body, headers=at("2.54"))).status_code == 404
    answer = await cloud.put("/compute/v2.1/flavors/1", json=body, headers=at("2.55"))
    assert answer.json()["flavor"]["description"] == "new"
    none = await cloud.put("/compute/v2.1/flavors/1", json={"flavor": {"description": None}}, headers=at("2.61"))
    assert none.json()["flavor"]["description"] is None
    missing = await cloud.put("/compute/v2.1/flavors/none", json=body, headers=at("2.55"))
    assert missing.status_code == 404
    refused = await cloud.as_("member").put("/compute/v2.1/flavors/1", json=body, headers=at("2.55"))
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": " x"},
        {"name": "x\n"},
        {"name": "x" * 256},
        {"ram": 0},
        {"ram": "many"},
        {"ram": 2**31},
        {"vcpus": 0},
        {"disk": -1},
        {"disk": 1.5},
        {"swap": -1},
        {"OS-FLV-EXT-DATA:ephemeral": -1},
        {"id": "a/b"},
        {"id": " a"},
        {"id": "x" * 256},
        {"rxtx_factor": 0},
        {"os-flavor-access:is_public": "perhaps"},
        {"description": "not yet"},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_a_flavor_that_is_none_is_refused(cloud: RunningCloud, wrong: dict[str, Any]) -> None:
    answer = await cloud.post(FLAVORS, json={"flavor": {**SMALL, **wrong}})
    assert (answer.status_code, answer.json()["badRequest"]["code"]) == (400, 400)


async def test_a_name_and_an_id_are_given_once(cloud: RunningCloud) -> None:
    await made(cloud, id=7)
    same_name = await cloud.post(FLAVORS, json={"flavor": {**SMALL}})
    assert same_name.json()["conflictingRequest"]["message"] == "Flavor with name small already exists."
    same_id = await cloud.post(FLAVORS, json={"flavor": {**SMALL, "name": "other", "id": "7"}})
    assert same_id.json()["conflictingRequest"]["message"] == "Flavor with ID 7 already exists."


async def test_only_an_administrator_makes_flavors(cloud: RunningCloud) -> None:
    for role in ("manager", "member", "reader"):
        assert (await cloud.as_(role).post(FLAVORS, json={"flavor": SMALL})).status_code == 403
        assert (await cloud.as_(role).delete("/compute/v2.1/flavors/1")).status_code == 403


async def test_the_list_is_filtered_sorted_and_paged(cloud: RunningCloud) -> None:
    assert ids(await cloud.get(f"{FLAVORS}?minRam=4096")) == ["3", "4", "5"]
    assert ids(await cloud.get(f"{FLAVORS}/detail?minDisk=80&sort_key=memory_mb&sort_dir=desc")) == ["5", "4"]
    first = await cloud.get(f"{FLAVORS}?limit=2&minRam=1024")
    assert ids(first) == ["2", "3"]
    (more,) = first.json()["flavors_links"]
    assert more == {"rel": "next", "href": "http://cloud.test/compute/v2.1/flavors?limit=2&minRam=1024&marker=3"}
    assert ids(await cloud.get(more["href"])) == ["4", "5"]
    assert "flavors_links" not in (await cloud.get(more["href"])).json()
    assert ids(await cloud.get(f"{FLAVORS}?limit=0")) == []
    assert ids(await cloud.get(f"{FLAVORS}?name=m1.nano")) == ["1", "2", "3", "4", "42", "5", "84"]
    assert ids(await cloud.get(f"{FLAVORS}?name=m1.nano", headers=at("2.102"))) == ["42"]


@pytest.mark.parametrize("query", ["marker=none", "limit=-1", "limit=x", "minRam=x", "sort_dir=up", "is_public=x"])
async def test_a_list_that_cannot_be_is_refused(cloud: RunningCloud, query: str) -> None:
    assert (await cloud.get(f"{FLAVORS}?{query}")).status_code == 400
    assert (await cloud.get(f"{FLAVORS}/detail?{query}")).status_code == 400


async def test_unknown_parameters_are_refused_from_2_75_on(cloud: RunningCloud) -> None:
    assert (await cloud.get(f"{FLAVORS}?colour=red", headers=at("2.74"))).status_code == 200
    assert (await cloud.get(f"{FLAVORS}?colour=red", headers=at("2.75"))).status_code == 400
    assert (await cloud.get("/compute/v2.1/flavors/1?colour=red", headers=at("2.101"))).status_code == 200
    assert (await cloud.get("/compute/v2.1/flavors/1?colour=red", headers=at("2.102"))).status_code == 400


# who may use it


async def test_a_private_flavor_is_seen_by_whom_it_was_given_to(cloud: RunningCloud) -> None:
    flavor = await made(cloud, id="secret", **{"os-flavor-access:is_public": "False"})
    member, access = cloud.as_("member"), "/compute/v2.1/flavors/secret/os-flavor-access"
    assert flavor["os-flavor-access:is_public"] is False
    assert (await member.get("/compute/v2.1/flavors/secret")).status_code == 404
    assert (await cloud.get(access)).json() == {"flavor_access": []}
    given = await cloud.post(
        "/compute/v2.1/flavors/secret/action", json={"addTenantAccess": {"tenant": member.project_id}}
    )
    expected = {"flavor_access": [{"flavor_id": "secret", "tenant_id": member.project_id}]}
    assert given.json() == expected == (await cloud.get(access)).json()
    assert (await member.get("/compute/v2.1/flavors/secret")).status_code == 200
    assert "secret" in ids(await member.get(FLAVORS))
    taken = await cloud.post(
        "/compute/v2.1/flavors/secret/action", json={"removeTenantAccess": {"tenant": member.project_id}}
    )
    assert taken.json() == {"flavor_access": []}
    assert "secret" not in ids(await member.get(FLAVORS))


async def test_an_administrator_lists_private_flavors_when_asking_for_them(cloud: RunningCloud) -> None:
    await made(cloud, id="secret", **{"os-flavor-access:is_public": False})
    assert "secret" not in ids(await cloud.get(FLAVORS))
    assert ids(await cloud.get(f"{FLAVORS}?is_public=False")) == ["secret"]
    assert "secret" in ids(await cloud.get(f"{FLAVORS}?is_public=None"))
    assert "secret" not in ids(await cloud.as_("reader").get(f"{FLAVORS}?is_public=None"))


async def test_access_that_makes_no_sense_is_refused(cloud: RunningCloud) -> None:
    project_id = cloud.as_("member").project_id
    await made(cloud, id="secret", **{"os-flavor-access:is_public": False})

    async def told(flavor: str, key: str, tenant: str, version: str = "2.7") -> int:
        url, body = f"/compute/v2.1/flavors/{flavor}/action", {key: {"tenant": tenant}}
        return (await cloud.post(url, json=body, headers=at(version))).status_code

    assert await told("secret", "addTenantAccess", "none") == 400
    assert await told("none", "addTenantAccess", project_id) == 404
    assert await told("1", "addTenantAccess", project_id) == 409
    assert await told("1", "addTenantAccess", project_id, "2.6") == 200
    assert await told("secret", "removeTenantAccess", project_id) == 404
    assert await told("secret", "addTenantAccess", project_id) == 200
    assert await told("secret", "addTenantAccess", project_id) == 409
    assert (await cloud.get("/compute/v2.1/flavors/1/os-flavor-access")).status_code == 404
    assert await told("secret", "nothing", project_id) == 400


async def test_a_deleted_project_is_given_nothing(cloud: RunningCloud) -> None:
    flavor_id = await a_flavor(cloud)
    created = await cloud.post("/identity/v3/projects", json={"project": {"name": "short"}})
    project_id = created.json()["project"]["id"]
    url = f"/compute/v2.1/flavors/{flavor_id}"
    await cloud.post(f"{url}/action", json={"addTenantAccess": {"tenant": project_id}})
    assert (await cloud.delete(f"/identity/v3/projects/{project_id}")).status_code == 204
    left = (await cloud.get(f"{url}/os-flavor-access")).json()["flavor_access"]
    assert [each["tenant_id"] for each in left] == [cloud.project_id]


# extra specs


async def test_extra_specs_are_set_changed_shown_and_deleted(cloud: RunningCloud) -> None:
    specs = "/compute/v2.1/flavors/1/os-extra_specs"
    answer = await cloud.post(specs, json={"extra_specs": {"key": "value", "number": 1}})
    assert answer.json() == {"extra_specs": {"key": "value", "number": 1}}
    assert (await cloud.get(specs)).json() == {"extra_specs": {"key": "value", "number": "1"}}
    changed = await cloud.put("/compute/v2.1/flavors/1/os-extra_specs/key", json={"key": "other"})
    assert changed.json() == {"key": "other"}
    reader = cloud.as_("reader")
    assert (await reader.get("/compute/v2.1/flavors/1/os-extra_specs/key")).json() == {"key": "other"}
    detail = (await reader.get("/compute/v2.1/flavors/1", headers=at("2.61"))).json()["flavor"]
    assert detail["extra_specs"] == {"key": "other", "number": "1"}
    gone = await cloud.delete("/compute/v2.1/flavors/1/os-extra_specs/key")
    assert (gone.status_code, gone.content) == (200, b"")
    for answer in (
        await cloud.get("/compute/v2.1/flavors/1/os-extra_specs/key"),
        await cloud.delete("/compute/v2.1/flavors/1/os-extra_specs/key"),
    ):
        assert answer.json()["itemNotFound"]["message"] == "Flavor 1 has no extra specs with key key."


@pytest.mark.parametrize("specs", [{"a/b": "x"}, {"": "x"}, {"x" * 256: "x"}, {"x": "y" * 256}, {"x": True}, {"x": []}])
async def test_extra_specs_that_are_none_are_refused(cloud: RunningCloud, specs: dict[str, Any]) -> None:
    answer = await cloud.post("/compute/v2.1/flavors/1/os-extra_specs", json={"extra_specs": specs})
    assert answer.status_code == 400


async def test_the_body_of_a_changed_spec_names_it_and_no_other(cloud: RunningCloud) -> None:
    url = "/compute/v2.1/flavors/1/os-extra_specs/key"
    for body in ({}, {"other": "x"}, {"key": "x", "other": "y"}):
        assert (await cloud.put(url, json=body)).status_code == 400
    assert (await cloud.put("/compute/v2.1/flavors/no/os-extra_specs/key", json={"key": "x"})).status_code == 404
    assert (await cloud.as_("member").put(url, json={"key": "x"})).status_code == 403


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("hw:cpu_policy", "dedicated", True),
        ("hw:cpu_policy", "sharrred", False),
        ("hw:numa_nodes", "2", True),
        ("hw:numa_nodes", "none", False),
        ("hw:cpu_cores", "0", False),
        ("hw:cpu_dedicated_mask", "1-2,^1", True),
        ("hw:cpu_dedicated_mask", "most", False),
        ("hw:numa_cpus.0", "0-1", True),
        ("hw:numa_foo", "1", False),
        ("hw_rng:allowed", "true", True),
        ("hw_rng:allowed", "perhaps", False),
        ("resources:VCPU", "2", True),
        ("resources:CUSTOM_X", "x", False),
        ("trait:HW_CPU_X86_VMX", "required", True),
        ("trait:HW_CPU_X86_VMX", "wanted", False),
        ("foo:bar", "anything", True),
        ("bare", "anything", True),
    ],
)
async def test_known_extra_specs_are_checked_from_2_86_on(
    cloud: RunningCloud, name: str, value: str, good: bool
) -> None:
    url, body = "/compute/v2.1/flavors/1/os-extra_specs", {"extra_specs": {name: value}}
    assert (await cloud.post(url, json=body, headers=at("2.85"))).status_code == 200
    answer = await cloud.post(url, json=body, headers=at("2.86"))
    assert answer.status_code == (200 if good else 400)
    assert good or name in answer.json()["badRequest"]["message"]
