"""POST /pileus/v1/verify: whether engines hold what the rows say, and nothing is stuck."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from demo.volumes import service as volumes
from demo.volumes.sagas import create_volume
from pileus.engines.hypervisor import Domain
from pileus.kernel import verify
from pileus.kernel.context import Ctx
from pileus.kernel.errors import NotFound
from pileus.kernel.operations.tables import debts, operations, subjects
from pileus.kernel.verify import Difference, Looking
from support.cloud import RunningCloud

HOST = "h1"
KERNEL = ("kernel.operations", "kernel.claims", "kernel.debts", "kernel.generations")


@pytest.fixture
def of_demo() -> Iterator[str]:
    """A check of the demonstration's volumes, which are guests of its simulated host."""
    name = "demo.volumes"

    @verify.check(name)
    async def volumes_are_there(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
        seen = await looking.at("hypervisor", HOST)
        if seen is not None:
            there = {id_: "there" for id_ in seen}
            wanted = {id_: "there" for id_ in there if await volumes.find(ctx, id_) is not None}
            for difference in verify.compared("volume", wanted, there, host=HOST):
                yield difference

    yield name
    del verify.checks[name]


async def report(cloud: RunningCloud, *checks: str) -> dict[str, Any]:
    answer = await cloud.post("/pileus/v1/verify", json={"verify": {"checks": list(checks)}})
    assert answer.status_code == 200, answer.text
    return answer.json()["report"]


async def begun(cloud: RunningCloud, volume_id: UUID) -> None:
    async with cloud.ctx().transaction() as ctx:
        await create_volume.start(ctx, volume_id, host=HOST)


async def test_a_cloud_in_which_all_is_well_is_clean(cloud: RunningCloud, of_demo: str) -> None:
    await begun(cloud, uuid4())
    await cloud.settle()
    found = await report(cloud, of_demo, *KERNEL)
    assert (found["clean"], found["differences"], found["unseen"]) == (True, [], {})
    assert set(found["checks"]) == {of_demo, *KERNEL}


async def test_what_no_row_speaks_of_is_told_with_its_host(cloud: RunningCloud, of_demo: str) -> None:
    stray = Domain(id=uuid4(), vcpus=1, memory_mib=64)
    await cloud.world.engine("hypervisor", HOST).ensure_defined(stray, fence=1)
    (difference,) = (await report(cloud, of_demo, of_demo))["differences"]
    assert (difference["subject_id"], difference["host"]) == (str(stray.id), HOST)
    assert "no row says that it should be" in difference["cause"]


async def test_what_an_operation_is_at_work_on_does_not_count(cloud: RunningCloud, of_demo: str) -> None:
    volume_id = uuid4()
    await begun(cloud, volume_id)
    await cloud.world.engine("hypervisor", HOST).ensure_defined(Domain(id=volume_id, vcpus=0, memory_mib=0), fence=1)
    assert (await report(cloud, of_demo))["clean"]


async def test_an_engine_that_cannot_be_asked_is_told_and_is_not_clean(cloud: RunningCloud, of_demo: str) -> None:
    cloud.world.rims.pop(("hypervisor", HOST))
    found = await report(cloud, of_demo)
    assert not found["clean"]
    assert set(found["unseen"]) == {f"hypervisor on {HOST}"}


async def test_an_engine_that_a_host_does_not_have_holds_nothing(cloud: RunningCloud) -> None:
    class Agentless:
        async def observe(self) -> None:
            raise NotFound("This host has no such engine.")

    cloud.world.rims["time machine", HOST] = SimpleNamespace(engine=Agentless())  # type: ignore[assignment]
    looking = Looking(cloud.ctx())
    assert (await looking.at("time machine", HOST), looking.unseen) == (None, {})
    del cloud.world.rims["time machine", HOST]


async def test_what_is_parked_or_still_claimed_or_owed_is_told(cloud: RunningCloud) -> None:
    volume_id = uuid4()
    await begun(cloud, volume_id)
    await cloud.settle()
    async with cloud.ctx().transaction() as ctx:
        done = (await ctx.execute(sa.select(operations.c.id).where(operations.c.subject_id == volume_id))).scalar_one()
        held = uuid4()
        await ctx.execute(subjects.insert(), {"subject_id": held, "operation_id": done})
        owed = {"id": uuid4(), "host": HOST, "engine": "hypervisor", "verb": "ensure_gone", "subject_id": volume_id}
        await ctx.execute(debts.insert(), owed | {"fence": 1, "operation_id": done, "at": ctx.now()})
    causes = {d["subject"]: d["cause"] for d in (await report(cloud, *KERNEL))["differences"]}
    assert causes == {
        "claim": f"It ended and still holds {held}.",
        "debt": f"{HOST} is up and still owes hypervisor.ensure_gone.",
    }
    async with cloud.ctx().transaction() as ctx:
        await ctx.execute(operations.update().values(state="parked", cause="the disk is full"))
    (parked,) = (await report(cloud, "kernel.operations"))["differences"]
    assert parked["cause"].startswith("demo.create_volume@1 is parked: the disk is full. Mend the cause and `pileus op")


async def test_what_a_host_owes_that_is_down_is_not_told_but_that_it_is_down_is(cloud: RunningCloud) -> None:
    async with cloud.ctx().transaction() as ctx:
        for verb in ("ensure_gone", "ensure_power"):
            owed = {"id": uuid4(), "host": HOST, "engine": "hypervisor", "verb": verb, "subject_id": uuid4()}
            await ctx.execute(debts.insert(), owed | {"fence": 1, "operation_id": uuid4(), "at": ctx.now()})
    cloud.world.rims.pop(("hypervisor", HOST))
    found = await report(cloud, "kernel.debts")
    assert (found["differences"], list(found["unseen"])) == ([], [f"hypervisor on {HOST}"])


async def test_what_has_no_uuid_has_no_operation(cloud: RunningCloud) -> None:
    assert await verify.busy(cloud.ctx(), ["a name"], since=0.0) == set()


async def test_a_check_that_is_none_is_told_with_those_there_are(cloud: RunningCloud) -> None:
    answer = await cloud.post("/pileus/v1/verify", json={"verify": {"checks": ["kernel.nothing"]}})
    assert answer.status_code == 404
    assert "kernel.operations" in answer.json()["error"]["message"]


async def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two checks"):
        verify.check("kernel.operations")(verify.checks["kernel.operations"])


def test_each_way_to_differ_is_told_and_what_is_spared_is_not() -> None:
    missing, stray, other, spared, same = (uuid4() for _ in range(5))
    told = verify.compared(
        "disk", {missing: 1, other: 1, same: 1}, {stray: 1, other: 2, spared: 1, same: 1}, spared={spared}
    )
    assert {d.subject_id: d.cause.split(",")[0] for d in told} == {
        str(missing): "The rows say that it is there",
        str(stray): "It is there",
        str(other): "The rows say 1",
    }
