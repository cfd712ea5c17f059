"""docs/api-coverage.md says what the tables of routes say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pileus.kernel.context import Version
from pileus.kernel.http.routes import FIRST, LAST
from pileus.world import SERVICES
from support import api_coverage


def test_the_page_is_as_it_would_be_written_now() -> None:
    assert api_coverage.PAGE.read_text() == api_coverage.text(), "script/api-coverage writes it"


def test_every_route_is_in_the_page() -> None:
    page = api_coverage.PAGE.read_text()
    for route in (route for service in SERVICES for route in service.routes):
        if api_coverage.is_gone(route):
            assert f"`{route.path.split('/')[2]}`" in page
        else:
            assert f"| {api_coverage.key(route)[1]} |" in page


@pytest.mark.parametrize(
    ("ranges", "written"),
    [
        ([((2, 1), (2, 35)), ((2, 36), LAST)], "2.1–"),
        ([((2, 1), (2, 35)), ((2, 37), (2, 60))], "2.1–2.35, 2.37–2.60"),
        ([(FIRST, LAST)], ""),
    ],
)
def test_neighbouring_ranges_of_microversions_are_one(ranges: list[tuple[Version, Version]], written: str) -> None:
    route = SERVICES[0].routes[0]
    routes = [replace(route, since=since, until=until) for since, until in ranges]
    assert api_coverage.versions_of(routes) == written
