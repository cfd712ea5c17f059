"""`Idempotency-Key` on every route that writes: sent again, the same answer comes back and nothing is done twice."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Coroutine
from inspect import isawaitable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa

from house.test_routes import title
from pileus.kernel.db import metadata
from pileus.kernel.http import Route
from pileus.kernel.http.idempotency import METHODS
from pileus.services.identity.credentials.service import read_ec2
from pileus.services.identity.ec2 import service as ec2
from pileus.services.identity.registered_limits import service as registered_limits
from support import computed, placed, served
from support.accepted import ACCEPTED
from support.cloud import RunningCloud, running_cloud
from support.sample import a_mapping, a_registered_limit, a_service, at_version, real_path


async def an_endpoint(cloud: RunningCloud) -> Any:
    return {"endpoint": {"interface": "public", "url": "http://once.example/", "service_id": await a_service(cloud)}}


async def a_credential(cloud: RunningCloud) -> Any:
    return {"credential": {"blob": "once", "type": "cert", "user_id": cloud.user_id}}


async def a_tenant(cloud: RunningCloud) -> Any:
    return {"tenant_id": cloud.project_id}


async def a_trust(cloud: RunningCloud) -> Any:
    roles, trustee = [{"name": "reader"}], cloud.as_("member").user_id
    parties = {"trustor_user_id": cloud.user_id, "trustee_user_id": trustee, "project_id": cloud.project_id}
    return {"trust": {**parties, "impersonation": False, "roles": roles}}


async def signed_for_s3(cloud: RunningCloud) -> Any:
    keys = read_ec2((await ec2.create(cloud.ctx(), cloud.user_id, cloud.project_id)).blob)
    signature = b64encode(hmac.digest(keys["secret"].encode(), b"GET", "sha1")).decode()
    return {"credentials": {"access": keys["access"], "token": b64encode(b"GET").decode(), "signature": signature}}


async def signed_for_ec2(cloud: RunningCloud) -> Any:
    keys = read_ec2((await ec2.create(cloud.ctx(), cloud.user_id, cloud.project_id)).blob)
    signature = b64encode(hmac.digest(keys["secret"].encode(), b"Run", "sha1")).decode()
    params = {"SignatureVersion": "0", "Action": "Run"}
    return {"credentials": {"access": keys["access"], "params": params, "signature": signature}}


async def a_protocol(cloud: RunningCloud) -> Any:
    return {"protocol": {"mapping_id": await a_mapping(cloud)}}


RULES = {"mapping": {"rules": [{"local": [], "remote": [{"type": "name"}]}]}}
ELSEWHERE = {"service_provider": {"auth_url": "http://once.example/v3", "sp_url": "http://once.example/saml"}}


async def a_new_registered_limit(cloud: RunningCloud) -> Any:
    wanted = {"service_id": await a_service(cloud), "resource_name": "once", "default_limit": 1}
    return {"registered_limits": [wanted]}


async def a_new_limit(cloud: RunningCloud) -> Any:
    registered = await registered_limits.get(cloud.ctx(), await a_registered_limit(cloud))
    place = {"service_id": registered.service_id, "resource_name": registered.resource_name}
    return {"limits": [{**place, "project_id": cloud.project_id, "resource_limit": 1}]}


BODIES: dict[str, Any] = {
    **placed.BODIES,
    **computed.BODIES,
    **served.BODIES,
    "PATCH /identity/v3/OS-OAUTH1/consumers/{consumer_id}": {"consumer": {"description": "once"}},
    "PUT /identity/v3/OS-OAUTH1/authorize/{request_token_id}": {"roles": [{"name": "reader"}]},
    "PATCH /identity/v3/OS-FEDERATION/identity_providers/{idp_id}": {"identity_provider": {"enabled": True}},
    "PATCH /identity/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}": a_protocol,
    "PATCH /identity/v3/OS-FEDERATION/mappings/{mapping_id}": RULES,
    "PATCH /identity/v3/OS-FEDERATION/service_providers/{service_provider_id}": ELSEWHERE,
    "PUT /identity/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}": a_protocol,
    "PUT /identity/v3/OS-FEDERATION/mappings/{mapping_id}": RULES,
    "PUT /identity/v3/OS-FEDERATION/service_providers/{service_provider_id}": ELSEWHERE,
    "PATCH /identity/v3/credentials/{credential_id}": {"credential": {"blob": "another"}},
    "POST /identity/v3/credentials": a_credential,
    "PATCH /identity/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}": {"endpoint_group": {"name": "once"}},
    "POST /identity/v3/OS-EP-FILTER/endpoint_groups": {
        "endpoint_group": {"name": "once", "filters": {"interface": "public"}}
    },
    "PATCH /identity/v3/endpoints/{endpoint_id}": {"endpoint": {"name": "once"}},
    "PATCH /identity/v3/groups/{group_id}": {"group": {"name": "another"}},
    "PATCH /identity/v3/policies/{policy_id}": {"policy": {"type": "once"}},
    "POST /identity/v3/policies": {"policy": {"type": "once", "blob": "{}"}},
    "PATCH /identity/v3/regions/{region_id}": {"region": {"description": "once"}},
    "PATCH /identity/v3/roles/{role_id}": {"role": {"name": "another"}},
    "PATCH /identity/v3/services/{service_id}": {"service": {"name": "once"}},
    "PUT /identity/v3/domains/{domain_id}/config": {"config": {"ldap": {"url": "ldap://once.example"}}},
    "PATCH /identity/v3/domains/{domain_id}/config": {"config": {"ldap": {"url": "ldap://once.example"}}},
    "PATCH /identity/v3/domains/{domain_id}/config/{group}": {"config": {"ldap": {"url": "ldap://once.example"}}},
    "PATCH /identity/v3/domains/{domain_id}/config/{group}/{option}": {"config": {"url": "ldap://once.example"}},
    "PATCH /identity/v3/domains/{domain_id}": {"domain": {"description": "once"}},
    "PATCH /identity/v3/projects/{project_id}": {"project": {"description": "once"}},
    "POST /identity/v3/domains": {"domain": {"name": "once"}},
    "POST /identity/v3/endpoints": an_endpoint,
    "POST /identity/v3/ec2tokens": signed_for_ec2,
    "POST /identity/v3/groups": {"group": {"name": "once"}},
    "POST /identity/v3/limits": a_new_limit,
    "POST /identity/v3/registered_limits": a_new_registered_limit,
    "POST /identity/v3/projects": {"project": {"name": "once"}},
    "POST /identity/v3/roles": {"role": {"name": "once"}},
    "POST /identity/v3/services": {"service": {"type": "once"}},
    "POST /identity/v3/s3tokens": signed_for_s3,
    "POST /identity/v3/OS-TRUST/trusts": a_trust,
    "POST /identity/v3/users/{user_id}/credentials/OS-EC2": a_tenant,
    "POST /identity/v3/users": {"user": {"name": "once", "password": "hunter2hunter2"}},
    "PATCH /identity/v3/users/{user_id}": {"user": {"enabled": True}},
    "POST /faults": {"fault": {"path": "/nowhere", "status": 500}},
    "POST /pileus/v1/checkpoints": {"checkpoint": {"name": "once"}},
    "POST /pileus/v1/explain": {"explain": {"rule": "identity:get_user"}},
}
"""What is accepted, where the smallest body is not; or what makes it, where it names what is there."""


AT_A_NEW_PATH = {
    "PUT /identity/v3/OS-FEDERATION/identity_providers/{idp_id}",
    "PUT /identity/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}",
    "PUT /identity/v3/OS-FEDERATION/mappings/{mapping_id}",
    "PUT /identity/v3/OS-FEDERATION/service_providers/{service_provider_id}",
    "PUT /identity/v3/regions/{region_id}",
}
"""What makes the thing at its path: there may be none yet."""

OF_A_SERVICE = {"POST /placement/reshaper"}
"""What no administrator does."""

NEVER_DONE = {"pileus:compute:gone"}
"""Rules of routes that only say what is no more."""

SERVER, VOLUME = "POST /compute/v2.1/servers/{server_id}/action", "POST /volume/v3/volumes/{volume_id}/action"

FORGETS_WITH_A_REASON = {
    "POST /pileus/v1/reset": "the state that is put back knows nothing of the key",
    "POST /pileus/v1/checkpoints/{name}/action": "as above",
    "POST /pileus/v1/explain": "it writes nothing, so nothing can happen twice and nothing is kept",
    "POST /pileus/v1/verify": "as above",
    f"{SERVER} os-getVNCConsole": "each console has a ticket of its own",
    f"{SERVER} os-getSPICEConsole": "as above",
    f"{SERVER} os-getSerialConsole": "as above",
    "POST /compute/v2.1/servers/{server_id}/remote-consoles": "as above",
    f"{SERVER} os-getConsoleOutput": "it writes nothing",
    "POST /pileus/v1/explain/reach": "it writes nothing",
}


DOES_NOTHING = {"os-terminate_connection", "drain"}
"""Actions that have nothing to do here: what old clients end ends with its attachment, and the host has no guests to move."""

REFUSED_WITH_A_REASON = {
    "PUT /image/v2/images/{image_id}/file": "what carries a stream takes no key",
    "PUT /image/v2/images/{image_id}/stage": "as above",
    "DELETE /image/v2/tasks/{task_id}": "as in Glance, to everybody",
    "DELETE /network/v2.0/agents/{agent_id}": "while there is its host",
    f"{VOLUME} os-unmanage": "501",
    "POST /volume/v3/snapshots/{snapshot_id}/action os-unmanage": "501",
    f"{VOLUME} os-migrate_volume": "501",
    f"{VOLUME} os-migrate_volume_completion": "no volume ever moves",
    f"{VOLUME} os-extend_volume_completion": "said by a host, while it is extended",
    f"{SERVER} addFloatingIp": "wants a server behind a router",
    f"{SERVER} removeFloatingIp": "as above",
    f"{SERVER} restore": "servers are not kept for a while when they are deleted",
    f"{SERVER} evacuate": "wants a host that is dead",
    "PUT /compute/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}": "no volume takes another's place here",
    "POST /compute/v2.1/servers/{server_id}/migrations/{migration_id}/action force_complete": "nobody carries it out yet",
    "DELETE /compute/v2.1/servers/{server_id}/migrations/{migration_id}": "as above",
}
"""What is refused here, twice alike: whoever sends it again has done nothing twice."""


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path) -> AsyncIterator[RunningCloud]:
    """One that lets hosts in."""
    async with running_cloud(database_url, tmp_path / "state", {"agents.listen": "127.0.0.1:0"}) as cloud:
        yield cloud


@pytest.mark.database("sqlite", long="postgresql")  # the keys themselves are tried on both in tests/kernel
async def test_a_request_sent_twice_under_one_key_happens_once(cloud: RunningCloud) -> None:
    wrong = {}
    for route in writing(cloud):
        ask = await asking(cloud, route, {"Idempotency-Key": uuid4().hex})
        first = await cloud.worked(ask())
        before = await rows(cloud)
        again = await ask()
        answers = (first.status_code, first.text), (again.status_code, again.text)
        happened = first.is_error if bare(route) in REFUSED_WITH_A_REASON else first.is_success
        replayed = again.headers.get("idempotency-replayed") == "true" or not kept(route)
        if not happened or answers[0] != answers[1] or not replayed or await rows(cloud) != before:
            wrong[str(route)] = (*answers, replayed)
    assert not wrong


def kept(route: Route) -> bool:
    """Whether there is something to be done."""
    return route.action not in DOES_NOTHING and bare(route) not in REFUSED_WITH_A_REASON


async def rows(cloud: RunningCloud) -> Any:
    """How many there are in each table."""
    counts = [sa.select(sa.func.count()).select_from(each).scalar_subquery() for each in metadata.sorted_tables]
    async with cloud.ctx().read() as ctx:
        return tuple((await ctx.execute(sa.select(*counts))).one())


def bare(route: Route) -> str:
    """Its name without its versions."""
    return f"{title(route)} {route.action}" if route.action else title(route)


def writing(cloud: RunningCloud) -> list[Route]:
    there = [r for r in cloud.routes if r.method in METHODS and not r.anonymous and r.rule not in NEVER_DONE]
    return [r for r in there if bare(r) not in FORGETS_WITH_A_REASON]


Ask = Callable[[], Coroutine[Any, Any, httpx.Response]]


async def asking(cloud: RunningCloud, route: Route, more: dict[str, str]) -> Ask:
    """What sends a request for something that is there, which is made now."""
    path = await real_path(cloud, route)
    if title(route) in AT_A_NEW_PATH:
        path = f"{path.rpartition('/')[0]}/{uuid4().hex}"
    headers = {**more, **at_version(route)}
    if title(route) in OF_A_SERVICE:
        headers |= cloud.as_("service").headers
    if route.path == "/v3/auth/tokens":
        headers["X-Subject-Token"] = cloud.as_("reader").headers["X-Auth-Token"]
    if readies := ACCEPTED.get(bare(route)):
        path, sent = await readies(cloud, path)
        sent = {**sent, "headers": {**headers, **sent.get("headers", {})}}
    else:
        body = BODIES.get(str(route), BODIES.get(title(route), route.sample_body()))
        body = await body(cloud) if callable(body) else body
        body = await body if isawaitable(body) else body
        sent = {"headers": headers, **({} if body is None else {"json": body})}
    return lambda: cloud.request(route.method, path, **sent)
