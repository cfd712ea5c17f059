"""/v1/explain"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from pileus.kernel.context import Caller, Ctx
from pileus.services.cloud.explanations import service
from pileus.services.cloud.explanations.service import UserRef, WantedScope
from pileus.services.cloud.http import api
from pileus.services.network.reach import service as reach


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """May this user, logged in for that scope, do what the rule guards, to such a target? Without a user: may I?"""

    rule: str
    user: UserRef | None = None
    scope: WantedScope | UnsetType = UNSET
    target: dict[str, Any] | None = None


class Reach(msgspec.Struct, forbid_unknown_fields=True):
    """Does a packet get to the port? From an address, or from another port; without either, from somewhere outside."""

    port_id: UUID
    source: Annotated[str, Meta(max_length=64)] | None = None
    protocol: Annotated[str, Meta(max_length=16)] | None = None
    port: Annotated[int, Meta(ge=0, le=65535)] | None = None


def shown(caller: Caller) -> dict[str, Any]:
    known = caller.as_dict()
    names = ("user_id", "user_name", "user_domain_id", "project_id", "domain_id", "system", "roles")
    return {name: known[name] for name in names}


@api.post("/v1/explain", rule="pileus:explain", wrap_body="explain", wrap="explanation", atomic=False)
async def explain_policy(ctx: Ctx, body: Question) -> dict[str, Any]:
    found = await service.explain(ctx, body.rule, body.user, body.scope, body.target)
    return {
        "rule": found.rule,
        "reads": found.reads,
        "operations": found.operations,
        "caller": shown(found.caller) if found.caller is not None else None,
        "allowed": found.why.outcome,
        "why": found.why.as_dict(),
        "role": found.role,
        "looks_at": found.looks_at,
    }


@api.post("/v1/explain/reach", rule="pileus:explain:reach", wrap_body="reach", wrap="explanation", atomic=False)
async def explain_reach(ctx: Ctx, body: Reach) -> dict[str, Any]:
    asked = reach.Question(port_id=body.port_id, source=body.source, protocol=body.protocol, port=body.port)
    found = await reach.explain(ctx, asked)
    return {
        "reached": found.reached,
        "findings": [msgspec.structs.asdict(each) for each in found.findings],
        "trace": found.trace,
    }
