"""POST /pileus/v1/explain: why somebody may or may not do something."""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud import RunningCloud

ADA = {"name": "member", "domain": {"id": "default"}}
PEOPLE = {"project": {"name": "people", "domain": {"id": "default"}}}


async def explain(cloud: RunningCloud, rule: str, **question: Any) -> dict[str, Any]:
    answer = await cloud.post("/pileus/v1/explain", json={"explain": {"rule": rule, **question}})
    assert answer.status_code == 200, answer.text
    explanation: dict[str, Any] = answer.json()["explanation"]
    return explanation


async def test_a_no_says_which_part_of_the_rule_says_so_and_which_role_would_do(cloud: RunningCloud) -> None:
    found = await explain(cloud, "identity:create_region", user=ADA, scope=PEOPLE)
    assert (found["allowed"], found["role"]) == (False, "admin")
    assert (found["rule"], found["operations"][0]) == ("identity/identity:create_region", "POST /v3/regions")
    member = cloud.as_("member")
    assert found["caller"] == {
        "user_id": member.user_id,
        "user_name": "member",
        "user_domain_id": "default",
        "project_id": member.project_id,
        "domain_id": None,
        "system": False,
        "roles": ["member", "reader"],
    }
    assert (found["why"]["text"], found["why"]["outcome"]) == (found["reads"], False)
    assert "the caller has member, reader" in str(found["why"])


async def test_what_the_target_decides_is_open_until_one_is_named(cloud: RunningCloud) -> None:
    """The explanation and the route say the same."""
    member = cloud.as_("member")
    found = await explain(cloud, "identity:get_project", user=ADA, scope=PEOPLE)
    assert (found["allowed"], "target.project.id" in found["looks_at"]) == (None, True)
    for project_id, allowed in ((member.project_id, True), (cloud.project_id, False)):
        target = {"target.project.id": project_id, "target.project.domain_id": "default"}
        found = await explain(cloud, "identity:get_project", user=ADA, scope=PEOPLE, target=target)
        assert found["allowed"] is allowed
        assert ((await member.get(f"/identity/v3/projects/{project_id}")).status_code == 200) is allowed
    assert found["role"] == "admin"


async def test_without_a_user_it_is_about_who_asks(cloud: RunningCloud) -> None:
    found = await explain(cloud, "identity:create_region")
    assert (found["allowed"], found["role"], found["caller"]["user_id"]) == (True, None, cloud.user_id)


async def test_without_a_scope_it_is_the_one_that_a_login_gives(cloud: RunningCloud) -> None:
    found = await explain(cloud, "identity:create_region", user=ADA)
    assert (found["allowed"], found["caller"]["project_id"], found["caller"]["roles"]) == (False, None, [])


@pytest.mark.parametrize(
    "scope",
    [
        {"system": {"all": True}},
        {"domain": {"id": "default"}},
        {"project": {"name": "elsewhere", "domain": {"name": "elsewhere"}}},
        {"project": {"name": "nowhere", "domain": {"id": "default"}}},
    ],
)
async def test_who_has_no_role_there_has_no_token_for_it(cloud: RunningCloud, scope: dict[str, Any]) -> None:
    found = await explain(cloud, "identity:get_project", user=ADA, scope=scope)
    assert (found["allowed"], found["caller"], found["role"]) == (False, None, None)
    assert "no role in it" in found["why"]["why"]


async def test_a_rule_says_which_tokens_it_takes(cloud: RunningCloud) -> None:
    """An administrator of a domain is none of the cloud."""
    role = (await cloud.get("/identity/v3/roles?name=admin")).json()["roles"][0]["id"]
    path = f"/identity/v3/domains/default/users/{cloud.as_('member').user_id}/roles/{role}"
    assert (await cloud.put(path)).status_code == 204
    found = await explain(cloud, "identity:create_region", user=ADA, scope={"domain": {"id": "default"}})
    assert (found["allowed"], found["why"]["why"]) == (False, "the rule does not take this token")


@pytest.mark.parametrize(
    ("question", "status", "word"),
    [
        ({"rule": "identity:create_regoin"}, 404, "did you mean identity:create_region?"),
        ({"rule": "x" * 100_000}, 404, "There is no policy rule"),
        ({"rule": "identity:get_project", "user": {"name": "nobody", "domain": {"id": "default"}}}, 404, "nobody"),
        ({"rule": "identity:get_project", "user": {"name": "member"}}, 400, "domain"),
        ({"rule": "identity:get_project", "user": {}}, 400, "explain/user"),
        ({"rule": "identity:get_project", "user": ADA, "scope": {}}, 400, "scope"),
        ({"rule": "identity:get_project", "target": "x"}, 400, "target"),
        ({}, 400, "rule"),
    ],
)
async def test_a_question_that_is_none_is_refused(
    cloud: RunningCloud, question: dict[str, Any], status: int, word: str
) -> None:
    answer = await cloud.post("/pileus/v1/explain", json={"explain": question})
    assert (answer.status_code, word in answer.text) == (status, True), answer.text


async def test_only_administrators_ask(cloud: RunningCloud) -> None:
    refused = await cloud.as_("manager").post("/pileus/v1/explain", json={"explain": {"rule": "identity:get_project"}})
    assert (refused.status_code, "pileus:explain" in refused.text) == (403, True)
