"""Deleting a project that owns something: refused with a plan, or done with all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

import demo.owners  # noqa: F401 (declares what of the demonstration belongs to projects)
from demo.machines import service as machines
from demo.networks import service as networks
from pileus.kernel.context import Caller, Ctx
from pileus.kernel.db import Text, metadata
from pileus.kernel.errors import Conflict
from pileus.services.identity.projects import service as projects
from pileus.services.identity.projects.service import Owned, StillOwns
from support.cloud import RunningCloud, logged_in

PROJECTS = "/identity/v3/projects"
MISSING = "0" * 32

notes = sa.Table(
    "test_cascade_note",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("project_id", Text, nullable=False),
)

stuck: list[int] = []
"""How many things the projects have that cannot be deleted, at each look; the last number stays."""


@projects.owner("test.note", at_once=True)
async def notes_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    rows = (await ctx.execute(sa.select(notes.c.id).where(notes.c.project_id.in_(ids)))).scalars().all()
    return Owned(len(rows), [str(row) for row in rows])


@notes_owned.delete
async def delete_notes(ctx: Ctx, ids: Sequence[str]) -> int:
    """Two at a time."""
    few = sa.select(notes.c.id).where(notes.c.project_id.in_(ids)).limit(2)
    return (await ctx.execute(notes.delete().where(notes.c.id.in_(few)))).rowcount


@projects.owner("test.stuck", at_once=True)
async def stuck_owned(ctx: Ctx, ids: Sequence[str]) -> Owned:
    count = stuck.pop(0) if len(stuck) > 1 else sum(stuck)
    return Owned(count, ["stuck"] * count)


@stuck_owned.delete
async def delete_stuck(ctx: Ctx, ids: Sequence[str]) -> int:
    return 0


@pytest.fixture(autouse=True)
def nothing_is_stuck() -> Iterator[None]:
    stuck.clear()
    yield
    stuck.clear()


async def project(cloud: RunningCloud, name: str, **facts: Any) -> str:
    made = await cloud.post(PROJECTS, json={"project": {"name": name, **facts}})
    assert made.status_code == 201, made.text
    return str(made.json()["project"]["id"])


def inside(cloud: RunningCloud, project_id: str) -> Ctx:
    """A Ctx of somebody in that project."""
    return replace(cloud.ctx(), caller=Caller("u" * 32, project_id=project_id))


async def note(cloud: RunningCloud, project_id: str, count: int = 1) -> None:
    async with cloud.ctx().transaction() as ctx:
        await ctx.execute(notes.insert(), [{"project_id": project_id}] * count)


@pytest.fixture
async def shop(cloud: RunningCloud) -> str:
    """A project with a machine with a disk, and a network in a project below it."""
    shop = await project(cloud, "shop")
    below = await project(cloud, "below", parent_id=shop)
    await machines.create(inside(cloud, shop), name="web", disk=True)
    await networks.create(inside(cloud, below), size=3)
    await cloud.settle()
    return shop


def kinds(plan: dict[str, Any]) -> dict[str, int]:
    return {line["kind"]: line["count"] for line in plan["deletes"]}


OWNED = {"demo.machine": 1, "demo.volume": 1, "demo.network": 1, "identity.project": 1}


async def test_it_says_what_would_be_left_behind_and_the_way_out(cloud: RunningCloud, shop: str) -> None:
    answer = await cloud.delete(f"{PROJECTS}/{shop}")
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert (error["code"], error["title"]) == (409, "Conflict")
    assert kinds(error["plan"]) == OWNED
    assert {"kind": "demo.machine", "count": 1, "names": ["web"]} in error["plan"]["deletes"]
    way_out = f"Delete these first, or everything at once by DELETE /v3/projects/{shop}?cascade=execute."
    assert error["plan"]["way_out"] == way_out
    assert error["message"].startswith(f"Cannot delete the project {shop}: it still owns 1 demo.machine (web), ")
    assert error["message"].endswith(way_out)
    assert (await cloud.get(f"{PROJECTS}/{shop}")).json()["project"]["enabled"] is True


async def test_the_plan_alone_changes_nothing(cloud: RunningCloud, shop: str) -> None:
    refused = (await cloud.delete(f"{PROJECTS}/{shop}")).json()["error"]["plan"]
    for _ in range(2):
        answer = await cloud.delete(f"{PROJECTS}/{shop}?cascade=plan")
        assert (answer.status_code, answer.json()) == (200, {"plan": refused})
    empty = await cloud.delete(f"{PROJECTS}/{await project(cloud, 'empty')}?cascade=plan")
    assert empty.json()["plan"]["deletes"] == []
    assert (await cloud.delete(f"{PROJECTS}/{MISSING}?cascade=plan")).status_code == 404


async def test_all_of_it_goes_and_then_the_project(cloud: RunningCloud, shop: str) -> None:
    await cloud.put(f"{PROJECTS}/{shop}/users/{cloud.user_id}/roles/{await role_id(cloud, 'member')}")
    inhabitant = await logged_in(cloud.ctx(), cloud.user_id, shop)
    answer = await cloud.delete(f"{PROJECTS}/{shop}?cascade=execute")
    assert answer.status_code == 202
    assert kinds(answer.json()["plan"]) == OWNED
    assert (await cloud.get(f"{PROJECTS}?parent_id={shop}")).json()["projects"][0]["enabled"] is False
    assert (await cloud.get(f"{PROJECTS}/{shop}")).json()["project"]["enabled"] is False
    assert (await cloud.get("/identity/v3/auth/projects", headers=inhabitant)).status_code == 401
    again = await cloud.delete(f"{PROJECTS}/{shop}?cascade=execute")
    assert (again.status_code, again.json()["operation_id"]) == (202, answer.json()["operation_id"])
    revived = await cloud.patch(f"{PROJECTS}/{shop}", json={"project": {"enabled": True}})
    assert revived.status_code == 409
    assert "identity.delete_project is running" in revived.json()["error"]["message"]
    await cloud.settle()
    operation = await cloud.get(f"/pileus/v1/operations/{answer.json()['operation_id']}")
    assert operation.json()["operation"]["state"] == "done"
    assert (await cloud.get(f"{PROJECTS}/{shop}")).status_code == 404
    assert (await cloud.get(f"{PROJECTS}?parent_id={shop}")).json()["projects"] == []
    for table in ("demo_machine", "demo_volume", "demo_network", "operation_subject"):
        assert (await cloud.ctx().execute(sa.select(metadata.tables[table]))).all() == [], table


async def role_id(cloud: RunningCloud, name: str) -> str:
    return str((await cloud.get(f"/identity/v3/roles?name={name}")).json()["roles"][0]["id"])


async def test_projects_below_alone_go_at_once(cloud: RunningCloud) -> None:
    top = await project(cloud, "top")
    leaf = await project(cloud, "leaf", parent_id=await project(cloud, "middle", parent_id=top))
    refused = await cloud.delete(f"{PROJECTS}/{top}")
    assert kinds(refused.json()["error"]["plan"]) == {"identity.project": 2}
    assert "2 identity.project (middle, leaf)" in refused.json()["error"]["message"]
    assert (await cloud.delete(f"{PROJECTS}/{top}?cascade=execute")).status_code == 204
    for gone in (top, leaf):
        assert (await cloud.get(f"{PROJECTS}/{gone}")).status_code == 404


async def test_what_is_only_rows_goes_at_once_if_it_is_little(cloud: RunningCloud) -> None:
    little, much = await project(cloud, "little"), await project(cloud, "much")
    await note(cloud, little, 2)
    await note(cloud, much, 5)
    assert kinds((await cloud.delete(f"{PROJECTS}/{little}")).json()["error"]["plan"]) == {"test.note": 2}
    assert (await cloud.delete(f"{PROJECTS}/{little}?cascade=execute")).status_code == 204
    assert (await cloud.delete(f"{PROJECTS}/{much}?cascade=execute")).status_code == 202
    await cloud.settle()
    assert (await cloud.get(f"{PROJECTS}/{much}")).status_code == 404
    assert (await cloud.ctx().execute(sa.select(notes))).all() == []


async def test_a_domain_takes_projects_along_but_not_what_they_own(cloud: RunningCloud) -> None:
    made = await cloud.post("/identity/v3/domains", json={"domain": {"name": "garden"}})
    garden = made.json()["domain"]["id"]
    path = f"/identity/v3/domains/{garden}"
    shed = await project(cloud, "shed", domain_id=garden)
    await machines.create(inside(cloud, shed), name="web")
    for query in ("", "?cascade=execute"):
        assert (await cloud.delete(f"{path}{query}")).status_code == 403
    await cloud.patch(path, json={"domain": {"enabled": False}})
    refused = await cloud.delete(path)
    assert refused.status_code == 409
    plan = refused.json()["error"]["plan"]
    assert kinds(plan) == {"demo.machine": 1, "identity.project": 1}
    assert plan["way_out"].endswith(f"DELETE /v3/domains/{garden}?cascade=execute.")
    assert (await cloud.delete(f"{path}?cascade=plan")).json() == {"plan": plan}
    assert (await cloud.delete(f"{path}?cascade=execute")).status_code == 202
    assert (await cloud.get(f"{PROJECTS}/{shed}")).json()["project"]["enabled"] is False
    assert (await cloud.patch(path, json={"domain": {"enabled": True}})).status_code == 409
    await cloud.settle()
    for gone in (path, f"{PROJECTS}/{shed}"):
        assert (await cloud.get(gone)).status_code == 404


async def test_an_immutable_project_keeps_those_above_it(cloud: RunningCloud) -> None:
    top = await project(cloud, "top")
    rock = await project(cloud, "rock", parent_id=top, options={"immutable": True})
    answer = await cloud.delete(f"{PROJECTS}/{top}?cascade=execute")
    assert (answer.status_code, rock in answer.json()["error"]["message"]) == (403, True)


@pytest.mark.parametrize("word", ["", "true", "PLAN"])
async def test_there_is_no_other_way(cloud: RunningCloud, word: str) -> None:
    assert (await cloud.delete(f"{PROJECTS}/{await project(cloud, 'own')}?cascade={word}")).status_code == 400


async def test_a_stranger_learns_nothing_of_what_is_owned(cloud: RunningCloud, shop: str) -> None:
    for query in ("", "?cascade=plan", "?cascade=execute"):
        there, missing = [
            await cloud.delete(f"{PROJECTS}/{each}{query}", headers=cloud.stranger) for each in (shop, MISSING)
        ]
        assert (there.status_code, there.text) == (403, missing.text)


@pytest.mark.parametrize("left", [1, 0])
async def test_what_cannot_be_deleted_is_told_and_a_second_deletion_tries_again(cloud: RunningCloud, left: int) -> None:
    own = await project(cloud, "own")
    stuck.append(1)
    first = await cloud.delete(f"{PROJECTS}/{own}?cascade=execute")
    await cloud.settle()
    parked = (await cloud.get(f"/pileus/v1/operations/{first.json()['operation_id']}")).json()["operation"]
    assert parked["state"] == "parked"
    assert "waiting for 1 test.stuck" in parked["cause"]
    stuck[:] = [left]
    plain = await cloud.delete(f"{PROJECTS}/{own}")
    assert (plain.status_code, "identity.delete_project is parked" in plain.json()["error"]["message"]) == (409, True)
    again = await cloud.delete(f"{PROJECTS}/{own}?cascade=execute")
    assert (again.status_code, again.json()["operation_id"]) == (202, first.json()["operation_id"])
    stuck.clear()
    await cloud.settle()
    assert (await cloud.get(f"{PROJECTS}/{own}")).status_code == 404


async def test_what_comes_in_between_is_told(cloud: RunningCloud) -> None:
    own = await project(cloud, "own")
    stuck.extend([0, 0, 1, 0])
    answer = await cloud.delete(f"{PROJECTS}/{own}?cascade=execute")
    assert (answer.status_code, "send this again" in answer.json()["error"]["message"]) == (409, True)
    assert (await cloud.delete(f"{PROJECTS}/{own}?cascade=execute")).status_code == 204


def test_a_kind_has_one_owner() -> None:
    with pytest.raises(ValueError, match="two owners"):
        projects.owner("test.note")(notes_owned.count)


# who gives a project something holds it


async def test_nothing_is_given_to_a_project_that_is_disabled_or_gone(cloud: RunningCloud) -> None:
    own = await project(cloud, "own")
    async with cloud.ctx().transaction() as ctx:
        await projects.hold(ctx, own)
    await cloud.patch(f"{PROJECTS}/{own}", json={"project": {"enabled": False}})
    for each in (own, MISSING):
        async with cloud.ctx().transaction() as ctx:
            with pytest.raises(Conflict, match="nothing can be added"):
                await projects.hold(ctx, each)


@pytest.mark.database("postgresql")
async def test_a_project_is_not_deleted_beside_who_gives_it_something(cloud: RunningCloud) -> None:
    own = await project(cloud, "own")
    deleting = None
    async with cloud.ctx().transaction() as ctx:
        await projects.hold(ctx, own)
        deleting = asyncio.create_task(projects.delete(cloud.ctx(), own))
        await until_it_waits(cloud)
        await ctx.execute(notes.insert(), {"project_id": own})
    with pytest.raises(StillOwns):
        await deleting


async def until_it_waits(cloud: RunningCloud) -> None:
    """Until another transaction waits for a lock."""
    query = sa.text("SELECT 1 FROM pg_locks WHERE NOT granted").columns(sa.column("one"))
    async with asyncio.timeout(10):
        while (await cloud.ctx().execute(query)).first() is None:
            await asyncio.sleep(0)
