"""What a service above asks of Placement inside its own transaction: candidates, claims, moves, releases."""

from __future__ import annotations

from uuid import uuid4

import pytest

from pileus.kernel.errors import Conflict, NotFound
from pileus.services.placement.allocation_candidates import service as candidates
from pileus.services.placement.allocation_candidates.service import Group, Request
from pileus.services.placement.allocations import service
from pileus.services.placement.allocations.service import Claim
from support.placement import PROJECT, USER, Placement

REQUEST = Request(groups={"": Group(resources={"VCPU": 2})}, limit=10)


def of(resources: dict[str, dict[str, int]], generation: int | None = None) -> Claim:
    return Claim(resources=resources, project_id=PROJECT, user_id=USER, consumer_type="INSTANCE", generation=generation)


class Aborted(Exception):
    """What makes the service above give up."""


async def test_what_is_found_is_claimed_in_the_transaction_that_needs_it(placement: Placement) -> None:
    host, server = await placement.provider(VCPU=4), str(uuid4())
    async with placement.ctx.transaction() as ctx:
        (found,) = (await candidates.find(ctx, REQUEST)).candidates
        await service.replace(ctx, {server: of({host: dict(found.resources[host])})})
        (left,) = (await candidates.find(ctx, REQUEST)).offers
        assert left.levels["VCPU"].used == 2, "it sees what it has taken itself"
    assert await placement.used(host) == {"VCPU": 2}


async def test_it_is_undone_with_that_transaction(placement: Placement) -> None:
    host = await placement.provider(VCPU=2)
    with pytest.raises(Aborted):
        async with placement.ctx.transaction() as ctx:
            await service.replace(ctx, {str(uuid4()): of({host: {"VCPU": 2}})})
            assert (await candidates.find(ctx, REQUEST)).candidates == []
            raise Aborted
    assert await placement.used(host) == {"VCPU": 0}
    assert len((await candidates.find(placement.ctx, REQUEST)).candidates) == 1, "nothing of it is remembered"


async def test_a_migration_holds_the_source_while_the_server_claims_the_target(placement: Placement) -> None:
    source, target = await placement.provider(VCPU=4, DISK_GB=9), await placement.provider(VCPU=4)
    server, migration = await placement.consumer({source: {"VCPU": 2, "DISK_GB": 5}}), str(uuid4())
    async with placement.ctx.transaction() as ctx:
        await service.move(ctx, server, migration, consumer_type="MIGRATION")
    held = await service.of_consumer(placement.ctx, migration)
    assert [(row.provider_id, row.resource_class, row.used) for row in held] == [
        (source, "DISK_GB", 5),
        (source, "VCPU", 2),
    ]
    assert await service.find(placement.ctx, server) is None
    await service.replace(placement.ctx, {server: of({target: {"VCPU": 2}})})
    taken = {server, migration}
    assert await service.release(placement.ctx, [migration]) is True
    assert (await placement.used(source), await placement.used(target)) == ({"VCPU": 0, "DISK_GB": 0}, {"VCPU": 2})
    with pytest.raises(Conflict):
        await service.move(placement.ctx, server, await placement.consumer({source: {"VCPU": 1}}), consumer_type="X")
    assert taken


async def test_what_uses_nothing_is_released_again_and_not_moved(placement: Placement) -> None:
    nobody = str(uuid4())
    assert await service.release(placement.ctx, [nobody]) is False
    with pytest.raises(NotFound):
        await service.move(placement.ctx, nobody, str(uuid4()), consumer_type="MIGRATION")
    with pytest.raises(NotFound):
        await service.delete(placement.ctx, nobody)
