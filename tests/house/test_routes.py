"""What holds for every route of every service, whoever writes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from pileus.kernel.http import Route
from support.cloud import RunningCloud
from support.sample import (
    BEHIND,
    GONE,
    REAL,
    TOGETHER,
    at_last_version,
    at_version,
    makes,
    missing_path,
    parameters,
    real_path,
)
from support.source import ROOT
from support.strangers import dead, living

ANONYMOUS_WITH_A_REASON = {
    "GET /": "what there is, before anybody can log in",
    "GET /compute": "version discovery",
    "GET /compute/v2": "version discovery",
    "GET /compute/v2.1": "version discovery",
    "GET /compute/console/{file:path}": "noVNC: the files of a package",
    "WEBSOCKET /compute/console/socket": "the console's own token opens it",
    "GET /image": "version discovery",
    "GET /image/versions": "version discovery",
    "GET /image/v2/transfers/{token}": "for hosts: the token in the path is signed, for one transfer, and expires",
    "PUT /image/v2/transfers/{token}": "as above",
    "GET /identity": "version discovery",
    "GET /identity/v3": "version discovery",
    "GET /identity/v2.0": "version discovery",
    "POST /identity/v2.0/tokens": "the login of old scripts",
    "POST /identity/v3/auth/tokens": "the login",
    "POST /identity/v3/OS-OAUTH1/access_token": "proves itself by its signature, as in Keystone",
    "POST /identity/v3/OS-OAUTH1/request_token": "as above",
    "POST /identity/v3/users/{user_id}/password": "proves itself by the old password, as in Keystone: it may have expired",
    "GET /network": "version discovery",
    "GET /network/v2.0": "version discovery",
    "GET /pileus": "version discovery",
    "GET /placement": "version discovery",
    "GET /volume": "version discovery",
    "GET /volume/v3": "version discovery",
    "GET /metrics": "for Prometheus",
}

OPEN_WITH_A_REASON = {
    "GET /compute/console/{file:path}": "the files of noVNC are those of a package",
    "GET /compute/v2.1/extensions/{extension_alias}": "what a cloud can do is no secret",
    "GET /compute/v2.1/os-quota-sets/{quota_project}/defaults": "Nova's rule is empty: it tells the same of any id",
    "GET /network/v2.0/default-security-group-rules/{default_security_group_rule_id}": "Neutron's rule asks for a role "
    "alone: what new groups begin with is told to all who make some",
    "GET /volume/v3/extensions/{alias}": "what the API can do is no secret",
    "GET /network/v2.0/extensions/{extension}": "what works here is no secret: Neutron asks no rule",
    "GET /volume/v3/types/{type_id}": "a public volume type is for everybody to see",
    "GET /volume/v3/types/{type_id}/extra_specs": "as above",
    "GET /volume/v3/types/{type_id}/extra_specs/{spec}": "as above",
    "GET /image/v2/transfers/{token}": "who holds the token may fetch what it was signed for",
    "GET /identity/v3/domains/{domain_id}/config/security_compliance": "what a password must be like is no secret",
    "GET /identity/v3/domains/{domain_id}/config/security_compliance/{option}": "as above",
    "GET /identity/v3/limits/model": "Keystone's rule is empty: how limits are enforced is no secret",
    "GET /identity/v3/registered_limits": "Keystone's rule is empty: services ask for them as anybody",
    "GET /identity/v3/registered_limits/{registered_limit_id}": "as above",
    "GET /identity/v3/regions": "Keystone's rule is empty: where a cloud is, is no secret to who can log in",
    "GET /identity/v3/regions/{region_id}": "Keystone's rule is empty",
}
"""Where a stranger may look at what is there."""

TELLS_WITH_A_REASON = {
    "GET /identity/v3/roles/{role_id}": "Keystone tells of missing roles before it asks the rule, and Tempest wants that: "
    "a role's id is no secret, each token shows some",
    "PATCH /identity/v3/roles/{role_id}": "as above",
    "DELETE /identity/v3/roles/{role_id}": "as above",
    "GET /identity/v3/users/{user_id}/credentials/OS-EC2/{credential_id}": "as for roles: who asks by an access key has it",
    "DELETE /identity/v3/users/{user_id}/credentials/OS-EC2/{credential_id}": "as above",
    "POST /volume/v3/os-volume-transfer/{transfer_id}/accept": "who accepts is of another project, and proves it by the key",
    "POST /volume/v3/volume-transfers/{transfer_id}/accept": "as above",
}
"""Where a stranger, who is refused, may learn that something exists."""

SEEN_BY_ALL = {
    "GET /identity/v3/auth/catalog": {"an_endpoint", "a_service", "an_endpoint_with_a_policy"},
    "GET /identity/v3/roles": {"a_role", "a_prior_role", "own_access_token"},  # by who manages a domain, to give them
    "GET /image/v2/images": {"the administrator's project"},  # whose a public image is
    "GET /network/v2.0/default-security-group-rules": {"a_default_rule"},
    "GET /volume/v3/types": {"a_type", "an_encrypted_type"},
}
"""Things that a list shows to strangers, by who makes them: they are for all."""

IN_NO_LIST = {
    *("a_cluster", "a_consumer", "a_console_token", "a_tag", "a_token", "a_transfer", "a_request_token"),
    *("a_region", "a_registered_limit"),  # in lists that are open
    *("an_access_rule", "own_access_rule", "own_access_token", "own_application_credential"),  # below a user
}
"""What is listed to nobody, but for below another thing."""

NEVER_THERE = {
    "/compute/console/{file:path}": "the files of noVNC are those of a package, which may not be installed",
    "/compute/v2.1/os-hosts/{host_name}/reboot": "501: hosts are not switched on and off here",
    "/compute/v2.1/os-hosts/{host_name}/shutdown": "as above",
    "/compute/v2.1/os-hosts/{host_name}/startup": "as above",
    "/compute/v2.1/os-hypervisors/{hypervisor}/uptime": "501, as of most hypervisors of Nova",
    "/volume/v3/clusters/{cluster}": "there are no clusters here",
    "/volume/v3/qos-specs/{qos_id}/associate": "acts by GET, on the type that its query names",
    "/volume/v3/qos-specs/{qos_id}/disassociate": "as above",
}
"""Paths at which nobody finds anything."""

REFUSALS = {401, 403, 404, 410}


def title(route: Route) -> str:
    return (
        f"{route.method} {route.prefix}{route.path}".rstrip("/")
        if route.path
        else f"{route.method} {route.prefix or '/'}"
    )


def test_every_route_has_a_rule_that_exists_or_a_reason(cloud: RunningCloud) -> None:
    known = cloud.world.policy.rules()
    without = {title(r) for r in cloud.routes if r.rule is None}
    assert without <= ANONYMOUS_WITH_A_REASON.keys()
    unknown = {str(r): r.rule for r in cloud.routes if r.rule and r.rule not in bare(known)}
    assert not unknown


def bare(rules: Any) -> set[str]:
    """Rules under the names that routes use: `identity/identity:get_user` is `identity:get_user`."""
    return {name.rpartition("/")[2] for name in rules} | set(rules)


def test_every_parameter_of_a_path_can_be_sampled(cloud: RunningCloud) -> None:
    """A new noun gives tests/support/sample.py a line, without which the tests below could not try it."""
    assert {p for r in cloud.routes for p in parameters(r)} <= REAL.keys()


async def test_every_route_refuses_who_has_no_token(cloud: RunningCloud) -> None:
    wrong = {}
    for route in cloud.routes:
        if not route.anonymous:
            answer = await ask(cloud, route, route.sample_path(), {"X-Auth-Token": None})
            if answer.status_code != 401:
                wrong[str(route)] = answer.status_code
    assert not wrong


async def test_every_route_refuses_a_token_that_is_none(cloud: RunningCloud) -> None:
    wrong = {}
    for route in cloud.routes:
        if not route.anonymous:
            answer = await ask(cloud, route, route.sample_path(), {"X-Auth-Token": "gAAAAA" + "x" * 200})
            if answer.status_code != 401:
                wrong[str(route)] = answer.status_code
    assert not wrong


async def test_every_route_refuses_a_token_that_was_good_once(cloud: RunningCloud) -> None:
    """An expired one and a revoked one, of the administrator: whatever there is, they are as good as none."""
    wrong = {}
    routes = [route for route in cloud.routes if not route.anonymous]
    for (name, headers), route in product((await dead(cloud)).items(), routes):
        answer = await ask(cloud, route, route.sample_path(), headers)
        if answer.status_code != 401:
            wrong[f"{name}: {route}"] = answer.status_code
    assert not wrong


@pytest.mark.timeout(300)
@pytest.mark.database("sqlite", long="postgresql")  # what decides is no database
async def test_a_stranger_gets_what_a_missing_item_would_give(cloud: RunningCloud) -> None:
    """Whatever there is at a path, who may not see it learns no more than that they may not."""
    told, absent, strangers = {}, [], await living(cloud)
    for route in [r for r in cloud.routes if parameters(r) and title(r) not in OPEN_WITH_A_REASON]:
        there, missing = await real_path(cloud, route), missing_path(route)
        absent += await not_there(cloud, route, there)
        for name, headers in strangers.items():
            real, none = [await ask(cloud, route, path, headers) for path in (there, missing)]
            tells = title(route) in TELLS_WITH_A_REASON
            refused = real.status_code in REFUSALS or (tells and real.status_code == 400)
            if not refused or not (tells or said(real, there) == said(none, missing)):
                told[f"{name}: {route}"] = (real.status_code, real.text[:160], none.status_code, none.text[:160])
    assert not told
    assert not absent, "a stranger was refused what nobody would find"


async def not_there(cloud: RunningCloud, route: Route, path: str) -> list[Any]:
    """Why the administrator does not see what is at the path, or as much of its beginning as can be looked at.

    What the route itself would make, a grant or a tag, need not be there.
    """
    whole = route.prefix + route.path
    unmade = {r.prefix + r.path for r in cloud.routes if makes(r)} if makes(route) else set()
    ways = {r.prefix + r.path: r for r in cloud.routes if r.method == "GET" and r.rule != GONE}
    looks = {at: look for at, look in ways.items() if at not in unmade and at not in NEVER_THERE}
    asked, real = whole.split("/"), path.split("/")
    for length in range(len(asked), 0, -1):
        if look := looks.get("/".join(asked[:length])):
            answer = await cloud.get("/".join(real[:length]), headers=at_version(look))
            return [] if answer.is_success else [(str(route), str(look), answer.status_code, answer.text[:200])]
    return []


@pytest.mark.timeout(300)
@pytest.mark.database("sqlite", long="postgresql")
async def test_what_a_stranger_may_list_is_not_what_others_have(cloud: RunningCloud) -> None:
    """There is one of everything; at the first version and at the last, whatever filter they hope to get round with."""
    everything, told, strangers = await one_of_everything(cloud), {}, await living(cloud)
    queries = ("", "?all_tenants=1", "?is_public=None", "?visibility=all", f"?project_id={cloud.project_id}")
    closed = [r for r in cloud.routes if title(r) not in OPEN_WITH_A_REASON]
    lists = [r for r in closed if r.method == "GET" and not parameters(r)]
    seen = ""
    for route, query, version in product(lists, queries, (at_version, at_last_version)):
        path, asked = route.prefix + route.path + query, version(route)
        if version is at_last_version and asked == at_version(route):
            continue
        seen += (await cloud.get(path, headers=asked)).text
        for name, headers in strangers.items():
            answer = await cloud.get(path, headers={**asked, **headers})
            makers = {maker for made, maker in everything.items() if made in answer.text}
            if query.partition("=")[2] == cloud.project_id:
                makers -= {everything[cloud.project_id]}  # which they said themselves
            if makers - SEEN_BY_ALL.get(title(route), set()):
                told[f"{name}: {route}{query}"] = makers
    assert not told
    unseen = {maker for made, maker in everything.items() if made not in seen}
    assert unseen <= IN_NO_LIST, "a stranger was not shown what nobody is shown"


async def one_of_everything(cloud: RunningCloud) -> dict[str, str]:
    """What was made for each parameter of a path: its id or name, where that is nobody else's, and who made it."""
    made = {cloud.project_id: "the administrator's project", cloud.user_id: "the administrator"}
    member = cloud.as_("member")
    made |= {member.project_id: "the members' project", member.user_id: "a member"}
    for make in dict.fromkeys((*REAL.values(), *BEHIND.values())):
        made.setdefault(await make(cloud), make.__name__)
    for together in TOGETHER.values():
        for each in await together(cloud):
            made.setdefault(each, together.__name__)
    return {each: maker for each, maker in made.items() if len(each) > 20}


async def ask(cloud: RunningCloud, route: Route, path: str, headers: dict[str, Any]) -> Any:
    """One request to the route with the smallest body it takes."""
    body = route.sample_body()
    sent = {} if body is None else {"json": body}
    return await cloud.request(route.method, path, headers={**at_version(route), **headers}, **sent)


def said(answer: Any, path: str) -> tuple[int, str]:
    """Status and body, without the ids that the caller sent and without the request's own."""
    text = answer.text
    for word in [*re.findall(r"[^/]+", path), answer.headers.get("x-openstack-request-id", "\0")]:
        if len(word) > 20:
            text = text.replace(word, "ID").replace(str(dashed(word)), "ID")
    return answer.status_code, text


def dashed(word: str) -> str:
    """The other way to write a UUID."""
    if re.fullmatch(r"[0-9a-f]{32}", word):
        return re.sub(r"(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5", word)
    return word.replace("-", "")


@pytest.mark.database("sqlite")
def test_every_route_has_a_test_that_asks_it(cloud: RunningCloud) -> None:
    """Some test below tests/spec/ or tests/kernel/ names the path of the route and its verb in one function."""
    asked = list(spoken())
    untold = []
    for route in cloud.routes:
        pattern = re.compile(re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(route.path)) + r"/?(\?.*)?$")
        verbs = {route.method.lower(), "head"} if route.method == "GET" else {route.method.lower()}
        if not any(verbs & said_verbs and any(pattern.search(p) for p in paths) for said_verbs, paths in asked):
            untold.append(str(route))
    assert not untold


def spoken() -> Iterator[tuple[set[str], list[str]]]:
    """For each test function: the verbs it calls, and the paths it names. What is computed is an X."""
    for file in sorted((ROOT / "tests/spec").rglob("*.py")):
        tree = ast.parse(file.read_text())
        constants = {
            t.id: n.value.value
            for n in tree.body
            if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant) and isinstance(n.value.value, str)
            for t in n.targets
            if isinstance(t, ast.Name)
        }
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                yield verbs_of(function), [p for n in ast.walk(function) if "/" in (p := text_of(n, constants))]


def verbs_of(function: ast.AST) -> set[str]:
    """`cloud.get(...)`, and `request("GET", ...)`."""
    verbs = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            verbs.add((node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id).lower())
        if isinstance(node, ast.Constant) and node.value in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}:
            verbs.add(node.value.lower())
    return verbs


def text_of(node: ast.AST, constants: dict[str, str]) -> str:
    """The text of a string, with X for what is not known before it runs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part, constants) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        known = node.value.id if isinstance(node.value, ast.Name) else ""
        return constants.get(known, "X")
    return ""
