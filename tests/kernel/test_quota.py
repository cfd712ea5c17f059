"""Quota: what fits is let through, what does not is told with its numbers, and no race passes a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence

import pytest
import sqlalchemy as sa

from kernel.small_world import SmallWorld
from pileus.kernel.context import Ctx
from pileus.kernel.db import Database, Text, metadata
from pileus.kernel.errors import OverQuota
from pileus.kernel.facts import facts, services_with
from pileus.kernel.quota import Bound, Claim, DefaultLimits, Owners, QuotaKind, claim, claim_all, limit_hook, limits
from pileus.services.compute import quotas as compute
from pileus.services.network import quotas as network
from pileus.services.volume import quotas as volume

boxes = sa.Table(
    "quota_box",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("project_id", Text, nullable=False),
    sa.Column("size_gib", sa.Integer, nullable=False),
)
BOXES = QuotaKind("volume", "volumes")
GIGABYTES = QuotaKind("volume", "gigabytes")


def count(owners: Owners) -> sa.Select[tuple[int]]:
    return sa.select(sa.func.count()).select_from(boxes).where(boxes.c.project_id.in_(owners))


def total(owners: Owners) -> sa.Select[tuple[int]]:
    return sa.select(sa.func.sum(boxes.c.size_gib)).where(boxes.c.project_id.in_(owners))


class FixedLimits(DefaultLimits):
    """The same limits for everybody; counts how often it is asked."""

    def __init__(self, **limits: int) -> None:
        self.known = limits
        self.asked = 0

    async def bounds(
        self, ctx: Ctx, service: str, resources: Collection[str], owner: str
    ) -> Mapping[str, Sequence[Bound]]:
        self.asked += 1
        return {resource: [Bound(self.known[resource], [owner])] for resource in resources}


class SharedLimits(FixedLimits):
    """The same limits for everybody, of which all together may use 6."""

    async def root(self, ctx: Ctx, owner: str) -> str:
        return "everybody"

    async def bounds(
        self, ctx: Ctx, service: str, resources: Collection[str], owner: str
    ) -> Mapping[str, Sequence[Bound]]:
        own = await super().bounds(ctx, service, resources, owner)
        every = sa.select(boxes.c.project_id)
        return {resource: [*found, Bound(6, every)] if found[0].limit > 0 else found for resource, found in own.items()}


@pytest.fixture
def limited() -> Iterator[type[FixedLimits]]:
    """Limits are registered for the test alone."""
    before = limit_hook.source
    yield FixedLimits
    limit_hook.register(before)


async def put(ctx: Ctx, *sizes: int, project: str = "p1", wanted: int | None = None) -> None:
    async with ctx.transaction() as tx:
        boxes_claimed = Claim(BOXES, len(sizes) if wanted is None else wanted, count)
        await claim_all(tx, project, [boxes_claimed, Claim(GIGABYTES, sum(sizes), total)])
        for size in sizes:
            await tx.execute(boxes.insert().values(project_id=project, size_gib=size))


async def test_the_defaults_are_the_facts_beside_the_service(database: Database, limited):
    limit_hook.register(DefaultLimits())
    ctx = SmallWorld(database).ctx()
    await put(ctx, *[1] * 10)
    with pytest.raises(OverQuota) as refused:
        await put(ctx, 1)
    assert refused.value.message == "Quota exceeded for volumes: limit 10, in use 10, asked for 1."
    assert refused.value.facts == {"volumes": {"limit": 10, "used": 10, "wanted": 1}}
    await put(ctx, 1, project="p2")


async def test_all_or_nothing_and_each_that_does_not_fit_is_named(database: Database, limited):
    limit_hook.register(limited(volumes=2, gigabytes=10))
    ctx = SmallWorld(database).ctx()
    await put(ctx, 9)
    with pytest.raises(OverQuota) as refused:
        await put(ctx, 1, 1)
    assert (
        "volumes: limit 2, in use 1, asked for 2; gigabytes: limit 10, in use 9, asked for 2" in refused.value.message
    )
    await put(ctx, 1)
    assert (await ctx.execute(count(["p1"]))).scalar_one() == 2


async def test_what_is_shared_is_counted_of_all_who_share_it(database: Database, limited):
    limit_hook.register(SharedLimits(volumes=3, gigabytes=-1))
    ctx = SmallWorld(database).ctx()
    await put(ctx, 1, 1, 1)
    with pytest.raises(OverQuota, match=r"volumes: limit 3, in use 3, asked for 1\.$"):
        await put(ctx, 1)
    await put(ctx, 1, 1, project="p2")
    with pytest.raises(OverQuota, match=r"volumes: limit 6, in use 5, asked for 2\.$"):
        await put(ctx, 1, 1, project="p3")
    assert await limits(ctx, "volume", ["volumes", "gigabytes"], "p3") == {"volumes": 3, "gigabytes": -1}


async def test_sixteen_who_share_a_limit_never_pass_it(database: Database, limited):
    limit_hook.register(SharedLimits(volumes=3, gigabytes=-1))
    ctx = SmallWorld(database).ctx()
    outcomes = await asyncio.gather(*(put(ctx, 1, project=f"p{n}") for n in range(16)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 6
    assert sum(isinstance(outcome, OverQuota) for outcome in outcomes) == 10


async def test_no_limit_is_no_limit(database: Database, limited):
    limit_hook.register(limited(volumes=-1, gigabytes=-1))
    await put(SmallWorld(database).ctx(), *[1000] * 20)


async def test_only_what_is_limited_is_counted(database: Database, limited):
    limit_hook.register(limited(volumes=-1, gigabytes=5))
    ctx = SmallWorld(database).ctx()
    await put(ctx, 5)
    with pytest.raises(OverQuota, match="gigabytes: limit 5, in use 5, asked for 1"):
        await put(ctx, 1)


async def test_who_wants_nothing_more_is_not_asked(database: Database, limited):
    """A limit that was lowered below the use keeps nobody from giving back, or from what costs nothing."""
    source = limited(volumes=0, gigabytes=0)
    limit_hook.register(source)
    async with SmallWorld(database).ctx().transaction() as tx:
        await claim(tx, BOXES, "p1", wanted=0, used=count)
        await claim(tx, BOXES, "p1", wanted=-3, used=count)
    assert source.asked == 0


async def test_a_claim_needs_the_transaction_that_writes(database: Database):
    with pytest.raises(AssertionError, match="a lock lives in a transaction"):
        await claim(SmallWorld(database).ctx(), BOXES, "p1", wanted=1, used=count)


async def test_claims_of_several_services_may_follow_each_other(database: Database):
    async with SmallWorld(database).ctx().transaction() as tx:
        await claim(tx, volume.VOLUMES, "p1", wanted=1, used=count)
        await tx.lock("provider", "host")
        await claim(tx, compute.INSTANCES, "p1", wanted=1, used=count)
        with pytest.raises(ValueError, match="too many values"):
            await claim_all(tx, "p1", [Claim(compute.CORES, 1, count), Claim(volume.VOLUMES, 1, count)])


async def test_sixteen_at_once_never_pass_the_limit(database: Database, limited):
    limit_hook.register(limited(volumes=5, gigabytes=1000))
    ctx = SmallWorld(database).ctx()
    outcomes = await asyncio.gather(*(put(ctx, 1) for _ in range(16)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 5
    assert sum(isinstance(outcome, OverQuota) for outcome in outcomes) == 11
    assert (await ctx.execute(count(["p1"]))).scalar_one() == 5


@pytest.mark.parametrize(
    ("kinds", "status", "said"),
    [
        (
            [compute.INSTANCES, compute.CORES],
            403,
            "Quota exceeded for instances, cores: Requested 99, 99, but already used 0, 0 of 10, 20 instances, cores",
        ),
        (
            [volume.VOLUMES],
            413,
            "Maximum number of volumes allowed (10) exceeded for quota 'volumes': 0 in use, 99 requested.",
        ),
        (
            [network.ROUTERS],
            409,
            "Quota exceeded for resources: ['router']. (router: limit 10, in use 0, requested 99)",
        ),
    ],
)
async def test_each_service_says_it_in_its_own_words(
    database: Database, kinds: list[QuotaKind], status: int, said: str
):
    async with SmallWorld(database).ctx().transaction() as tx:
        with pytest.raises(OverQuota) as refused:
            await claim_all(tx, "p1", [Claim(kind, 99, count) for kind in kinds])
    assert (refused.value.status, refused.value.message) == (status, said)
    assert refused.value.facts[kinds[0].resource]["wanted"] == 99


async def test_sizes_of_volumes_and_backups_are_told_in_gigabytes(database: Database):
    async with SmallWorld(database).ctx().transaction() as tx:
        for kind, things in ((volume.GIGABYTES, "volume or snapshot"), (volume.BACKUP_GIGABYTES, "backup")):
            with pytest.raises(OverQuota) as refused:
                await claim(tx, kind, "p1", wanted=1001, used=total)
            assert refused.value.message == (
                f"Requested {things} exceeds allowed {kind.resource} quota. Requested 1001G, quota is 1000G and 0G has been consumed."
            )
            assert refused.value.headers == {"Retry-After": "0"}


def test_every_kind_has_a_default():
    for module in (compute, network, volume):
        for kind in vars(module).values():
            if isinstance(kind, QuotaKind):
                assert isinstance(facts(kind.service, "quotas")["limits"][kind.resource], int)
    assert {"compute", "network", "volume"} <= set(services_with("quotas"))
