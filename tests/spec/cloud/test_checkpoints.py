"""/v1/checkpoints and /v1/reset: the state of a simulated cloud, kept and put back, on each database."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cloud import RunningCloud, running_cloud


async def names(cloud: RunningCloud) -> set[str]:
    answer = await cloud.get("/identity/v3/projects")
    return {project["name"] for project in answer.json()["projects"]}


async def add(cloud: RunningCloud, name: str, **facts: str) -> str:
    answer = await cloud.post("/identity/v3/projects", json={"project": {"name": name, **facts}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["project"]["id"])


async def save(cloud: RunningCloud, name: str) -> None:
    answer = await cloud.post("/pileus/v1/checkpoints", json={"checkpoint": {"name": name}})
    assert answer.status_code == 201, answer.text
    assert answer.json()["checkpoint"]["name"] == name


async def test_everything_is_as_it_was_at_the_checkpoint(cloud: RunningCloud) -> None:
    top = await add(cloud, "top")
    await add(cloud, "below", parent_id=top)  # rows that refer to rows of their own table
    before = await names(cloud)
    await save(cloud, "one")
    await add(cloud, "late")
    assert (await cloud.delete(f"/identity/v3/projects/{await add(cloud, 'later')}")).status_code == 204
    done = await cloud.post("/pileus/v1/checkpoints/one/action", json={"restore": None})
    assert (done.status_code, done.content) == (204, b"")
    assert await names(cloud) == before
    await add(cloud, "late")  # and goes on from there


@pytest.mark.database("sqlite")
async def test_it_is_kept_before_any_host_holds_anything(database_url: str, tmp_path: Path) -> None:
    elsewhere = {"image.store": str(tmp_path / "images")}
    async with running_cloud(database_url, tmp_path / "state", elsewhere) as cloud:
        await save(cloud, "one")
        assert (await cloud.post("/pileus/v1/checkpoints/one/action", json={"restore": None})).status_code == 204


async def test_a_checkpoint_may_be_put_back_more_than_once(cloud: RunningCloud) -> None:
    before = await names(cloud)
    await save(cloud, "one")
    for _ in range(2):
        await add(cloud, "late")
        assert (await cloud.post("/pileus/v1/reset", json={"reset": {"name": "one"}})).status_code == 204
        assert await names(cloud) == before


async def test_checkpoints_are_listed_with_time_and_size(cloud: RunningCloud) -> None:
    assert (await cloud.get("/pileus/v1/checkpoints")).json() == {"checkpoints": []}
    await save(cloud, "two")
    await save(cloud, "one")
    found = (await cloud.get("/pileus/v1/checkpoints")).json()["checkpoints"]
    assert [checkpoint["name"] for checkpoint in found] == ["one", "two"]
    assert all(set(checkpoint) == {"name", "created_at", "size_bytes"} for checkpoint in found)
    assert all(checkpoint["size_bytes"] > 0 for checkpoint in found)


async def test_a_name_is_used_once(cloud: RunningCloud) -> None:
    await save(cloud, "one")
    again = await cloud.post("/pileus/v1/checkpoints", json={"checkpoint": {"name": "one"}})
    assert (again.status_code, "already" in again.text) == (409, True)


@pytest.mark.parametrize("name", ["", "..", "../up", ".hidden", "Upper", "a/b", "a\u0000", "é", "a" * 64])
async def test_a_name_that_is_no_name_is_refused(cloud: RunningCloud, name: str, tmp_path: Path) -> None:
    files = set(tmp_path.rglob("*"))
    answer = await cloud.post("/pileus/v1/checkpoints", json={"checkpoint": {"name": name}})
    assert answer.status_code == 400
    assert set(tmp_path.rglob("*")) == files


@pytest.mark.parametrize("name", ["none", "..", "a/b"])
async def test_what_is_not_kept_cannot_be_put_back(cloud: RunningCloud, name: str) -> None:
    assert (await cloud.post("/pileus/v1/reset", json={"reset": {"name": name}})).status_code == 404


async def test_a_reset_without_a_name_needs_a_first_state(cloud: RunningCloud) -> None:
    """`pileus up` keeps it at its first start; this cloud was opened without."""
    assert (await cloud.post("/pileus/v1/reset", json={"reset": {}})).status_code == 404


async def test_operations_that_run_are_dropped_with_what_came_after(cloud: RunningCloud) -> None:
    await save(cloud, "one")
    await cloud.post("/demo/v1/machines", json={"machine": {"name": "m"}})
    assert (await cloud.post("/pileus/v1/reset", json={"reset": {"name": "one"}})).status_code == 204
    assert (await cloud.get("/pileus/v1/operations")).json()["operations"] == []
    await cloud.settle()


@pytest.mark.parametrize("role", ["reader", "member", "manager"])
async def test_only_administrators_may(cloud: RunningCloud, role: str) -> None:
    await save(cloud, "one")
    client = cloud.as_(role)
    assert (await client.get("/pileus/v1/checkpoints")).status_code == 403
    assert (await client.post("/pileus/v1/checkpoints", json={"checkpoint": {"name": "two"}})).status_code == 403
    assert (await client.post("/pileus/v1/checkpoints/one/action", json={"restore": None})).status_code == 403
    assert (await client.post("/pileus/v1/reset", json={"reset": {"name": "one"}})).status_code == 403


async def test_metrics_are_for_this_machine_and_for_administrators(cloud: RunningCloud) -> None:
    nobody = {"X-Auth-Token": None}
    assert (await cloud.get("/metrics", headers=nobody)).status_code == 200
    for name in ("x-forwarded-for", "forwarded", "via"):
        assert (await cloud.get("/metrics", headers={**nobody, name: "x"})).status_code == 401
        assert (await cloud.get("/metrics", headers={name: "x"})).status_code == 200
        assert (await cloud.as_("member").get("/metrics", headers={name: "x"})).status_code == 403


async def test_what_a_cloud_does_is_counted(cloud: RunningCloud) -> None:
    before = await numbers(cloud)
    await add(cloud, "one")
    after = await numbers(cloud)
    labels = '{method="POST",route="/v3/projects",service="identity",status="201"}'
    assert after[f"pileus_requests_total{labels}"] == before.get(f"pileus_requests_total{labels}", 0) + 1
    assert after["pileus_database_commits_total"] > before["pileus_database_commits_total"]


async def numbers(cloud: RunningCloud) -> dict[str, float]:
    lines = (await cloud.get("/metrics")).text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}
