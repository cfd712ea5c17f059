"""/v2.0/rbac-policies: what the API accepts and shows; nothing of how it is done."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Ctx
from pileus.kernel.errors import BadRequest
from pileus.kernel.http import Body, Here, Query
from pileus.services.network.http import api, listed, made, only, owned, project_of, wanted
from pileus.services.network.rbac_policies import service
from pileus.services.network.rbac_policies.service import RbacPolicy

ALL, ONE = "/v2.0/rbac-policies", "/v2.0/rbac-policies/{rbac_policy_id}"

Text = Annotated[str, Meta(max_length=255)]


class NewPolicy(Body, frozen=True):
    object_type: Text
    object_id: UUID
    action: Text
    target_tenant: Text | UnsetType = UNSET
    target_project: Text | UnsetType = UNSET
    project_id: Text | UnsetType = UNSET
    tenant_id: Text | UnsetType = UNSET


class NewPolicies(Body, frozen=True):
    rbac_policy: NewPolicy | UnsetType = UNSET
    rbac_policies: list[NewPolicy] | UnsetType = UNSET


class Change(Body, frozen=True):
    target_tenant: Text | UnsetType = UNSET
    target_project: Text | UnsetType = UNSET


def target_of(body: NewPolicy | Change) -> str:
    """Raises BadRequest when none is named, or two."""
    named = {each for each in (body.target_project, body.target_tenant) if not isinstance(each, UnsetType)}
    if len(named) != 1:
        raise BadRequest("Failed to parse request. Required attribute 'target_tenant' not specified")
    return named.pop()


def policy_of(ctx: Ctx, body: NewPolicy) -> RbacPolicy:
    return RbacPolicy(
        id=ctx.world.ids.uuid(),
        project_id=project_of(ctx, body.project_id, body.tenant_id),
        object_type=service.read_type(body.object_type),
        object_id=body.object_id,
        action=body.action,
        target_project=target_of(body),
    )


def shown(policy: RbacPolicy) -> dict[str, Any]:
    return {
        "id": policy.id,
        "object_type": policy.object_type,
        "object_id": policy.object_id,
        "action": policy.action,
        "target_tenant": policy.target_project,
        **owned(policy.project_id),
    }


@api.post(ALL, rule="create_rbac_policy", status=201)
async def create_policies(ctx: Ctx, body: NewPolicies) -> dict[str, Any]:
    asked = wanted(body.rbac_policy, body.rbac_policies, "rbac_policy")
    found = await service.create(ctx, [policy_of(ctx, each) for each in asked])
    return made(body.rbac_policy, "rbac_policy", "rbac_policies", [shown(each) for each in found])


@api.get(ALL, rule="get_rbac_policy")
async def list_policies(ctx: Ctx, query: Query, here: Here) -> dict[str, Any]:
    return listed(here, query, "rbac_policies", await service.page(ctx, query), shown)


@api.get(ONE, rule="get_rbac_policy", wrap="rbac_policy")
async def show_policy(ctx: Ctx, rbac_policy_id: UUID, query: Query) -> dict[str, Any]:
    return only(query, shown(await service.get(ctx, rbac_policy_id)))


@api.put(ONE, rule="update_rbac_policy", wrap="rbac_policy")
async def change_policy(ctx: Ctx, rbac_policy_id: UUID, body: Change) -> dict[str, Any]:
    await service.get(ctx, rbac_policy_id)
    return shown(await service.retarget(ctx, rbac_policy_id, target_of(body)))


@api.delete(ONE, rule="delete_rbac_policy", status=204)
async def delete_policy(ctx: Ctx, rbac_policy_id: UUID) -> None:
    await service.delete(ctx, rbac_policy_id)
