"""People whom most things of a running cloud are none of their business, each with a token of one kind."""

from __future__ import annotations

from uuid import uuid4

from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.assignments.service import Assignment
from pileus.services.identity.methods import Proof
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.roles import service as roles
from pileus.services.identity.tokens import service as tokens
from pileus.services.identity.tokens.rules import Scope
from pileus.services.identity.users import service as users
from support.cloud import RunningCloud

Headers = dict[str, str]


async def living(cloud: RunningCloud) -> dict[str, Headers]:
    """Whose tokens are good, but not for this."""
    default, ctx = projects.DEFAULT, cloud.ctx()
    other = await projects.create(ctx, "another project", parent_id=None, domain_id=default, facts={})
    elsewhere = await projects.named(ctx, "elsewhere")
    assert elsewhere is not None
    return {
        "member of another project, in another domain": cloud.stranger,
        "manager of another project": await who_manages(cloud, default, Scope(project_id=other.id)),
        "manager of another domain": await who_manages(cloud, elsewhere.id, Scope(domain_id=elsewhere.id)),
        "somebody without a role": await token(cloud, await user(cloud, default), Scope()),
    }


async def dead(cloud: RunningCloud) -> dict[str, Headers]:
    """Tokens of the administrator: good for everything, once."""
    scope, now = Scope(project_id=cloud.project_id), int(cloud.ctx().now())
    expired = await token(cloud, cloud.user_id, scope, expires_at=now - 1)
    revoked = await token(cloud, cloud.user_id, scope)
    answer = await cloud.delete("/identity/v3/auth/tokens", headers={"X-Subject-Token": revoked["X-Auth-Token"]})
    assert answer.status_code == 204, answer.text
    return {"expired": expired, "revoked": revoked}


async def who_manages(cloud: RunningCloud, domain_id: str, scope: Scope) -> Headers:
    role = await roles.named(cloud.ctx(), "manager")
    assert role is not None
    user_id, kind = await user(cloud, domain_id), "project" if scope.project_id else "domain"
    await assignments.grant(cloud.ctx(), Assignment(user_id, str(scope.target_id), role.id, False, "user", kind))
    return await token(cloud, user_id, scope)


async def user(cloud: RunningCloud, domain_id: str) -> str:
    return (await users.create(cloud.ctx(), uuid4().hex, domain_id, facts={})).id


async def token(cloud: RunningCloud, user_id: str, scope: Scope, *, expires_at: int | None = None) -> Headers:
    proof = Proof(user_id=user_id, methods=("password",), expires_at=expires_at)
    text, _ = await tokens.issue(cloud.ctx(), proof, scope, at=await revision.current(cloud.ctx()))
    return {"X-Auth-Token": text}
