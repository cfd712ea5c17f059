"""Lists of Identity, shown on /v3/users: pages, order, filters with operators."""

from __future__ import annotations

import pytest

from pileus.kernel.config import Config, Identity
from support.identity import World

NAMES = ["ada", "Bob", "cyd", "dan", "eve"]


async def test_pages_put_together_are_the_list(identity: World) -> None:
    """`links.next` for Keystone's clients and gophercloud, `next` for openstacksdk."""
    admin = await identity.admin()
    for name in NAMES:
        await identity.user(name)
    whole = (await admin.get("/v3/users?sort_key=name")).json()
    assert whole["links"]["next"] is None
    seen, path = [], "/v3/users?sort_key=name&limit=2"
    while path:
        answer = await admin.get(path)
        page = answer.json()
        assert len(page["users"]) <= 2
        seen += page["users"]
        following = page["links"]["next"]
        assert page.get("next") == following
        assert "link" not in answer.headers
        path = following.partition("/identity")[2] if following else ""
    assert seen == whole["users"]
    assert [user["name"] for user in seen] == sorted([*NAMES, "admin"])


async def test_a_page_has_no_more_than_the_operator_allows(identity: World) -> None:
    await identity.process(Config(identity=Identity(bcrypt_rounds=4, list_limit=2)))
    admin = await identity.session("admin", scope="admin", process=1)
    for name in NAMES:
        await identity.user(name)
    for asked in ("", "?limit=100"):
        page = (await admin.get(f"/v3/users{asked}")).json()
        assert len(page["users"]) == 2
        assert page["links"]["next"] is not None


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name__contains=d", ["ada", "admin", "cyd", "dan"]),
        ("name__istartswith=B", ["Bob"]),
        ("name__endswith=e&enabled=true", ["eve"]),
        ("name=ada&name=eve", ["ada", "eve"]),
        ("enabled", ["Bob", "ada", "admin", "cyd", "dan", "eve"]),
        ("enabled=0", []),
        ("limit=0", []),
        ("sort_key=name&sort_dir=desc&limit=1", ["eve"]),
        ("unheard_of=1&limit=1&sort_key=name", ["Bob"]),
    ],
)
async def test_a_list_is_narrowed(identity: World, query: str, names: list[str]) -> None:
    admin = await identity.admin()
    for name in NAMES:
        await identity.user(name)
    answer = await admin.get(f"/v3/users?{query}")
    assert sorted(user["name"] for user in answer.json()["users"]) == names


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "marker=nobody", "enabled=maybe", "sort_key=password"])
async def test_a_list_that_cannot_be(identity: World, query: str) -> None:
    assert (await (await identity.admin()).get(f"/v3/users?{query}")).status_code == 400
