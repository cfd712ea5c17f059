"""What Placement says of itself, of errors, and of when a thing was changed, at each microversion."""

from __future__ import annotations

import pytest

from support.placement import Placement, error


@pytest.mark.parametrize("path", ["", "/"])
async def test_the_root_tells_the_versions_to_anybody(placement: Placement, path: str) -> None:
    answer = await placement.at(None).http.get(path)
    assert answer.status_code == 200
    (version,) = answer.json()["versions"]
    assert version == {
        "id": "v1.0",
        "min_version": "1.0",
        "max_version": "1.39",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": ""}],
    }
    assert answer.headers["openstack-api-version"] == "placement 1.0"
    assert "cache-control" not in answer.headers
    dated = await placement.at("1.15").get(path)
    assert dated.headers["cache-control"] == "no-cache"
    assert dated.headers["last-modified"].endswith("GMT")


async def test_a_microversion_that_is_none_is_refused_with_those_that_are(placement: Placement) -> None:
    newer = await placement.at("1.40").get("/resource_providers")
    status, code, _ = error(newer)
    assert (status, code) == (406, None)
    assert newer.json()["errors"][0]["min_version"] == "1.0"
    assert newer.json()["errors"][0]["max_version"] == "1.39"
    assert (await placement.at("pony").get("/resource_providers")).status_code == 400
    latest = await placement.at("latest").get("/resource_providers")
    assert latest.headers["openstack-api-version"] == "placement 1.39"


async def test_an_error_has_a_code_from_1_23_on(placement: Placement) -> None:
    path = "/resource_providers/00000000-0000-4000-8000-000000000000"
    assert error(await placement.at("1.22").get(path))[:2] == (404, None)
    assert error(await placement.at("1.23").get(path)) == (
        404,
        "placement.undefined_code",
        "No resource provider with uuid 00000000-0000-4000-8000-000000000000 found",
    )


async def test_what_is_no_path_and_what_is_no_id(placement: Placement) -> None:
    assert (await placement.get("/elsewhere")).json()["errors"][0]["status"] == 404
    for name in ("x", "0" * 32, "00000000-0000-4000-8000-00000000000g"):
        status, _, detail = error(await placement.get(f"/resource_providers/{name}"))
        assert (status, detail) == (404, f"No resource provider with uuid {name} found")


async def test_what_is_of_a_later_microversion_is_not_there(placement: Placement) -> None:
    for version, method, path in [
        ("1.0", "GET", "/resource_providers/00000000-0000-4000-8000-000000000000/aggregates"),
        ("1.1", "GET", "/resource_classes"),
        ("1.5", "GET", "/traits"),
        ("1.8", "GET", "/usages"),
        ("1.9", "GET", "/allocation_candidates"),
        ("1.12", "POST", "/allocations"),
        ("1.29", "POST", "/reshaper"),
    ]:
        answer = await placement.as_("service").at(version).request(method, path, {} if method == "POST" else None)
        assert error(answer)[0] == 404, path
        assert "needs 1." in error(answer)[2]
