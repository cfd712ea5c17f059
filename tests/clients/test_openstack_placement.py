"""openstackclient, with osc-placement, about resource providers, what they have and give, traits, classes and allocations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest

from clients.conftest import Openstack


@pytest.fixture
def placement(admin: Openstack) -> Openstack:
    """At a microversion that knows all of it; the command's own default is the oldest."""
    return replace(admin, options=(*admin.options, "--os-placement-api-version=1.29"))


@pytest.fixture
def provider(placement: Openstack, name: str) -> Iterator[str]:
    """With four VCPU."""
    made = placement.shows(f"resource provider create {name}")["uuid"]
    placement(f"resource provider inventory set {made} --resource VCPU=4")
    yield made
    placement(f"resource provider delete {made}")
    assert name not in placement.column("resource provider list", "name")


def test_the_hosts_are_providers(placement: Openstack) -> None:
    (host,) = placement.column("resource provider list --name h1", "uuid")
    assert {"VCPU", "MEMORY_MB"} <= set(placement.column(f"resource provider inventory list {host}", "resource_class"))


def test_a_provider_and_what_it_has(placement: Openstack, provider: str, name: str) -> None:
    assert placement.shows(f"resource provider set {provider} --name {name}x")["name"] == f"{name}x"
    assert placement.shows(f"resource provider set {provider} --name {name}")["name"] == name
    custom = f"CUSTOM_{name.upper()}"
    placement(f"resource class create {custom}")
    assert custom in placement.column("resource class list", "name")
    placement(f"resource provider inventory set {provider} --resource VCPU=4 --resource {custom}=1")
    placement(f"resource provider inventory class set {provider} {custom} --total 2")
    assert placement.shows(f"resource provider inventory show {provider} {custom}")["total"] == 2
    assert "in use" in placement.is_refused(f"resource class delete {custom}").lower()
    placement(f"resource provider inventory delete {provider} --resource-class {custom}")
    placement(f"resource class delete {custom}")
    placement(f"trait create {custom}")
    placement(f"resource provider trait set {provider} --trait {custom}")
    assert placement.column(f"resource provider trait list {provider}", "name") == [custom]
    placement(f"resource provider trait delete {provider}")
    placement(f"trait delete {custom}")
    aggregate, generation = uuid4(), placement.shows(f"resource provider show {provider}")["generation"]
    placement(f"resource provider aggregate set {provider} --aggregate {aggregate} --generation {generation}")
    assert placement.column(f"resource provider list --member-of {aggregate}", "uuid") == [provider]


def test_it_gives_what_it_has(placement: Openstack, provider: str) -> None:
    consumer, project, user = uuid4(), uuid4().hex, uuid4().hex
    found = placement.column("allocation candidate list --resource VCPU=3", "resource provider")
    assert provider in found
    whose = f"--project-id {project} --user-id {user}"
    placement(f"resource provider allocation set {consumer} --allocation rp={provider},VCPU=3 {whose}")
    assert placement.column(f"resource provider usage show {provider}", "usage") == [3]
    assert placement.column(f"resource usage show {project}", "usage") == [3]
    assert provider not in placement.column("allocation candidate list --resource VCPU=3", "resource provider")
    placement(f"resource provider allocation delete {consumer}")
    assert placement.column(f"resource provider usage show {provider}", "usage") == [0]
