"""The data that comes with the package."""

from __future__ import annotations

import pytest

from pileus.kernel.facts import facts, services_with, versions


def test_facts_lie_beside_their_service():
    assert facts("cloud", "policies")["scope"] == ["system", "project"]
    assert facts("cloud", "policies") is facts("cloud", "policies"), "read once"
    with pytest.raises(FileNotFoundError):
        facts("cloud", "nothing")


def test_services_are_known_by_their_facts():
    assert services_with("policies") == ["cloud", "compute", "identity", "image", "network", "placement", "volume"]
    assert services_with("nothing") == []


@pytest.mark.parametrize(
    ("service", "range_"),
    [("compute", ("2.1", "2.104")), ("placement", ("1.0", "1.39")), ("volume", ("3.0", "3.71"))],
)
def test_the_microversions_we_speak(service, range_):
    assert versions(service) == range_
    assert set(range_) <= set(facts(service, "microversions")["changes"])
