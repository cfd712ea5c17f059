"""Application credentials, access rules and trusts of a running cloud's admin, to be asked for by routes."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from pileus.kernel.context import Caller
from pileus.services.identity.application_credentials import service as application_credentials
from pileus.services.identity.application_credentials.service import ApplicationCredential, New, WantedRule
from pileus.services.identity.trusts import service as trusts
from support.cloud import RunningCloud


async def an_application_credential(cloud: RunningCloud) -> str:
    return (await application_credential(cloud)).row.id


async def an_access_rule(cloud: RunningCloud) -> str:
    """One that no application credential has any more, so that it may be deleted, too."""
    made = await application_credential(cloud)
    await application_credentials.delete(cloud.ctx(), made.row.id)
    return made.access_rules[0].id


async def application_credential(cloud: RunningCloud) -> ApplicationCredential:
    caller = Caller(cloud.user_id, project_id=cloud.project_id, roles=frozenset({"reader"}))
    new = New(
        name=uuid4().hex,
        description=None,
        secret=None,
        expires_at=None,
        unrestricted=False,
        roles=(),
        access_rules=[WantedRule(None, "identity", f"/{uuid4().hex}", "GET")],
    )
    return (await application_credentials.create(replace(cloud.ctx(), caller=caller), new))[0]


async def a_trust(cloud: RunningCloud) -> str:
    new = trusts.New(
        trustor_user_id=cloud.user_id,
        trustee_user_id=cloud.as_("member").user_id,
        project_id=cloud.project_id,
        impersonation=False,
        expires_at=None,
        remaining_uses=None,
        roles=[(None, "reader")],
        redelegation=trusts.Wanted(allow_redelegation=False, redelegation_count=None),
        extra={},
    )
    return (await trusts.create(cloud.ctx(), new))[0].id
