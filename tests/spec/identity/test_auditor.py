"""The role `auditor`: on the system it reads everything and changes nothing, on every route of the cloud."""

from __future__ import annotations

import re
from inspect import isawaitable
from typing import Any

import httpx
import pytest

from house.test_keys_everywhere import BODIES
from house.test_routes import title
from pileus.kernel.http import Route
from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.assignments.service import SYSTEM, Assignment
from pileus.services.identity.projects.service import DEFAULT
from pileus.services.identity.roles import service as roles
from pileus.services.identity.tokens import service as tokens
from pileus.services.identity.users import service as users
from support.cloud import RunningCloud, logged_in
from support.sample import at_version, parameters, real_path

LOOKS = {"GET", "HEAD"}
GONE, UNKNOWN_HERE = 410, 501  # for everybody
ACTS_BY_GET = (
    "/compute/v2.1/os-hosts/{host_name}/",
    "/volume/v3/qos-specs/{qos_id}/associate",
    "/volume/v3/qos-specs/{qos_id}/disassociate",
)
"""Of older days, when a GET might change something."""
LOOKS_BY_POST = {"os-show_image_metadata"}
UNREAD = {400, 405, 415}  # told before the rule is asked, to everybody: nothing was done

CLOSED_TO_ALL = {
    "GET /identity/v3/auth/catalog": "a catalogue is that of a project: an administrator of the system gets none either",
    "GET /identity/v3/domains/{domain_id}/config/security_compliance": "Keystone shows those of the default domain alone",
    "GET /identity/v3/domains/{domain_id}/config/security_compliance/{option}": "as above",
}

QUERIES = {
    "GET /compute/v2.1/os-simple-tenant-usage": "?start=2099-12-01T00:00:00&end=2100-01-01T00:00:00",
    "GET /compute/v2.1/os-simple-tenant-usage/{usage_project}": "?start=2099-12-01T00:00:00&end=2100-01-01T00:00:00",
    "GET /placement/allocation_candidates": "?resources=VCPU:1",
    "GET /placement/usages": "?project_id=any",
}
"""What a list must be asked."""

ONES_OWN = (
    "/compute/v2.1/limits",
    "/compute/v2.1/os-keypairs",
    "/compute/v2.1/os-security-groups",
    "/compute/v2.1/servers",
    "/image/v2/info/usage",
    "/identity/v2.0/tenants",
    "/identity/v3/auth/",
    "/identity/v3/OS-FEDERATION/projects",
    "/identity/v3/OS-FEDERATION/domains",
)
"""Lists of what the caller may log in to, and of what is the caller's own."""


@pytest.fixture
async def auditor(cloud: RunningCloud) -> dict[str, str]:
    """The headers of somebody who has this role on the system and no other."""
    ctx = cloud.ctx()
    user, role = await users.create(ctx, "auditor", DEFAULT, facts={}), await roles.named(ctx, "auditor")
    assert role is not None
    await assignments.grant(ctx, Assignment(user.id, SYSTEM, role.id, False, "user", SYSTEM))
    return await logged_in(ctx, user.id, None)


async def ask(cloud: RunningCloud, route: Route, headers: dict[str, str]) -> httpx.Response:
    """A request that would be accepted from an administrator, about something that is there."""
    body = BODIES.get(title(route), route.sample_body())
    if callable(body):
        body = body(cloud)
        body = await body if isawaitable(body) else body
    sent: dict[str, Any] = {} if body is None else {"json": body}
    about = {"X-Subject-Token": cloud.headers["X-Auth-Token"], **at_version(route)}
    path = await real_path(cloud, route) + QUERIES.get(title(route), "")
    return await cloud.request(route.method, path, headers={**headers, **about}, **sent)


async def test_an_auditor_may_look_at_everything(cloud: RunningCloud, auditor: dict[str, str]) -> None:
    refused = {}
    for route in cloud.routes:
        if route.method in LOOKS and not route.anonymous and title(route) not in CLOSED_TO_ALL:
            answer = await ask(cloud, route, auditor)
            acts = (route.prefix + route.path).startswith(ACTS_BY_GET)
            if answer.status_code not in ({403} if acts else {200, 204, 404, GONE, UNKNOWN_HERE}):
                refused[str(route)] = answer.status_code, answer.text[:200]
    assert not refused


async def test_an_auditor_may_change_nothing(cloud: RunningCloud, auditor: dict[str, str]) -> None:
    accepted = {}
    for route in cloud.routes:
        if route.method not in LOOKS and not route.anonymous and route.action not in LOOKS_BY_POST:
            answer = await ask(cloud, route, auditor)
            if answer.status_code not in {403, GONE, *UNREAD}:
                accepted[str(route)] = answer.status_code, answer.text[:200]
    assert not accepted


def said(answer: Any) -> str:
    """The body, without the moments of a span that is now."""
    return re.sub(r'"(start|stop)":"[^"]*"', "", answer.text)


async def test_an_auditor_sees_in_lists_what_an_administrator_sees(
    cloud: RunningCloud, auditor: dict[str, str]
) -> None:
    for route in cloud.routes:
        if route.method == "POST" and not route.anonymous and title(route) in BODIES and not route.action:
            await ask(cloud, route, cloud.headers)  # so that there is something to be seen
    for route in cloud.routes:
        if route.method == "GET" and not parameters(route) and not route.anonymous:
            await ask(cloud, route, cloud.headers)  # what is made at the first look
    differing = {}
    for route in cloud.routes:
        path = route.prefix + route.path
        if route.method == "GET" and not parameters(route) and not route.anonymous and not path.startswith(ONES_OWN):
            asked = [{**headers, **at_version(route)} for headers in (auditor, cloud.headers)]
            seen, there = [await cloud.get(path, headers=headers) for headers in asked]
            if seen.status_code != there.status_code or (there.is_success and said(seen) != said(there)):
                differing[str(route)] = seen.text[:200], there.text[:200]
    assert not differing


async def test_an_auditor_of_a_project_is_a_reader_there(cloud: RunningCloud) -> None:
    ctx, member = cloud.ctx(), cloud.as_("member")
    role = await roles.named(ctx, "auditor")
    assert role is not None
    user = await users.create(ctx, "auditor", DEFAULT, facts={})
    await assignments.grant(ctx, Assignment(user.id, member.project_id, role.id, False, "user", "project"))
    headers = await logged_in(ctx, user.id, member.project_id)
    assert (await tokens.authenticate(ctx, headers["X-Auth-Token"])).roles == {"auditor", "reader"}
    for path in ("/identity/v3/users", "/identity/v3/role_assignments", "/pileus/v1/hosts"):
        assert (await cloud.get(path, headers=headers)).status_code == 403
