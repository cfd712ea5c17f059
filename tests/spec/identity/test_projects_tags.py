"""/v3/projects/{id}/tags, and lists narrowed by tags."""

from __future__ import annotations

from typing import Any

import pytest

from support.identity import Session, World

MISSING = "0" * 32


@pytest.fixture
async def admin(identity: World) -> Session:
    return await identity.admin()


async def test_tags_are_put_shown_and_taken_away(identity: World, admin: Session) -> None:
    path = f"/v3/projects/{await identity.project('own')}/tags"
    link = {"self": f"http://cloud.example:8775/identity{path}"}
    assert (await admin.get(path)).json() == {"tags": [], "links": link}
    put = await admin.put(path, {"tags": ["b", " a "]})
    assert (put.status_code, put.json()) == (200, {"tags": ["a", "b"], "links": link})
    assert (await admin.get(path)).json() == put.json()
    assert (await admin.put(path, {"tags": ["c"]})).json()["tags"] == ["c"]
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).json()["tags"] == []


async def test_one_tag_is_put_looked_for_and_taken_away(identity: World, admin: Session) -> None:
    own = await identity.project("own")
    path = f"/v3/projects/{own}/tags/two words"
    made = await admin.put(path)
    assert (made.status_code, made.content) == (201, b"")
    assert made.headers["Location"] == f"http://cloud.example:8775/identity/v3/projects/{own}/tags/two%20words"
    for tag, status in (("two words", 204), ("TWO WORDS", 404), ("other", 404)):
        assert (await admin.get(f"/v3/projects/{own}/tags/{tag}")).status_code == status
        assert (await admin.head(f"/v3/projects/{own}/tags/{tag}")).status_code == status
    assert (await admin.put(f"/v3/projects/{own}/tags/TWO WORDS")).status_code == 201
    assert (await admin.put(path)).status_code == 400  # as Keystone: it is there already
    assert (await admin.delete(path)).status_code == 204
    gone = await admin.delete(path)
    assert (gone.status_code, gone.json()["error"]["message"]) == (404, "Could not find project tag: two words.")
    assert (await admin.get(f"/v3/projects/{own}/tags")).json()["tags"] == ["TWO WORDS"]


@pytest.mark.parametrize("tag", ["a,b", "a%2Fb", "x" * 256, "%20"])
async def test_what_is_no_tag(identity: World, admin: Session, tag: str) -> None:
    own = await identity.project("own")
    assert (await admin.put(f"/v3/projects/{own}/tags/{tag}")).status_code == 400
    plain = tag.replace("%2F", "/").replace("%20", " ")
    assert (await admin.put(f"/v3/projects/{own}/tags", {"tags": [plain]})).status_code == 400
    assert (await admin.post("/v3/projects", {"project": {"name": "a", "tags": [plain]}})).status_code == 400
    assert (await admin.patch(f"/v3/projects/{own}", {"project": {"tags": [plain]}})).status_code == 400


@pytest.mark.parametrize(
    "body", [{"tags": ["a", "a"]}, {"tags": ["a", " a"]}, {"tags": "a"}, {"tags": [1]}, {}, {"x": []}]
)
async def test_what_are_no_tags(identity: World, admin: Session, body: dict[str, Any]) -> None:
    assert (await admin.put(f"/v3/projects/{await identity.project('own')}/tags", body)).status_code == 400


async def test_a_project_has_80_tags_of_255_characters(identity: World, admin: Session) -> None:
    path = f"/v3/projects/{await identity.project('own')}/tags"
    most = [f"{n:02}" + "x" * 253 for n in range(80)]
    assert (await admin.put(path, {"tags": most})).json()["tags"] == most
    assert (await admin.put(f"{path}/more")).status_code == 400
    assert (await admin.put(path, {"tags": [*most, "more"]})).status_code == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_there_are_no_tags_of_what_is_not_there(admin: Session, method: str) -> None:
    body = {"tags": []} if method == "PUT" else None
    for rest in ("", "/a"):
        answer = await admin.request(method, f"/v3/projects/{MISSING}/tags{rest}", body if not rest else None)
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, f"Could not find project: {MISSING}.")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("tags=red", "red red+blue"),
        ("tags=red,blue", "red+blue"),
        ("tags-any=red,blue", "blue red red+blue"),
        ("not-tags=red", "blue none"),
        ("not-tags=red,blue", "blue none red"),
        ("not-tags-any=red,blue", "none"),
        ("tags=red&not-tags=blue", "red"),
        ("tags-any=red,blue&not-tags-any=red", "blue"),
        ("tags=green", ""),
        ("tags=RED", ""),
        ("tags=red,red", "red red+blue"),
    ],
)
async def test_lists_are_narrowed_by_tags(identity: World, admin: Session, query: str, names: str) -> None:
    top = await identity.project("top", tags=["red", "blue"])
    for name, tags in {"none": [], "red": ["red"], "blue": ["blue"], "red+blue": ["blue", "red"]}.items():
        await identity.project(name, parent_id=top, tags=tags)
    found = (await admin.get(f"/v3/projects?parent_id={top}&sort_key=name&{query}")).json()["projects"]
    assert " ".join(each["name"] for each in found) == names
