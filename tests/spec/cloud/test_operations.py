"""/pileus/v1/operations: what an operator sees of long work, and what can be done about it."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import sqlalchemy as sa

from demo.machines import service as machines
from demo.volumes.sagas import create_volume
from pileus.engines.verbs import Change, Done
from pileus.kernel.operations.tables import operations
from support.cloud import RunningCloud

URL = "/pileus/v1/operations"


async def begun(cloud: RunningCloud, host: str = "h1") -> str:
    """The id of an operation that makes a volume; on a host that is not there it waits for it."""
    async with cloud.ctx().transaction() as ctx:
        return str(await create_volume.start(ctx, uuid4(), host=host))


async def test_operations_are_listed_newest_first_in_pages_and_by_state(cloud: RunningCloud) -> None:
    first, second, third = [await begun(cloud) for _ in range(3)]
    page = (await cloud.get("/pileus/v1/operations?limit=2")).json()
    assert [operation["id"] for operation in page["operations"]] == [third, second]
    (link,) = page["operations_links"]
    rest = (await cloud.get(link["href"])).json()
    assert [operation["id"] for operation in rest["operations"]] == [first]
    assert "operations_links" not in rest
    subject = page["operations"][0]["subject_id"]
    by_subject = (await cloud.get(f"{URL}?subject_id={subject}&state=running")).json()["operations"]
    assert [operation["id"] for operation in by_subject] == [third]
    assert (await cloud.get(f"{URL}?state=parked")).json()["operations"] == []
    assert (await cloud.get(f"{URL}?marker={uuid4()}")).status_code == 400


async def test_an_operation_is_shown_with_each_step_it_took_and_no_secret(cloud: RunningCloud) -> None:
    operation_id = await begun(cloud)
    await cloud.settle()
    answer = await cloud.get(f"/pileus/v1/operations/{operation_id}")
    operation = answer.json()["operation"]
    assert (operation["saga"], operation["state"]) == ("demo.create_volume@1", "done")
    assert [(line["step"], line["event"]) for line in operation["log"]] == [
        ("record", "started"),
        ("record", "done"),
        ("allocate", "done"),
        ("mark_available", "done"),
    ]
    assert "memo" not in operation
    assert "secrets" not in operation


async def test_one_that_waits_is_woken_and_one_that_runs_is_cancelled(cloud: RunningCloud) -> None:
    operation_id = await begun(cloud, host="nowhere")
    woken = await cloud.post(f"/pileus/v1/operations/{operation_id}/action", json={"retry": None})
    assert woken.status_code == 202
    called_off = await cloud.post(f"/pileus/v1/operations/{operation_id}/action", json={"cancel": None})
    assert called_off.status_code == 202
    await cloud.settle()
    shown = (await cloud.get(f"{URL}/{operation_id}")).json()["operation"]
    assert shown["state"] == "undone"
    assert shown["cause"] == "it was cancelled"
    for verb in ("retry", "cancel"):
        late = await cloud.post(f"{URL}/{operation_id}/action", json={verb: None})
        assert late.status_code == 409
        assert operation_id in late.json()["error"]["message"]


async def test_what_is_not_there_and_who_may_not_look(cloud: RunningCloud) -> None:
    missing = UUID(int=7)
    assert (await cloud.get(f"{URL}/{missing}")).status_code == 404
    for verb in ("retry", "cancel"):
        assert (await cloud.post(f"{URL}/{missing}/action", json={verb: None})).status_code == 404
    assert (await cloud.as_("member").get(URL)).status_code == 403
    assert (await cloud.as_("member").get(f"{URL}/{missing}")).status_code == 403


async def test_the_end_of_a_simulated_job_wakes_who_waits_for_it(cloud: RunningCloud) -> None:
    machine = await machines.create(cloud.ctx(), name="web")
    async with cloud.ctx().transaction() as ctx:
        await ctx.execute(operations.update().values(wake_at=2 * ctx.now()))
    cloud.world.job_ended(Change("hypervisor", "ensure_disks", str(machine.id), Done({})))
    await asyncio.gather(*cloud.world.waking)
    assert (await cloud.ctx().execute(sa.select(operations.c.wake_at))).scalars().all() == [0.0]
