"""/v3/policies and OS-ENDPOINT-POLICY: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.http import Answer, Here, Query
from pileus.services.identity.endpoints import service as endpoints
from pileus.services.identity.http import (
    api,
    by_id,
    changes,
    cloud,
    collection,
    divided,
    given,
    listed,
    member,
    require,
)
from pileus.services.identity.policies import service
from pileus.services.identity.policies.service import Place, Policy

Kind = Annotated[str, Meta(max_length=255)]

OF_POLICY = "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY"
FOR_ENDPOINT = OF_POLICY + "/endpoints/{endpoint_id}"
FOR_SERVICE = OF_POLICY + "/services/{service_id}"
FOR_REGION = FOR_SERVICE + "/regions/{region_id}"


class CreatePolicy(msgspec.Struct):
    type: Kind
    blob: str


class ChangePolicy(msgspec.Struct):
    type: Kind | UnsetType = UNSET
    blob: str | UnsetType = UNSET


def shown(policy: Policy) -> dict[str, Any]:
    return {**policy.extra, "id": policy.id, "type": policy.type, "blob": policy.blob}


def document(here: Here, policy: Policy) -> dict[str, Any]:
    return member(here, "policies", shown(policy))


@api.get("/v3/policies", rule="identity:list_policies")
async def list_policies(ctx: Ctx, query: Query, here: Here) -> Answer:
    require(ctx, {})
    return listed(here, "policies", shown, await service.page(ctx, query))


@api.post("/v3/policies", rule="identity:create_policy", wrap="policy", status=201)
async def create_policy(ctx: Ctx, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, {})
    sent, extra = divided(body, CreatePolicy, "policy")
    return document(here, await service.create(ctx, sent.type, sent.blob, extra))


@api.get("/v3/policies/{policy_id}", rule="identity:get_policy", wrap="policy")
async def show_policy(ctx: Ctx, policy_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(policy=policy_id))
    return document(here, await service.get(ctx, policy_id))


@api.patch("/v3/policies/{policy_id}", rule="identity:update_policy", wrap="policy")
async def change_policy(ctx: Ctx, policy_id: str, body: dict[str, Any], here: Here) -> dict[str, Any]:
    require(ctx, by_id(policy=policy_id))
    sent, extra = changes(body, ChangePolicy, "policy", policy_id)
    return document(here, await service.change(ctx, policy_id, given(sent), extra))


@api.delete("/v3/policies/{policy_id}", rule="identity:delete_policy", status=204)
async def delete_policy(ctx: Ctx, policy_id: str) -> None:
    require(ctx, by_id(policy=policy_id))
    await service.delete(ctx, policy_id)


@api.get(
    "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", rule="identity:get_policy_for_endpoint", wrap="policy"
)
async def show_policy_of_endpoint(ctx: Ctx, endpoint_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(endpoint=endpoint_id))
    return document(here, await service.of_endpoint(ctx, endpoint_id))


@api.get(OF_POLICY + "/endpoints", rule="identity:list_endpoints_for_policy")
async def list_endpoints_of_policy(ctx: Ctx, policy_id: str, here: Here) -> dict[str, Any]:
    require(ctx, by_id(policy=policy_id))
    found = await service.endpoints_of(ctx, policy_id)
    return collection(here, "endpoints", [endpoints.shown(each, cloud(here)) for each in found])


@api.put(FOR_ENDPOINT, rule="identity:create_policy_association_for_endpoint", status=204)
async def associate_endpoint(ctx: Ctx, policy_id: str, endpoint_id: str) -> None:
    require(ctx, by_id(policy=policy_id, endpoint=endpoint_id))
    await service.associate(ctx, policy_id, Place(endpoint_id=endpoint_id))


@api.get(FOR_ENDPOINT, rule="identity:check_policy_association_for_endpoint", status=204)
async def check_endpoint(ctx: Ctx, policy_id: str, endpoint_id: str) -> None:
    require(ctx, by_id(policy=policy_id, endpoint=endpoint_id))
    await service.check(ctx, policy_id, Place(endpoint_id=endpoint_id))


@api.delete(FOR_ENDPOINT, rule="identity:delete_policy_association_for_endpoint", status=204)
async def dissociate_endpoint(ctx: Ctx, policy_id: str, endpoint_id: str) -> None:
    require(ctx, by_id(policy=policy_id, endpoint=endpoint_id))
    await service.dissociate(ctx, policy_id, Place(endpoint_id=endpoint_id))


@api.put(FOR_SERVICE, rule="identity:create_policy_association_for_service", status=204)
async def associate_service(ctx: Ctx, policy_id: str, service_id: str) -> None:
    require(ctx, by_id(policy=policy_id, service=service_id))
    await service.associate(ctx, policy_id, Place(service_id=service_id))


@api.get(FOR_SERVICE, rule="identity:check_policy_association_for_service", status=204)
async def check_service(ctx: Ctx, policy_id: str, service_id: str) -> None:
    require(ctx, by_id(policy=policy_id, service=service_id))
    await service.check(ctx, policy_id, Place(service_id=service_id))


@api.delete(FOR_SERVICE, rule="identity:delete_policy_association_for_service", status=204)
async def dissociate_service(ctx: Ctx, policy_id: str, service_id: str) -> None:
    require(ctx, by_id(policy=policy_id, service=service_id))
    await service.dissociate(ctx, policy_id, Place(service_id=service_id))


@api.put(FOR_REGION, rule="identity:create_policy_association_for_region_and_service", status=204)
async def associate_region(ctx: Ctx, policy_id: str, service_id: str, region_id: str) -> None:
    require(ctx, by_id(policy=policy_id, service=service_id, region=region_id))
    await service.associate(ctx, policy_id, Place(service_id=service_id, region_id=region_id))


@api.get(FOR_REGION, rule="identity:check_policy_association_for_region_and_service", status=204)
async def check_region(ctx: Ctx, policy_id: str, service_id: str, region_id: str) -> None:
    require(ctx, by_id(policy=policy_id, service=service_id, region=region_id))
    await service.check(ctx, policy_id, Place(service_id=service_id, region_id=region_id))


@api.delete(FOR_REGION, rule="identity:delete_policy_association_for_region_and_service", status=204)
async def dissociate_region(ctx: Ctx, policy_id: str, service_id: str, region_id: str) -> None:
    require(ctx, by_id(policy=policy_id, service=service_id, region=region_id))
    await service.dissociate(ctx, policy_id, Place(service_id=service_id, region_id=region_id))
