"""What the other services are told of limits: which one counts, and that no race passes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from pileus.kernel.config import Config, Identity
from pileus.kernel.context import Ctx
from pileus.kernel.db import Database, Text, metadata
from pileus.kernel.errors import CloudError, Conflict, OverQuota
from pileus.kernel.facts import facts
from pileus.kernel.quota import Owners, claim, limits
from pileus.services.compute.quotas import CORES, INSTANCES
from pileus.services.identity.bootstrap import bootstrap, register_service
from pileus.services.identity.quotas import service as quotas
from pileus.services.volume.quotas import VOLUMES
from support.identity import PASSWORD, Session, World

STRICT = Config(identity=Identity(bcrypt_rounds=4, enforcement_model="strict_two_level"))
RIVALS = 16
DEFAULT = facts("compute", "quotas")["limits"]["instances"]

things = sa.Table(
    "test_claimed",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("project_id", Text, nullable=False),
)


def used(owners: Owners) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(things).where(things.c.project_id.in_(owners))


async def use(ctx: Ctx, project_id: str, wanted: int = 1) -> None:
    async with ctx.transaction() as writing:
        await claim(writing, INSTANCES, project_id, wanted=wanted, used=used)
        await writing.execute(things.insert(), [{"project_id": project_id}] * wanted)


async def in_use(ctx: Ctx) -> int:
    return int((await ctx.execute(sa.select(sa.func.count()).select_from(things))).scalar_one())


@pytest.fixture
async def strict(database: Database) -> AsyncIterator[World]:
    """Identity that enforces limits by the strict two level model."""
    world = World(database)
    await world.process(STRICT)
    await bootstrap(world.ctx, PASSWORD)
    yield world
    for client in world.clients:
        await client.aclose()


async def register(world: World, name: str = "servers", default: int = 10, **facts: Any) -> dict[str, Any]:
    """What names the registered limit that is made."""
    await register_service(world.ctx, "compute", "nova", "/compute/v2.1")
    admin = await world.admin()
    service = (await admin.get("/v3/services?type=compute")).json()["services"][0]["id"]
    sent = {"service_id": service, "resource_name": name, **facts}
    made = await admin.post("/v3/registered_limits", {"registered_limits": [{**sent, "default_limit": default}]})
    assert made.status_code == 201, made.text
    return sent


async def limit(admin: Session, at: dict[str, Any], number: int, **owner: str) -> Any:
    """The answer to a limit that is made."""
    return await admin.post("/v3/limits", {"limits": [{**at, "resource_limit": number, **owner}]})


async def told(world: World, project_id: str) -> int:
    return (await limits(world.ctx, "compute", ["instances"], project_id))["instances"]


async def test_a_limit_wins_over_the_registered_one_and_that_over_the_default(identity: World) -> None:
    own, other = await identity.project("own"), await identity.project("other")
    assert await told(identity, own) == DEFAULT
    at = await register(identity, default=7)
    assert await told(identity, own) == 7
    made = (await limit(await identity.admin(), at, 3, project_id=own)).json()["limits"][0]["id"]
    assert (await told(identity, own), await told(identity, other)) == (3, 7)
    await (await identity.admin()).patch(f"/v3/limits/{made}", {"limit": {"resource_limit": -1}})
    assert await told(identity, own) == -1
    await (await identity.admin()).delete(f"/v3/limits/{made}")
    assert await told(identity, own) == 7
    both = await limits(identity.ctx, "compute", ["instances", "cores"], own)
    assert both == {"instances": 7, "cores": facts("compute", "quotas")["limits"]["cores"]}


async def test_a_limit_of_this_region_wins_over_one_of_all(identity: World) -> None:
    own = await identity.project("own")
    await (await identity.admin()).put("/v3/regions/two", {"region": {}})
    await register(identity, default=8, region_id="two")
    assert await told(identity, own) == DEFAULT
    await register(identity, default=7)
    assert await told(identity, own) == 7
    await register(identity, default=6, region_id="RegionOne")
    assert await told(identity, own) == 6


async def test_the_name_of_unified_limits_wins_over_the_own_one(identity: World) -> None:
    own = await identity.project("own")
    await register(identity, "instances", 5)
    assert await told(identity, own) == 5
    await register(identity, "servers", 4)
    assert await told(identity, own) == 4


async def test_a_service_is_known_by_its_types_in_the_catalogue(identity: World) -> None:
    admin, own = await identity.admin(), await identity.project("own")
    service = (await admin.get("/v3/services?type=volumev3")).json()["services"][0]["id"]
    sent = {"service_id": service, "resource_name": "volumes", "default_limit": 2}
    await admin.post("/v3/registered_limits", {"registered_limits": [sent]})
    assert await limits(identity.ctx, VOLUMES.service, [VOLUMES.resource], own) == {"volumes": 2}
    assert await told(identity, own) == DEFAULT


async def test_limits_of_its_own_are_set_and_cleared_for_one_service_alone(identity: World) -> None:
    own = await identity.project("own")
    with pytest.raises(Conflict, match="no service of type compute"):
        await quotas.set_limits(identity.ctx, "compute", own, {"instances": 3})
    await register(identity)
    await quotas.set_limits(identity.ctx, "compute", own, {"instances": 3})
    await quotas.set_limits(identity.ctx, "volume", own, {"volumes": 4})
    await quotas.clear(identity.ctx, "volume", own)
    assert await told(identity, own) == 3
    await quotas.clear(identity.ctx, "compute", own)
    assert await told(identity, own) == 10


async def test_limits_are_read_by_one_query(identity: World) -> None:
    own = await identity.project("own")
    at = await register(identity)
    await limit(await identity.admin(), at, 3, project_id=own)
    await register(identity, "class:VCPU")
    kinds = [INSTANCES.resource, CORES.resource]
    found, run = await identity.count_statements(limits(identity.ctx, "compute", kinds, own))
    assert found == {"instances": 3, "cores": 10}
    assert len(run) == 1


async def test_sixteen_at_once_never_pass_a_limit_set_by_the_api(identity: World) -> None:
    own = await identity.project("own")
    await limit(await identity.admin(), await register(identity), 5, project_id=own)
    outcomes = await asyncio.gather(*(use(identity.ctx, own) for _ in range(RIVALS)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 5
    assert sum(isinstance(outcome, OverQuota) for outcome in outcomes) == RIVALS - 5
    assert await in_use(identity.ctx) == 5


# The strict two level model


async def tree(world: World) -> tuple[str, str, str]:
    """A project of the first level, and two below it."""
    top = await world.project("top")
    return top, await world.project("one", parent_id=top), await world.project("two", parent_id=top)


async def test_the_strict_model_is_told_and_bounds_the_depth(strict: World) -> None:
    admin = await strict.admin()
    assert (await admin.get("/v3/limits/model")).json()["model"]["name"] == "strict_two_level"
    _, one, _ = await tree(strict)
    refused = await admin.post("/v3/projects", {"project": {"name": "deep", "parent_id": one}})
    assert refused.status_code == 403
    assert refused.json()["error"]["message"] == f"Max hierarchy depth reached for {one} branch."


async def test_no_limit_is_above_that_of_its_parent_or_below_that_of_a_child(strict: World) -> None:
    admin, at = await strict.admin(), await register(strict)
    top, one, _ = await tree(strict)
    above = await limit(admin, at, 11, project_id=top)  # the domain has the registered limit of 10
    assert above.status_code == 403
    assert above.json()["error"]["message"] == (
        f"Invalid resource limit: The resource limit (project_id: {top}, resource_name: servers, resource_limit: 11, "
        f"service_id: {at['service_id']}, region_id: None) doesn't satisfy current hierarchy model."
    )
    whole = (await limit(admin, at, 30, domain_id="default")).json()["limits"][0]["id"]
    of_top = (await limit(admin, at, 20, project_id=top)).json()["limits"][0]["id"]
    for number, status in ((21, 403), (-1, 403), (20, 201)):
        assert (await limit(admin, at, number, project_id=one)).status_code == status
    for path, number, status in (
        (of_top, 19, 403),
        (of_top, 31, 403),
        (of_top, 25, 200),
        (whole, 24, 403),
        (whole, -1, 200),
        (of_top, -1, 200),
        (whole, 100, 403),
    ):
        assert (await admin.patch(f"/v3/limits/{path}", {"limit": {"resource_limit": number}})).status_code == status
    refused = await limit(admin, at, 5, domain_id="default")
    assert refused.status_code == 409
    assert len((await admin.get("/v3/limits")).json()["limits"]) == 3


async def test_a_tree_is_limited_at_once(strict: World) -> None:
    """Parent and child in one request, in any order."""
    admin, at = await strict.admin(), await register(strict)
    top, one, two = await tree(strict)
    numbers = {one: 15, top: 20, two: 20}
    wanted = [{**at, "project_id": owner, "resource_limit": number} for owner, number in numbers.items()]
    refused = await admin.post("/v3/limits", {"limits": wanted})
    assert refused.status_code == 403
    wanted.append({**at, "domain_id": "default", "resource_limit": 30})
    assert (await admin.post("/v3/limits", {"limits": wanted})).status_code == 201


async def test_what_a_tree_uses_counts_against_each_limit_above(strict: World) -> None:
    admin, at = await strict.admin(), await register(strict)
    top, one, two = await tree(strict)
    await limit(admin, at, 8, project_id=top)
    await limit(admin, at, 6, project_id=one)
    assert [await told(strict, project) for project in (top, one, two)] == [8, 6, 8]
    await use(strict.ctx, one, 6)
    with pytest.raises(OverQuota, match="Requested 1, but already used 6 of 6 instances"):
        await use(strict.ctx, one)
    await use(strict.ctx, two, 2)
    with pytest.raises(OverQuota, match="Requested 1, but already used 8 of 8 instances"):
        await use(strict.ctx, two)
    with pytest.raises(OverQuota):
        await use(strict.ctx, top)
    other = await strict.project("other")
    await use(strict.ctx, other, 2)
    with pytest.raises(OverQuota, match="Requested 1, but already used 10 of 10 instances"):
        await use(strict.ctx, other)  # the domain has used what is registered
    await use(strict.ctx, "0" * 32)  # whoever is no project stands alone


async def test_what_is_not_registered_is_each_ones_own(strict: World) -> None:
    top, one, _ = await tree(strict)
    await use(strict.ctx, top, DEFAULT)
    await use(strict.ctx, one, DEFAULT)
    with pytest.raises(OverQuota):
        await use(strict.ctx, one)


async def test_sixteen_in_a_tree_never_pass_its_limit(strict: World) -> None:
    at = await register(strict)
    projects = await tree(strict)
    await limit(await strict.admin(), at, 5, project_id=projects[0])
    claims = (use(strict.ctx, projects[number % 3]) for number in range(RIVALS))
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 5
    assert all(isinstance(outcome, CloudError) for outcome in outcomes if outcome is not None)
    assert await in_use(strict.ctx) == 5


async def test_sixteen_who_change_the_limits_of_a_tree_leave_it_right(strict: World) -> None:
    """Some raise the children's, some lower the parent's: whoever comes later is told no."""
    admin, at = await strict.admin(), await register(strict, default=10)
    top, *children = await tree(strict)
    ids = {}
    for owner, number in ((top, 10), (children[0], 1), (children[1], 1)):
        ids[owner] = (await limit(admin, at, number, project_id=owner)).json()["limits"][0]["id"]
    wishes = [(top, 10 - n % 8) if n % 2 else (children[n % 4 // 2], 1 + n % 10) for n in range(RIVALS)]
    answers = await asyncio.gather(
        *(admin.patch(f"/v3/limits/{ids[owner]}", {"limit": {"resource_limit": n}}) for owner, n in wishes)
    )
    assert {answer.status_code for answer in answers} <= {200, 403}
    found = {each["project_id"]: each["resource_limit"] for each in (await admin.get("/v3/limits")).json()["limits"]}
    assert all(found[child] <= found[top] for child in children)
