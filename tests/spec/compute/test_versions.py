"""What Compute says of itself, of errors, and of paths that name a project."""

from __future__ import annotations

import pytest

from pileus.kernel.facts import versions
from support.cloud import RunningCloud
from support.computed import at

LOW, HIGH = versions("compute")


@pytest.mark.parametrize("path", ["/compute", "/compute/"])
async def test_the_root_tells_the_versions_to_anybody(cloud: RunningCloud, path: str) -> None:
    answer = await cloud.http.get(path)
    assert answer.status_code == 200
    old, now = answer.json()["versions"]
    assert (old["id"], old["version"], old["min_version"]) == ("v2.0", "", "")
    assert (now["id"], now["status"], now["version"], now["min_version"]) == ("v2.1", "CURRENT", HIGH, LOW)
    assert now["links"] == [{"rel": "self", "href": "http://cloud.test/compute/v2.1/"}]


@pytest.mark.parametrize(("path", "id_"), [("/v2.1/", "v2.1"), ("/v2.1", "v2.1"), ("/v2", "v2.0"), ("/v2/", "v2.0")])
async def test_each_version_has_its_document(cloud: RunningCloud, path: str, id_: str) -> None:
    document = (await cloud.http.get(f"/compute{path}")).json()["version"]
    assert document["id"] == id_
    assert [link["rel"] for link in document["links"]] == ["self", "describedby"]
    assert document["media-types"][0]["base"] == "application/json"


async def test_the_version_can_be_asked_for_in_both_ways_and_is_told_in_both(cloud: RunningCloud) -> None:
    for headers in ({"OpenStack-API-Version": "compute 2.61"}, {"X-OpenStack-Nova-API-Version": "2.61"}):
        answer = await cloud.get("/compute/v2.1/flavors", headers=headers)
        assert answer.headers["openstack-api-version"] == "compute 2.61"
        assert answer.headers["x-openstack-nova-api-version"] == "2.61"
        assert answer.headers["x-compute-request-id"] == answer.headers["x-openstack-request-id"]
    latest = await cloud.get("/compute/v2.1/flavors", headers={"OpenStack-API-Version": "compute latest"})
    assert latest.headers["openstack-api-version"] == f"compute {HIGH}"
    newer = await cloud.get("/compute/v2.1/flavors", headers=at("2.999"))
    assert newer.status_code == 406
    assert newer.json()["computeFault"]["code"] == 406


@pytest.mark.parametrize("version", ["v2.1", "v2"])
async def test_a_path_may_name_the_callers_project_and_links_then_do_too(cloud: RunningCloud, version: str) -> None:
    answer = await cloud.get(f"/compute/{version}/{cloud.project_id}/flavors/1")
    assert answer.status_code == 200
    own, bookmark = (link["href"] for link in answer.json()["flavor"]["links"])
    assert own == f"http://cloud.test/compute/{version}/{cloud.project_id}/flavors/1"
    assert bookmark == f"http://cloud.test/compute/{cloud.project_id}/flavors/1"
    plain = await cloud.get(f"/compute/{version}/flavors/1")
    assert plain.json()["flavor"]["links"][1]["href"] == "http://cloud.test/compute/flavors/1"


async def test_a_path_that_names_another_project_is_refused(cloud: RunningCloud) -> None:
    other = cloud.as_("member").project_id
    answer = await cloud.get(f"/compute/v2.1/{other}/flavors/1")
    assert answer.status_code == 400
    assert other in answer.json()["badRequest"]["message"]
    anonymous = await cloud.http.get(f"/compute/v2.1/{other}/flavors/1")
    assert anonymous.status_code == 401
    assert anonymous.json()["error"]["title"] == "Unauthorized"


async def test_faults_have_the_names_that_clients_know(cloud: RunningCloud) -> None:
    missing = await cloud.get("/compute/v2.1/flavors/none")
    assert missing.status_code == 404
    assert missing.json() == {"itemNotFound": {"code": 404, "message": "Flavor none could not be found."}}
    refused = await cloud.as_("member").delete("/compute/v2.1/flavors/1")
    assert refused.json()["forbidden"]["code"] == 403
    wrong = await cloud.put("/compute/v2.1/flavors", json={})
    assert wrong.json()["badMethod"]["code"] == 405
    unknown = await cloud.get("/compute/v2.1/nothing-of-that-name")
    assert unknown.status_code == 404


async def test_a_slash_at_the_end_leads_nowhere(cloud: RunningCloud) -> None:
    """A client that was given no id asks for nothing, and gets no list."""
    for path in ("/v2.1/flavors/", "/v2.1/os-simple-tenant-usage/", f"/v2.1/{cloud.project_id}/flavors/"):
        assert (await cloud.get(f"/compute{path}")).status_code == 404
