"""openstacksdk about resource providers, what they have and give, traits, classes and allocations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from openstack.connection import Connection
from openstack.exceptions import ConflictException

from support.sdk import ITS_OWN_WARNINGS

pytestmark = ITS_OWN_WARNINGS


@pytest.fixture
def provider(sdk: Connection, name: str) -> Iterator[Any]:
    """With four VCPU."""
    made = sdk.placement.create_resource_provider(name=name)
    sdk.placement.create_resource_provider_inventory(made, "VCPU", total=4, resource_provider_generation=0)
    yield made
    sdk.placement.delete_resource_provider(made, ignore_missing=False)
    assert sdk.placement.find_resource_provider(name) is None


def test_the_hosts_are_providers(sdk: Connection) -> None:
    (host,) = sdk.placement.resource_providers(name="h1")
    assert {each.resource_class for each in sdk.placement.resource_provider_inventories(host)} >= {"VCPU", "MEMORY_MB"}


def test_a_provider_and_what_it_has(sdk: Connection, provider: Any, name: str) -> None:
    placement = sdk.placement
    found = placement.find_resource_provider(name)
    assert placement.update_resource_provider(found, name=f"{name}x").name == f"{name}x"
    placement.update_resource_provider(found, name=name)
    custom = placement.create_resource_class(name=f"CUSTOM_{name.upper()}")
    assert custom.name in {each.name for each in placement.resource_classes()}
    placement.create_resource_provider_inventory(provider, custom, total=2, resource_provider_generation=1)
    with pytest.raises(ConflictException):
        placement.delete_resource_class(custom, ignore_missing=False)
    placement.delete_resource_provider_inventory(custom.name, provider)
    placement.delete_resource_class(custom, ignore_missing=False)
    trait = placement.create_trait(f"CUSTOM_{name.upper()}")
    assert [each.id for each in placement.traits(name=f"in:{trait.id}")] == [trait.id]
    of_it = placement.get_resource_provider_trait(provider)
    placement.set_resource_provider_trait(of_it, traits=[trait.id])
    assert placement.get_resource_provider_trait(provider).traits == [trait.id]
    placement.delete_resource_provider_trait(provider)
    placement.delete_trait(trait, ignore_missing=False)
    aggregate = str(uuid4())
    placement.set_resource_provider_aggregates(placement.get_resource_provider(provider), aggregate)
    assert [each.id for each in placement.resource_providers(member_of=aggregate)] == [provider.id]


def test_it_gives_what_it_has(sdk: Connection, provider: Any) -> None:
    placement, consumer = sdk.placement, str(uuid4())
    (candidate,) = placement.allocation_candidates(resources="VCPU:3", in_tree=provider.id)
    assert list(candidate.allocations) == [provider.id]
    taken = {
        "allocations": {provider.id: {"resources": {"VCPU": 3}}},
        "project_id": sdk.current_project_id,
        "user_id": sdk.current_user_id,
        "consumer_type": "INSTANCE",
        "consumer_generation": None,
    }
    placement.update_allocation(consumer, **taken)
    assert placement.get_allocation(consumer).allocations[provider.id]["resources"] == {"VCPU": 3}
    assert [each.resources for each in placement.resource_provider_allocations(provider)] == [{"VCPU": 3}]
    assert placement.fetch_resource_provider_usages(provider).usages == {"VCPU": 3}
    assert list(placement.usages(sdk.current_project_id))
    with pytest.raises(ConflictException):
        placement.create_allocations({str(uuid4()): taken})
    placement.delete_allocation(consumer, ignore_missing=False)
    assert placement.get_allocation(consumer).allocations == {}
