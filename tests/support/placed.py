"""Real things of Placement in a running cloud, and what its routes that write accept."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from pileus.services.placement.allocations import service as allocations
from pileus.services.placement.allocations.service import Claim
from pileus.services.placement.inventories import service as inventories
from pileus.services.placement.inventories.service import Inventory
from pileus.services.placement.resource_classes import service as resource_classes
from pileus.services.placement.resource_providers import service as providers
from pileus.services.placement.traits import service as traits
from support.cloud import RunningCloud

OWNER = {"project_id": "p" * 32, "user_id": "u" * 32}


async def a_provider(cloud: RunningCloud) -> str:
    """At generation 1, with something to give."""
    provider_id = str(uuid4())
    await providers.create(cloud.ctx(), provider_id, provider_id)
    await inventories.replace(cloud.ctx(), provider_id, {"VCPU": Inventory(8)})
    return provider_id


async def an_inventory(cloud: RunningCloud) -> str:
    return "VCPU"  # which each sampled provider has


async def a_resource_class(cloud: RunningCloud) -> str:
    name = f"CUSTOM_{uuid4().hex.upper()}"
    await resource_classes.create(cloud.ctx(), name)
    return name


async def a_trait(cloud: RunningCloud) -> str:
    name = f"CUSTOM_{uuid4().hex.upper()}"
    await traits.ensure(cloud.ctx(), name)
    return name


async def a_consumer(cloud: RunningCloud) -> str:
    """At generation 1."""
    consumer_id = str(uuid4())
    taking = Claim(resources={await a_provider(cloud): {"VCPU": 1}}, **OWNER)
    await allocations.replace(cloud.ctx(), {consumer_id: taking})
    return consumer_id


async def a_name(cloud: RunningCloud) -> Any:
    return {"name": uuid4().hex}


async def a_name_of_a_class(cloud: RunningCloud) -> Any:
    return {"name": f"CUSTOM_{uuid4().hex.upper()}"}


async def a_list(cloud: RunningCloud) -> Any:
    provider = {"resource_provider": {"uuid": await a_provider(cloud)}}
    return {"allocations": [{**provider, "resources": {"VCPU": 1}}]}


async def a_list_with_owner(cloud: RunningCloud) -> Any:
    return {**await a_list(cloud), **OWNER}


async def a_claim(cloud: RunningCloud) -> Any:
    return {"allocations": {await a_provider(cloud): {"resources": {"VCPU": 1}}}, **OWNER}


async def a_claim_at_a_generation(cloud: RunningCloud) -> Any:
    return {**await a_claim(cloud), "consumer_generation": 1}


async def a_typed_claim(cloud: RunningCloud) -> Any:
    return {**await a_claim_at_a_generation(cloud), "consumer_type": "INSTANCE"}


async def a_claim_of_somebody(cloud: RunningCloud) -> Any:
    return {str(uuid4()): await a_claim(cloud)}


async def a_claim_of_somebody_new(cloud: RunningCloud) -> Any:
    return {str(uuid4()): {**await a_claim(cloud), "consumer_generation": None}}


async def a_typed_claim_of_somebody_new(cloud: RunningCloud) -> Any:
    return {str(uuid4()): {**await a_claim(cloud), "consumer_generation": None, "consumer_type": "INSTANCE"}}


async def another_shape(cloud: RunningCloud) -> Any:
    shape = {"inventories": {"DISK_GB": {"total": 1}}, "resource_provider_generation": 1}
    return {"inventories": {await a_provider(cloud): shape}, "allocations": {}}


AT_ONE = {"resource_provider_generation": 1}
PUT, POST = "PUT /placement/allocations/{consumer_id}", "POST /placement/allocations"
BODIES: dict[str, Any] = {
    "POST /placement/resource_providers": a_name,
    "PUT /placement/resource_providers/{provider_id}": a_name,
    "PUT /placement/resource_providers/{provider_id}/aggregates": {"aggregates": [], **AT_ONE},
    "PUT /placement/resource_providers/{provider_id}/aggregates 1.1-1.18": [],
    "PUT /placement/resource_providers/{provider_id}/inventories": {"inventories": {}, **AT_ONE},
    "POST /placement/resource_providers/{provider_id}/inventories": {"resource_class": "DISK_GB", "total": 1},
    "PUT /placement/resource_providers/{provider_id}/inventories/{resource_class}": {"total": 1, **AT_ONE},
    "PUT /placement/resource_providers/{provider_id}/traits": {"traits": ["COMPUTE_NODE"], **AT_ONE},
    "POST /placement/resource_classes": a_name_of_a_class,
    "PUT /placement/resource_classes/{resource_class} 1.2-1.6": a_name_of_a_class,
    f"{PUT} 1.0-1.7": a_list,
    f"{PUT} 1.8-1.11": a_list_with_owner,
    f"{PUT} 1.12-1.27": a_claim,
    f"{PUT} 1.28-1.33": a_claim_at_a_generation,
    f"{PUT} 1.34-1.37": a_claim_at_a_generation,
    PUT: a_typed_claim,
    f"{POST} 1.13-1.27": a_claim_of_somebody,
    f"{POST} 1.28-1.33": a_claim_of_somebody_new,
    f"{POST} 1.34-1.37": a_claim_of_somebody_new,
    POST: a_typed_claim_of_somebody_new,
    "POST /placement/reshaper": another_shape,
}
"""What is accepted; with the microversions, where they differ."""
