"""Each deciding function holds what it decides on when 16 callers ask at once, on PostgreSQL, where they truly overlap.

Whoever decides on a count, a sum or a name that must be unique has a line in DECISIONS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from demo.machines import sagas
from demo.machines import service as machines
from demo.machines import store as machine_rows
from pileus.kernel.context import Caller, Ctx
from pileus.kernel.db import metadata
from pileus.kernel.errors import CloudError, Conflict, OverQuota
from pileus.kernel.facts import facts
from pileus.kernel.operations.tables import operations
from pileus.kernel.quota import Owners, QuotaKind, claim
from pileus.services.compute.aggregates import service as aggregates
from pileus.services.compute.flavors import service as flavors
from pileus.services.compute.flavors.service import Flavor
from pileus.services.compute.keypairs import service as keypairs
from pileus.services.identity.application_credentials import service as application_credentials
from pileus.services.identity.credentials import service as credentials
from pileus.services.identity.domains import service as domains
from pileus.services.identity.groups import service as groups
from pileus.services.identity.identity_providers import service as identity_providers
from pileus.services.identity.limits import service as limits
from pileus.services.identity.limits.service import Wanted
from pileus.services.identity.projects import service as projects
from pileus.services.identity.registered_limits import service as registered_limits
from pileus.services.identity.roles import service as roles
from pileus.services.identity.services import service as services
from pileus.services.identity.users import service as users
from pileus.services.image.images import service as images
from pileus.services.placement.allocations import service as allocations
from pileus.services.placement.allocations.service import Claim
from pileus.services.placement.inventories import service as inventories
from pileus.services.placement.inventories.service import Inventory
from pileus.services.placement.resource_providers import service as providers
from pileus.services.volume.qos_specs import service as qos_specs
from pileus.services.volume.types import service as volume_types
from support.cloud import RunningCloud
from support.computed import PUBLIC_KEY

RIVALS = 16

Decide = Callable[[Ctx, int], Awaitable[Any]]
"""One of the rivals, by its number. Raises CloudError when it is told no."""


async def one_user_name(ctx: Ctx, _: int) -> Any:
    return await users.create(ctx, "the only one", projects.DEFAULT, facts={})


async def one_project_name(ctx: Ctx, _: int) -> Any:
    return await projects.create(ctx, "the only one", parent_id=None, domain_id=projects.DEFAULT, facts={})


async def one_domain_name(ctx: Ctx, _: int) -> Any:
    return await domains.create(ctx, "the only one", {})


async def one_role_name(ctx: Ctx, _: int) -> Any:
    return await roles.create(ctx, "the only one", facts={})


async def one_group_name(ctx: Ctx, _: int) -> Any:
    return await groups.create(ctx, "the only one", projects.DEFAULT, facts={})


async def one_application_credential_name(ctx: Ctx, _: int) -> Any:
    """With one access rule, which none of the others may have made a second time."""
    admin = await users.named(ctx, "admin", projects.DEFAULT)
    project = await projects.named(ctx, "admin", domain_id=projects.DEFAULT)
    assert admin is not None
    assert project is not None
    caller = Caller(admin.id, project_id=project.id, roles=frozenset({"reader"}))
    rule = application_credentials.WantedRule(None, "identity", "/v3/users", "GET")
    new = application_credentials.New(
        name="the only one",
        description=None,
        secret=None,
        expires_at=None,
        unrestricted=False,
        roles=(),
        access_rules=[rule],
    )
    return await application_credentials.create(replace(ctx, caller=caller), new)


async def one_volume_type_name(ctx: Ctx, _: int) -> Any:
    return await volume_types.create(ctx, volume_types.Type(id=ctx.world.ids.uuid(), name="the only one"), {})


async def one_qos_name(ctx: Ctx, _: int) -> Any:
    return await qos_specs.create(ctx, "the only one", "back-end", {})


async def one_registered_limit(ctx: Ctx, _: int) -> Any:
    return await registered_limits.create(ctx, [await of_identity(ctx)])


async def one_registered_limit_of_a_region(ctx: Ctx, _: int) -> Any:
    return await registered_limits.create(ctx, [{**await of_identity(ctx), "region_id": ctx.world.config.api.region}])


async def of_identity(ctx: Ctx) -> dict[str, Any]:
    service = (await services.list_(ctx, {"type": "identity"}))[0]
    things = {"resource_name": "the only one", "default_limit": 1, "description": None}
    return {"service_id": service.id, "region_id": None, **things}


async def one_limit_of_a_project(ctx: Ctx, _: int) -> Any:
    project = await projects.named(ctx, "admin", domain_id=projects.DEFAULT)
    assert project is not None
    return await one_limit(ctx, project_id=project.id)


async def one_limit_of_a_domain(ctx: Ctx, _: int) -> Any:
    return await one_limit(ctx, domain_id=projects.DEFAULT)


async def one_limit(ctx: Ctx, **owner: str) -> Any:
    with suppress(Conflict):  # one of them registers what all want a limit of
        await one_registered_limit(ctx, 0)
    place = {name: (await of_identity(ctx))[name] for name in ("service_id", "resource_name")}
    return await limits.create(ctx, [Wanted(resource_limit=1, **place, **owner)])


async def one_access_key(ctx: Ctx, _: int) -> Any:
    admin = await users.named(ctx, "admin", projects.DEFAULT)
    assert admin is not None
    keys = '{"access": "the only one", "secret": "x"}'
    return await credentials.create(ctx, admin.id, projects.DEFAULT, "ec2", keys, {})


async def one_name_of_an_identity_provider(ctx: Ctx, number: int) -> Any:
    facts = {"remote_ids": ["the only one"]}
    return await identity_providers.create(ctx, f"idp{number}", projects.DEFAULT, facts)


async def one_flavor_name(ctx: Ctx, number: int) -> Any:
    return await flavors.create(ctx, Flavor(id=f"n{number}", name="the only one", memory_mib=64, vcpus=1, disk_gib=1))


async def one_flavor_id(ctx: Ctx, number: int) -> Any:
    return await flavors.create(ctx, Flavor(id="the only one", name=f"n{number}", memory_mib=64, vcpus=1, disk_gib=1))


async def one_keypair_name(ctx: Ctx, _: int) -> Any:
    admin = await users.named(ctx, "admin", projects.DEFAULT)
    assert admin is not None
    return await keypairs.create(ctx, admin.id, "the only one", "ssh", PUBLIC_KEY)


async def one_image_id(ctx: Ctx, _: int) -> Any:
    return await images.create_for(ctx, id=UUID(int=3), name="the only one")


async def one_writer_of_an_image(ctx: Ctx, number: int) -> Any:
    with suppress(Conflict):  # one of them registers what all want to write
        await images.create_for(ctx, id=UUID(int=4), disk_format="raw", container_format="bare")
    return await images.begin(ctx, await images.get(ctx, UUID(int=4)), "saving")


async def one_aggregate_name(ctx: Ctx, _: int) -> Any:
    return await aggregates.create(ctx, "the only one", None)


async def one_provider_name(ctx: Ctx, _: int) -> Any:
    return await providers.create(ctx, str(uuid4()), "the only one")


async def one_provider_id(ctx: Ctx, number: int) -> Any:
    return await providers.create(ctx, str(UUID(int=1)), f"one of {number}")


async def one_consumer(ctx: Ctx, number: int) -> Any:
    """Which each of them believes to be new, on a provider of its own."""
    provider_id = str(UUID(int=100 + number))
    await providers.create(ctx, provider_id, provider_id)
    await inventories.replace(ctx, provider_id, {"VCPU": Inventory(1)})
    return await allocations.replace(ctx, {str(UUID(int=2)): one_vcpu(provider_id, generation=None)})


def one_vcpu(provider_id: str, **more: Any) -> Claim:
    return Claim(resources={provider_id: {"VCPU": 1}}, project_id="p" * 32, user_id="u" * 32, **more)


DECISIONS: list[Decide] = [
    one_aggregate_name,
    one_flavor_name,
    one_flavor_id,
    one_image_id,
    one_keypair_name,
    one_provider_name,
    one_writer_of_an_image,
    one_provider_id,
    one_consumer,
    one_registered_limit,
    one_registered_limit_of_a_region,
    one_limit_of_a_project,
    one_limit_of_a_domain,
    one_user_name,
    one_volume_type_name,
    one_qos_name,
    one_project_name,
    one_domain_name,
    one_role_name,
    one_group_name,
    one_application_credential_name,
    one_access_key,
    one_name_of_an_identity_provider,
]

HELD = {
    "compute_aggregate(name)": one_aggregate_name,
    "compute_aggregate(uuid)": "given by the cloud, at random",
    "compute_flavor(name)": one_flavor_name,
    "compute_migration(id)": "of the operation, which is one",
    "compute_host(id)": "given by the cloud, at random",
    "compute_host(name)": "tests/spec/compute/test_hypervisors.py: many reports at once make one",
    "compute_host(service_id)": "given by the cloud, at random",
    "compute_keypair(user_id, name)": one_keypair_name,
    "compute_nic(port_id)": "tests/house/test_rivals_of_servers.py",
    "host(name)": "tests/kernel/test_joins.py::test_of_many_who_come_at_once_one_joins",
    "host(serial)": "as above: it comes with the name",
    "identity_access_rule(user_id, service, path, method)": "as one_application_credential_name, which makes one",
    "identity_application_credential(user_id, name)": one_application_credential_name,
    "identity_fernet_key(state)": "one staged and one primary key: tests/spec/identity/test_keys.py rotates them",
    "identity_group(domain_id, name)": one_group_name,
    "identity_limit(registered_limit_id, domain_id)": one_limit_of_a_domain,
    "identity_limit(registered_limit_id, project_id)": one_limit_of_a_project,
    "identity_registered_limit(service_id, region_id, resource_name)": one_registered_limit_of_a_region,
    "identity_registered_limit(service_id, resource_name)": one_registered_limit,
    "identity_project(domain_id, name)": one_project_name,
    "identity_project(name)": one_domain_name,
    "identity_role(domain_id, name)": "as one_role_name, in a domain",
    "identity_role(name)": one_role_name,
    "identity_user(domain_id, name)": one_user_name,
    "network_floating_ip(floating_network_id, fixed_port_id, fixed_ip_address)": "tests/house/test_rivals_of_networking.py",
    "network_floating_ip(floating_port_id)": "a port that is made with it, and for it",
    "network_rbac_policy(object_type, object_id, action, target_project)": "tests/house/test_rivals_of_networking.py",
    "network_router(gw_port_id)": "a port that is made with it, and for it",
    "network_security_group(project_id)": "tests/house/test_rivals_of_networking.py",
    "placement_provider(name)": one_provider_name,
    "operation(saga, subject_id)": "one converge operation: tests/kernel/operations/test_operations_converge.py",
    "volume_type(name)": one_volume_type_name,
    "network_allocation(subnet_id, place)": "tests/house/test_rivals_of_networking.py",
    "network_network(network_type, physical_network, segmentation_id)": "tests/house/test_rivals_of_networking.py",
    "network_port(network_id, mac_address)": "tests/house/test_rivals_of_networking.py",
    "volume_qos(name)": one_qos_name,
    "volume_transfer(volume_id)": "a volume is held while its status is looked at: tests/spec/volume/test_transfers.py",
}
"""Every unique index that is no primary key, and what tries it with rivals."""


def test_every_unique_index_is_tried_by_rivals() -> None:
    found = set()
    for table in (t for t in metadata.tables.values() if not t.name.startswith(("demo_", "http_", "house_", "test_"))):
        unique = [c.columns for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
        unique += [i.columns for i in table.indexes if i.unique]
        found |= {f"{table.name}({', '.join(column.name for column in columns)})" for columns in unique}
    assert found == HELD.keys()


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("decide", DECISIONS, ids=lambda d: d.__name__)
async def test_of_16_who_want_the_only_one_one_gets_it(cloud: RunningCloud, decide: Decide) -> None:
    answers = await together(cloud, decide)
    assert len(won(answers)) == 1
    lost = [a for a in answers if isinstance(a, Exception)]
    assert all(isinstance(a, CloudError) and a.status == 409 for a in lost), lost


@pytest.mark.database("postgresql")
async def test_of_16_who_want_a_machine_busy_one_gets_it(cloud: RunningCloud) -> None:
    """An exclusive operation claims its subject once."""
    machine = await machines.create(cloud.ctx(), name="wanted")
    async with cloud.ctx().transaction() as ctx:  # as if it had been built
        await ctx.execute(sa.text("DELETE FROM operation_subject"))
        await machine_rows.change(ctx, machine.id, status="ACTIVE", host="h1")

    async def move(ctx: Ctx, number: int) -> UUID:
        async with ctx.transaction() as writing:
            return await sagas.move_machine.start(writing, machine.id, source="h1", target=f"h{number}")

    answers = await together(cloud, move)
    assert len(won(answers)) == 1
    query = sa.select(sa.func.count()).where(operations.c.saga.startswith(sagas.move_machine.name))
    assert (await cloud.ctx().execute(query)).scalar_one() == 1


@pytest.mark.database("postgresql")
async def test_of_16_who_want_the_last_of_a_quota_no_more_get_it_than_there_is(cloud: RunningCloud) -> None:
    """Counted from the rows, under the lock of the project."""
    kind = QuotaKind("compute", "instances")
    limit = facts("compute", "quotas")["limits"]["instances"]
    used = sa.select(sa.func.count()).select_from(machine_rows.machines)

    def used_by(owners: Owners) -> sa.Select[Any]:
        return used.where(machine_rows.machines.c.project_id.in_(owners))

    assert limit < RIVALS

    async def build(ctx: Ctx, number: int) -> None:
        async with ctx.transaction() as writing:
            await claim(writing, kind, "p" * 32, wanted=1, used=used_by)
            row = machine_rows.Machine(id=uuid4(), project_id="p" * 32, name=f"m{number}", status="BUILD")
            await machine_rows.add(writing, row)

    answers = await together(cloud, build)
    assert len(won(answers)) == limit
    assert all(isinstance(a, OverQuota) for a in answers if isinstance(a, Exception))
    assert (await cloud.ctx().execute(used)).scalar_one() == limit


@pytest.mark.database("postgresql")
async def test_of_16_who_claim_of_one_provider_no_more_get_it_than_there_is(cloud: RunningCloud) -> None:
    """Each claims of two, named in turns: all locks are taken in one order."""
    pair = [str(UUID(int=number)) for number in (7, 8)]
    for provider_id in pair:
        await providers.create(cloud.ctx(), provider_id, provider_id)
        await inventories.replace(cloud.ctx(), provider_id, {"VCPU": Inventory(5)})

    async def claim_one(ctx: Ctx, number: int) -> None:
        named = pair if number % 2 else pair[::-1]
        resources = {provider_id: {"VCPU": 1} for provider_id in named}
        taking = Claim(resources=resources, project_id="p" * 32, user_id="u" * 32)
        await allocations.replace(ctx, {str(uuid4()): taking})

    answers = await together(cloud, claim_one)
    assert len(won(answers)) == 5
    assert all(isinstance(a, Conflict) for a in answers if isinstance(a, Exception)), answers
    assert {row[2] for row in await allocations.used(cloud.ctx(), pair)} == {5}


async def together(cloud: RunningCloud, decide: Decide) -> list[Any]:
    """What each of the rivals got: a result, or the exception."""
    started = asyncio.Barrier(RIVALS)

    async def rival(number: int) -> Any:
        await started.wait()
        return await decide(cloud.ctx(), number)

    return await asyncio.gather(*(rival(n) for n in range(RIVALS)), return_exceptions=True)


def won(answers: list[Any]) -> list[Any]:
    return [a for a in answers if not isinstance(a, BaseException)]
