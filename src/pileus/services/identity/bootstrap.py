"""The first identity of a cloud: what must be there before anybody can log in."""

from __future__ import annotations

from contextlib import suppress

from pileus.kernel.context import Ctx
from pileus.kernel.errors import Conflict
from pileus.kernel.facts import facts
from pileus.services.identity.assignments import service as assignments
from pileus.services.identity.assignments.service import SYSTEM, Assignment
from pileus.services.identity.catalog import service as catalog
from pileus.services.identity.keys import service as keys
from pileus.services.identity.projects import service as projects
from pileus.services.identity.revision import service as revision
from pileus.services.identity.roles import service as roles
from pileus.services.identity.users import service as users

KNOWN = facts("identity", "roles")
IMPLIED: dict[str, list[str]] = KNOWN["implied"] | KNOWN["own"]
PROJECTS = {"admin": "Bootstrap project for initializing the cloud.", "service": "Users that services act as."}


async def bootstrap(ctx: Ctx, password: str, *, region: str = "") -> None:
    """See to it that there are the `default` domain, the default roles, the projects admin and service, and a user admin
    with this password who may do everything, and Identity in the catalogue. Idempotent: what is there stays as it is, the
    password too; many processes may do so at once. Outside of a transaction.
    """
    async with ctx.transaction() as writing:
        await revision.begin(writing)
    async with revision.change(ctx) as writing:
        await keys.begin(writing)
        await _domain_and_projects(writing)
        await _roles(writing)
        await register_service(writing, "identity", "keystone", "/identity", region=region)
    await _admin(ctx, password)


async def _domain_and_projects(ctx: Ctx) -> None:
    default = projects.DEFAULT
    if await projects.find(ctx, default) is None:
        facts = {"description": "The default domain"}
        await projects.create(ctx, "Default", project_id=default, parent_id=None, domain_id=None, facts=facts)
    for name, description in PROJECTS.items():
        if await projects.named(ctx, name, domain_id=default) is None:
            await projects.create(ctx, name, parent_id=None, domain_id=default, facts={"description": description})


async def _roles(ctx: Ctx) -> None:
    for name in (*KNOWN["default_roles"], *KNOWN["own"]):
        if await roles.named(ctx, name) is None:
            await roles.create(ctx, name, facts={"options": {"immutable": True}})
    for prior, implied in IMPLIED.items():
        for each in implied:
            await roles.ensure_implied(ctx, await roles.id_named(ctx, prior), await roles.id_named(ctx, each))


async def register_service(ctx: Ctx, type_: str, name: str, path: str, *, region: str = "") -> None:
    """See to it that the catalogue offers a service of this cloud, and that there are the roles it knows. Idempotent.

    See `catalog.register_service`.
    """
    async with revision.change(ctx) as ctx:
        await catalog.register_service(ctx, type_, name, path, region=region)
        for role in KNOWN["service_specific"].get(type_, ()):
            if await roles.named(ctx, role) is None:
                await roles.create(ctx, role, facts={})


async def _admin(ctx: Ctx, password: str) -> None:
    if await users.named(ctx, "admin", projects.DEFAULT) is None:
        with suppress(Conflict):  # another process that starts was first
            own = {"options": {"ignore_change_password_upon_first_use": True}}  # its password is shown to nobody else
            await users.create(ctx, "admin", projects.DEFAULT, password=password, as_is=True, facts=own)
    async with revision.change(ctx) as ctx:
        user = await users.named(ctx, "admin", projects.DEFAULT)
        project = await projects.named(ctx, "admin", domain_id=projects.DEFAULT)
        assert user is not None
        assert project is not None
        role_id = await roles.id_named(ctx, "admin")
        await assignments.grant(ctx, Assignment(user.id, project.id, role_id, False, "user", "project"))
        await assignments.grant(ctx, Assignment(user.id, SYSTEM, role_id, False, "user", "system"))
