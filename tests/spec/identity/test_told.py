"""Every change of Identity is in the audit and in the event stream, for who may see it and for nobody else."""

from __future__ import annotations

import sqlalchemy as sa

from pileus.kernel.audit import audits
from support.cloud import RunningCloud


async def events(cloud: RunningCloud, headers: dict[str, str] | None = None) -> list[tuple[str, str, str]]:
    answer = await cloud.get("/pileus/v1/events", headers=headers)
    assert answer.status_code == 200, answer.text
    return [(event["kind"], event["verb"], event["subject_id"]) for event in answer.json()["events"]]


async def test_a_project_is_told_of_from_its_birth_to_its_end(cloud: RunningCloud) -> None:
    made = await cloud.post("/identity/v3/projects", json={"project": {"name": "short-lived"}})
    project_id = made.json()["project"]["id"]
    await cloud.patch(f"/identity/v3/projects/{project_id}", json={"project": {"description": "not for long"}})
    await cloud.delete(f"/identity/v3/projects/{project_id}")
    told = [(kind, verb) for kind, verb, subject_id in await events(cloud) if subject_id == project_id]
    assert told == [("identity.project", "created"), ("identity.project", "updated"), ("identity.project", "deleted")]
    assert project_id not in {subject_id for *_, subject_id in await events(cloud, cloud.stranger)}


async def test_the_audit_names_who_did_what_to_which(cloud: RunningCloud) -> None:
    made = await cloud.post("/identity/v3/users", json={"user": {"name": "joe", "password": "open sesame"}})
    user_id = made.json()["user"]["id"]
    row = (await cloud.ctx().execute(sa.select(audits).where(audits.c.target_id == user_id))).one()
    assert (row.user_id, row.action, row.target_type) == (cloud.user_id, "identity:create_user", "identity.user")
    assert row.request_id == made.headers["x-openstack-request-id"]
    assert "sesame" not in str(row)


async def test_who_changes_an_own_password_without_a_token_is_named_too(cloud: RunningCloud) -> None:
    made = await cloud.post("/identity/v3/users", json={"user": {"name": "joe", "password": "open sesame"}})
    user_id = made.json()["user"]["id"]
    body = {"user": {"original_password": "open sesame", "password": "close sesame"}}
    answer = await cloud.http.post(f"/identity/v3/users/{user_id}/password", json=body)
    request_id = answer.headers["x-openstack-request-id"]
    [row] = await cloud.ctx().execute(sa.select(audits).where(audits.c.request_id == request_id))
    assert (row.user_id, row.action, row.target_type, row.target_id) == (user_id, "anonymous", "identity.user", user_id)
    assert [(kind, verb) for kind, verb, subject_id in await events(cloud) if subject_id == user_id][-1:] == [
        ("identity.user", "updated")
    ]


async def test_the_audit_names_what_was_deleted_though_more_went_with_it(cloud: RunningCloud) -> None:
    made = await cloud.post("/identity/v3/domains", json={"domain": {"name": "garden", "enabled": False}})
    garden = made.json()["domain"]["id"]
    for name in ("joe", "jim"):
        await cloud.post("/identity/v3/users", json={"user": {"name": name, "domain_id": garden}})
    top = (await cloud.post("/identity/v3/projects", json={"project": {"name": "top"}})).json()["project"]["id"]
    await cloud.post("/identity/v3/projects", json={"project": {"name": "below", "parent_id": top}})
    paths = [f"/identity/v3/domains/{garden}", f"/identity/v3/projects/{top}?cascade=execute"]
    for path in paths:
        assert (await cloud.delete(path)).status_code == 204
    named = sa.select(audits.c.target_type, audits.c.target_id).where(audits.c.method == "DELETE")
    rows = {tuple(row) for row in await cloud.ctx().execute(named)}
    assert rows == {("identity.domain", garden), ("identity.project", top)}
    told = [(kind, verb) for kind, verb, _ in await events(cloud) if verb == "deleted"]
    assert (
        told
        == [("identity.user", "deleted")] * 2 + [("identity.domain", "deleted")] + [("identity.project", "deleted")] * 2
    )
