"""RBAC policies: what the API and the nouns whose things can be shared may ask for.

A noun whose things can be shared declares so at import:

    @rbac_policies.shares("security_group")
    async def owner(ctx: Ctx, group_id: UUID) -> str | None: ...          # the project of one, whoever asks

    @owner.users
    async def users(ctx: Ctx, group_id: UUID) -> set[str]: ...            # the projects that use it now

    @owner.touched
    async def touch(ctx: Ctx, group_id: UUID) -> None: ...                # its revision goes up

and asks `objects_for` for what others share with a project.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from uuid import UUID

import msgspec

from pileus.kernel.changes import changed
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict, NotFound
from pileus.kernel.events import Verb
from pileus.kernel.http import Query
from pileus.kernel.quota import claim
from pileus.services.identity.projects import service as projects
from pileus.services.network.grounds import Seen, is_admin, owned_by, require
from pileus.services.network.http import no_such
from pileus.services.network.lists import Found
from pileus.services.network.quotas import RBAC_POLICIES, counted
from pileus.services.network.rbac_policies import store
from pileus.services.network.rbac_policies.rules import EXTERNAL, SHARED, check_action, check_target, invalid, read_type
from pileus.services.network.rbac_policies.store import (
    EVERYBODY,
    RbacPolicy,
    count_of,
    names_of,
    objects_for,
    remove_of,
)

__all__ = [
    "EVERYBODY",
    "EXTERNAL",
    "KIND",
    "SHARED",
    "RbacPolicy",
    "count_of",
    "create",
    "delete",
    "delete_of",
    "get",
    "names_of",
    "objects_for",
    "page",
    "policies_of",
    "read_type",
    "remove_of",
    "retarget",
    "share",
    "shared_among",
    "shares",
    "unshare",
]

KIND = "network.rbac_policy"
Owner = Callable[[Ctx, UUID], Awaitable[str | None]]
Users = Callable[[Ctx, UUID], Awaitable[set[str]]]
Touch = Callable[[Ctx, UUID], Awaitable[None]]


class Shareable:
    """A noun whose things can be shared. `owner` gives the project of one; None when there is no such thing."""

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.users_run: Users | None = None
        self.touch_run: Touch | None = None

    def users(self, call: Users) -> Users:
        """Declare which projects use a thing now: a policy without which they could not does not go."""
        self.users_run = call
        return call

    def touched(self, call: Touch) -> Touch:
        """Declare what happens to a thing, in the open transaction, when who may use it changes."""
        self.touch_run = call
        return call


_shareable: dict[str, Shareable] = {}


def shares(object_type: str) -> Callable[[Owner], Shareable]:
    """Declare that things of this type can be shared. Raises ValueError for one that is declared already."""

    def declare(owner: Owner) -> Shareable:
        if object_type in _shareable:
            raise ValueError(f"{object_type} is declared twice")
        _shareable[object_type] = made = Shareable(owner)
        return made

    return declare


visible = Seen("get_rbac_policy", store.policies.c.project_id)


async def get(ctx: Ctx, policy_id: UUID) -> RbacPolicy:
    """One that the caller may see. Raises NotFound."""
    found = await store.find(ctx, policy_id, visible(ctx))
    if found is None:
        raise missing(policy_id)
    return found


def missing(policy_id: object) -> NotFound:
    return no_such("rbac_policy", policy_id)


async def page(ctx: Ctx, query: Query) -> Found[RbacPolicy]:
    """Those that the caller may see and the query string asks for. Raises BadRequest."""
    return await store.page(ctx, query, visible(ctx))


async def create(ctx: Ctx, several: Sequence[RbacPolicy]) -> list[RbacPolicy]:
    """Let others use what belongs to the caller's project; an administrator may for anybody. All of it or nothing.

    Raises BadRequest, NotFound, Forbidden, Conflict, OverQuota.
    """
    async with ctx.transaction() as ctx:
        for policy in several:
            await _create(ctx, policy)
    return list(several)


async def _create(ctx: Ctx, policy: RbacPolicy) -> None:
    check_action(policy.object_type, policy.action)
    check_target(policy.target_project)
    async with ctx.transaction() as ctx:
        ctx.require(owned_by(policy.project_id))
        _check_wildcard(ctx, "create", policy)
        await _check_owner(ctx, policy)
        await projects.hold(ctx, policy.project_id)
        await claim(ctx, RBAC_POLICIES, policy.project_id, wanted=1, used=count_of)
        await _hold(ctx, policy)
        await _add(ctx, policy)


async def retarget(ctx: Ctx, policy_id: UUID, target_project: str) -> RbacPolicy:
    """Let another project do it instead. Raises NotFound, BadRequest, Forbidden, Conflict."""
    check_target(target_project)
    async with ctx.transaction() as ctx:
        before = await get(ctx, policy_id)
        after = msgspec.structs.replace(before, target_project=target_project)
        require(ctx, before.project_id, missing(policy_id))
        _check_wildcard(ctx, "update", after)
        await _check_owner(ctx, before)
        await _hold(ctx, before)
        if after != before:
            if target_project != EVERYBODY:
                await _check_unused(ctx, before)
            await _check_new(ctx, after)
            await store.change(ctx, policy_id, target_project)
            await _touch(ctx, after, "updated")
    return after


async def delete(ctx: Ctx, policy_id: UUID) -> None:
    """Raises NotFound, Forbidden; Conflict when a project uses the object and could not without it."""
    async with ctx.transaction() as ctx:
        policy = await get(ctx, policy_id)
        require(ctx, policy.project_id, missing(policy_id))
        await _hold(ctx, policy)
        await _check_unused(ctx, policy)
        await _remove(ctx, policy)


def _check_wildcard(ctx: Ctx, verb: str, policy: RbacPolicy) -> None:
    target = {"target_project": policy.target_project, "project_id": policy.project_id}
    ctx.world.policy.check(f"{verb}_rbac_policy:target_project", ctx.caller, target)


async def _check_owner(ctx: Ctx, policy: RbacPolicy) -> None:
    """What is not the caller's reads as what is not there. Raises BadRequest; to administrators, NotFound."""
    known = _shareable.get(policy.object_type)
    owner_id = await known.owner(ctx, policy.object_id) if known is not None else None
    if is_admin(ctx):
        if owner_id is None:
            raise NotFound(f"Object {policy.object_id} not found.", type="ObjectNotFound")
    elif owner_id is None or owner_id != ctx.caller.project_id:
        raise invalid("Only admins can manipulate policies on objects they do not own")


async def _check_new(ctx: Ctx, policy: RbacPolicy) -> None:
    if await store.same(ctx, policy):
        raise Conflict("An RBAC policy already exists with those values.", type="DuplicateRbacPolicy")


async def _check_unused(ctx: Ctx, policy: RbacPolicy) -> None:
    """Raises Conflict when somebody uses the object by this policy and by no other."""
    known = _shareable.get(policy.object_type)
    if policy.action != SHARED or known is None or known.users_run is None:
        return
    others = {
        each.target_project
        for each in await store.of_objects(ctx, policy.object_type, [policy.object_id])
        if each.action == SHARED and each.id != policy.id
    }
    others.add(await known.owner(ctx, policy.object_id) or "")
    if EVERYBODY in others:
        return
    using = await known.users_run(ctx, policy.object_id) - others
    if (policy.target_project == EVERYBODY and using) or policy.target_project in using:
        raise Conflict(
            f"RBAC policy on object {policy.object_id} cannot be removed because other objects depend on it.\n"
            f"Details: project_id={policy.target_project}",
            type="RbacPolicyInUse",
        )


async def _hold(ctx: Ctx, policy: RbacPolicy) -> None:
    """Who decides by whom an object may be used, or begins to use it, comes one after the other."""
    await ctx.lock("network_rbac", policy.object_id)


async def _add(ctx: Ctx, policy: RbacPolicy) -> None:
    await _check_new(ctx, policy)
    await store.add(ctx, policy)
    await _touch(ctx, policy, "created")


async def _remove(ctx: Ctx, policy: RbacPolicy) -> None:
    await store.remove(ctx, policy.id)
    await _touch(ctx, policy, "deleted")


async def _touch(ctx: Ctx, policy: RbacPolicy, verb: Verb) -> None:
    await changed(ctx, KIND, verb, policy.id, project_id=policy.project_id)
    known = _shareable.get(policy.object_type)
    if known is not None and known.touch_run is not None:
        await known.touch_run(ctx, policy.object_id)


# For the nouns whose things can be shared


async def share(
    ctx: Ctx, object_type: str, object_id: UUID, project_id: str, action: str = SHARED, *, new: bool = False
) -> None:
    """In the open transaction: everybody may use the thing, which is `project_id`'s. May be repeated.

    `new`: it was just made so, and need not be touched.
    """
    policy = RbacPolicy(
        id=ctx.world.ids.uuid(),
        project_id=project_id,
        object_type=object_type,
        object_id=object_id,
        action=action,
        target_project=EVERYBODY,
    )
    if new:
        await store.add(ctx, policy)
        await changed(ctx, KIND, "created", policy.id, project_id=project_id)
        return
    await _hold(ctx, policy)
    if await store.same(ctx, policy) is None:
        await _add(ctx, policy)


async def unshare(ctx: Ctx, object_type: str, object_id: UUID, action: str = SHARED) -> None:
    """In the open transaction: not everybody any more. Raises Conflict when somebody uses it and could not then."""
    for policy in await store.of_objects(ctx, object_type, [object_id]):
        if policy.action == action and policy.target_project == EVERYBODY:
            await _hold(ctx, policy)
            await _check_unused(ctx, policy)
            await _remove(ctx, policy)


async def shared_among(
    ctx: Ctx, object_type: str, object_ids: Collection[UUID], action: str = SHARED, *, everybody: bool = False
) -> set[UUID]:
    """Those of these things that are shared with the caller's project (or, if said, with everybody)."""
    if not object_ids:
        return set()
    targets = {EVERYBODY} if everybody else {EVERYBODY, ctx.caller.project_id}
    found = await store.of_objects(ctx, object_type, object_ids)
    return {each.object_id for each in found if each.action == action and each.target_project in targets}


async def policies_of(ctx: Ctx, object_type: str, object_ids: Collection[UUID]) -> list[RbacPolicy]:
    """The policies about these things, whoever asks."""
    return await store.of_objects(ctx, object_type, object_ids)


async def delete_of(ctx: Ctx, project_ids: Sequence[str]) -> int:
    """Delete those that belong to these projects. Returns how many."""
    return await store.delete_of(ctx, project_ids)


counted(RBAC_POLICIES, count_of)
