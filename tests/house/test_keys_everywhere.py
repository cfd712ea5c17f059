"""`Idempotency-Key` on every route that writes: sent again, the same answer comes back and nothing is done twice."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import isawaitable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from house.test_routes import title
from pileus.kernel.http import Route
from pileus.kernel.http.idempotency import METHODS
from pileus.services.identity.credentials.service import read_ec2
from pileus.services.identity.ec2 import service as ec2
from pileus.services.identity.registered_limits import service as registered_limits
from support import computed, placed, served
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

OF_ONESELF = {
    "DELETE /identity/v3/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}",
    "DELETE /identity/v3/users/{user_id}/access_rules/{access_rule_id}",
    "POST /identity/v3/users/{user_id}/application_credentials",
}
"""What nobody does for others."""

OF_A_SERVICE = {"POST /placement/reshaper"}
"""What no administrator does."""

NEVER_DONE = {"pileus:compute:gone"}
"""Rules of routes that only say what is no more."""

FORGETS_WITH_A_REASON = {
    "POST /pileus/v1/reset": "the state that is put back knows nothing of the key",
    "POST /pileus/v1/checkpoints/{name}/action": "as above",
    "POST /pileus/v1/explain": "it writes nothing, so nothing can happen twice and nothing is kept",
    "POST /pileus/v1/verify": "as above",
    "POST /compute/v2.1/servers/{server_id}/action": "of the many: consoles are shown, and each has a ticket of its own",
    "POST /pileus/v1/explain/reach": "it writes nothing",
}


DOES_NOTHING = {"os-terminate_connection", "drain"}
"""Actions that have nothing to do here: what old clients end ends with its attachment, and the host has no guests to move."""

REFUSALS = {*range(400, 500), 501}
REFUSING = {"image", "network", "volume", "compute"}
"""Services whose routes want more of a body than is said here: what they refuse they refuse alike, and do not."""


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path) -> AsyncIterator[RunningCloud]:
    """One that lets hosts in."""
    async with running_cloud(database_url, tmp_path / "state", {"agents.listen": "127.0.0.1:0"}) as cloud:
        yield cloud


@pytest.mark.database("sqlite", long="postgresql")  # the keys themselves are tried on both in tests/kernel
async def test_a_request_sent_twice_under_one_key_happens_once(cloud: RunningCloud) -> None:
    wrong = {}
    for route in writing(cloud):
        first, again = await twice(cloud, route)
        answers = (first.status_code, first.text), (again.status_code, again.text)
        replayed = again.headers.get("idempotency-replayed")
        if route.action in DOES_NOTHING:
            continue
        refused = first.status_code in REFUSALS and route.service in REFUSING
        if not (first.is_success or refused) or answers[0] != answers[1] or (first.is_success and replayed != "true"):
            wrong[str(route)] = (*answers, replayed)
    assert not wrong


def writing(cloud: RunningCloud) -> list[Route]:
    there = [r for r in cloud.routes if r.method in METHODS and not r.anonymous and r.rule not in NEVER_DONE]
    return [r for r in there if title(r) not in FORGETS_WITH_A_REASON]


async def twice(cloud: RunningCloud, route: Route) -> tuple[httpx.Response, httpx.Response]:
    """Both answers to one request for something that is there."""
    ask = await asking(cloud, route, {"Idempotency-Key": uuid4().hex})
    return await ask(), await ask()


async def asking(cloud: RunningCloud, route: Route, more: dict[str, str]) -> Callable[[], Awaitable[httpx.Response]]:
    """What sends a request for something that is there, which is made now."""
    path = await real_path(cloud, route)
    if title(route) in AT_A_NEW_PATH:
        path = f"{path.rpartition('/')[0]}/{uuid4().hex}"
    if title(route) in OF_ONESELF:
        path = re.sub("/users/[^/]+", f"/users/{cloud.user_id}", path)
    headers = {**more, **at_version(route)}
    if title(route) in OF_A_SERVICE:
        headers |= cloud.as_("service").headers
    if route.method == "DELETE" and any(r.method == "PUT" and r.path == route.path for r in cloud.routes):
        await cloud.put(path)
    if route.path == "/v3/auth/tokens":
        headers["X-Subject-Token"] = cloud.as_("reader").headers["X-Auth-Token"]
    body = BODIES.get(str(route), BODIES.get(title(route), route.sample_body()))
    body = await body(cloud) if callable(body) else body
    body = await body if isawaitable(body) else body
    sent = {"headers": headers, **({} if body is None else {"json": body})}
    return lambda: cloud.request(route.method, path, **sent)
