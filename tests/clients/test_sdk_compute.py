"""openstacksdk about what Compute has beside servers: the proxy and the cloud layer."""

from __future__ import annotations

import pytest
from openstack.connection import Connection
from openstack.exceptions import ConflictException, NotFoundException

from clients.conftest import Person
from support.computed import FINGERPRINT, PUBLIC_KEY
from support.sdk import ITS_OWN_WARNINGS

pytestmark = ITS_OWN_WARNINGS


def test_flavors(sdk: Connection, name: str) -> None:
    made = sdk.compute.create_flavor(name=name, ram=64, vcpus=1, disk=1, is_public=False)
    with pytest.raises(ConflictException):
        sdk.compute.create_flavor(name=name, ram=64, vcpus=1, disk=1)
    sdk.compute.create_flavor_extra_specs(made, {"hw:cpu_policy": "shared"})
    assert sdk.compute.get_flavor(made.id).extra_specs == {"hw:cpu_policy": "shared"}
    sdk.compute.flavor_add_tenant_access(made.id, sdk.current_project_id)
    assert sdk.compute.get_flavor_access(made.id)[0]["tenant_id"] == sdk.current_project_id
    assert {flavor.name for flavor in sdk.compute.flavors(limit=2)} >= {name, "m1.tiny"}, "all pages are read"
    sdk.compute.delete_flavor(made.id)
    assert sdk.compute.find_flavor(name) is None


def test_key_pairs(sdk: Connection, name: str) -> None:
    made = sdk.compute.create_keypair(name=name, public_key=PUBLIC_KEY)
    assert (made.fingerprint, made.type) == (FINGERPRINT, "ssh")
    assert name in [keypair.name for keypair in sdk.compute.keypairs()]
    sdk.compute.delete_keypair(name)
    with pytest.raises(NotFoundException):
        sdk.compute.get_keypair(name)


def test_hosts_and_aggregates(sdk: Connection, name: str) -> None:
    (host,) = sdk.compute.hypervisors(details=True)
    assert (host.name, host.state, host.status) == ("h1", "up", "enabled")
    aggregate = sdk.compute.create_aggregate(name=name, availability_zone=name)
    assert sdk.compute.add_host_to_aggregate(aggregate, "h1").hosts == ["h1"]
    assert name in [zone.name for zone in sdk.compute.availability_zones()]
    sdk.compute.set_aggregate_metadata(aggregate, {"ssd": "true"})
    assert sdk.compute.get_aggregate(aggregate).metadata["ssd"] == "true"
    sdk.compute.remove_host_from_aggregate(aggregate, "h1")
    sdk.compute.delete_aggregate(aggregate)
    (service,) = sdk.compute.services()
    assert (service.host, service.binary, service.state) == ("h1", "nova-compute", "up")
    assert sdk.compute.disable_service(service, disabled_reason="mending").disabled_reason == "mending"
    assert sdk.compute.enable_service(service).status == "enabled"
    assert sdk.compute.update_service_forced_down(service).state == "down"
    assert sdk.compute.update_service_forced_down(service, forced=False).is_forced_down is False


def test_groups_quotas_and_limits(sdk: Connection, person: Person, name: str) -> None:
    group = sdk.compute.create_server_group(name=name, policy="soft-affinity")
    assert sdk.compute.get_server_group(group.id).policy == "soft-affinity"
    sdk.compute.delete_server_group(group.id)
    sdk.set_compute_quotas(person.project_id, cores=3)
    assert sdk.get_compute_quotas(person.project_id).cores == 3
    sdk.delete_compute_quotas(person.project_id)
    assert sdk.get_compute_limits().max_total_cores == 20
    assert sdk.compute.get_usage(person.project_id).total_vcpus_usage is None
    assert person.project_id not in {usage.project_id for usage in sdk.compute.usages()}
