"""Every path of every service says which methods it takes, and every answer says by which id to ask about it."""

from __future__ import annotations

import re
from collections import defaultdict

import httpx
import pytest

from house.test_routes import NEVER_THERE, title
from pileus.kernel.http.routes import WEBSOCKET
from pileus.kernel.metrics import CONTENT_TYPE
from spec.identity.test_auditor import QUERIES
from support.cloud import RunningCloud
from support.sample import GONE, at_version, real_path

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
REQUEST_ID = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

pytestmark = pytest.mark.database("sqlite")


def paths(cloud: RunningCloud) -> dict[str, set[str]]:
    """The methods of each path; HEAD wherever there is GET."""
    found: dict[str, set[str]] = defaultdict(set)
    for route in (r for r in cloud.routes if r.method != WEBSOCKET):
        found[route.sample_path()] |= {route.method, "OPTIONS"} | ({"HEAD"} if route.method == "GET" else set())
    return found


async def test_every_path_answers_options_with_its_methods(cloud: RunningCloud) -> None:
    wrong = {}
    for path, methods in paths(cloud).items():
        answer = await cloud.http.options(path)
        if (answer.status_code, answer.headers.get("allow")) != (200, ", ".join(sorted(methods))):
            wrong[path] = answer.status_code, answer.headers.get("allow")
    assert not wrong


async def test_every_other_method_is_a_405_that_says_which_would_do(cloud: RunningCloud) -> None:
    wrong = {}
    for path, methods in paths(cloud).items():
        for method in {*METHODS, "TRACE", "BREW"} - methods:
            answer = await cloud.request(method, path)
            if (answer.status_code, answer.headers.get("allow")) != (405, ", ".join(sorted(methods))):
                wrong[method, path] = answer.status_code, answer.headers.get("allow")
    assert not wrong


@pytest.mark.timeout(300)
async def test_head_of_every_get_has_its_status_and_no_body(cloud: RunningCloud) -> None:
    """Of something that is there, wherever anything is."""
    wrong, never = {}, {title(r) for r in cloud.routes if r.rule == GONE} | {f"GET {path}" for path in NEVER_THERE}
    own = {r.path for r in cloud.routes if r.method == "HEAD"}
    for route in [r for r in cloud.routes if r.method == "GET" and r.path not in own]:
        path = await real_path(cloud, route) + QUERIES.get(title(route), "")
        headers = {**at_version(route), "X-Subject-Token": cloud.as_("reader").headers["X-Auth-Token"]}
        get, head = await cloud.get(path, headers=headers), await cloud.head(path, headers=headers)
        if (head.status_code, head.content, shape(head)) != (get.status_code, b"", shape(get)):
            wrong[str(route)] = get.status_code, shape(get), head.status_code, shape(head)
        if get.is_error != (title(route) in never):
            wrong[str(route)] = get.status_code, get.text[:200]
    assert not wrong


def shape(answer: httpx.Response) -> dict[str, str]:
    """The headers, but for those that differ from answer to answer: metrics and times grow while one looks."""
    differing = {"x-openstack-request-id", "x-compute-request-id"}
    if answer.headers.get("content-type") == CONTENT_TYPE or answer.url.path.endswith("/diagnostics"):
        differing.add("content-length")
    return {name: value for name, value in answer.headers.items() if name not in differing}


async def test_every_answer_has_a_request_id_of_its_own(cloud: RunningCloud) -> None:
    seen = []
    for path in paths(cloud):
        for method in (*METHODS, "OPTIONS"):
            answer = await cloud.http.request(method, path)
            seen.append(answer.headers.get("x-openstack-request-id", ""))
    assert all(REQUEST_ID.fullmatch(each) for each in seen)
    assert len(set(seen)) == len(seen)
