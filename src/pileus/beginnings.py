"""What a cloud begins with: an administrator, the catalogue, and what a service has before anybody has made anything."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping

from pileus.engines.files import read_or_none, write_whole
from pileus.kernel.context import Ctx
from pileus.services.cloud.checkpoints import service as checkpoints
from pileus.services.compute.flavors import service as flavors
from pileus.services.identity.bootstrap import bootstrap, register_service
from pileus.services.identity.projects.service import DEFAULT
from pileus.services.identity.services import service as services_offered
from pileus.services.identity.users import service as users
from pileus.services.network import public
from pileus.world import Cloud

ADMIN_PASSWORD = "admin.password"  # noqa: S105 (a file's name)
CATALOGUE = (
    ("placement", "placement", "/placement"),
    ("image", "glance", "/image"),
    ("network", "neutron", "/network"),
    ("block-storage", "cinder", "/volume/v3"),
    ("volumev3", "cinderv3", "/volume/v3"),
    ("compute", "nova", "/compute/v2.1"),
)
"""What the catalogue offers beside Identity: type, name, and where it is below the address of the cloud."""
SEEDS: Mapping[str, Callable[[Ctx], Awaitable[None]]] = {"compute": flavors.seed, "network": public.seed}


async def ensure_admin(cloud: Cloud) -> str:
    """See to it that there is somebody who can log in. Returns the password that was generated for `admin`.

    It is kept in the state directory; empty when it was generated elsewhere.
    """
    kept = cloud.state / ADMIN_PASSWORD
    password = (read_or_none(kept) or b"").decode().strip()
    if not password and await users.named(cloud.ctx, "admin", DEFAULT) is None:
        password = secrets.token_urlsafe(18)
        write_whole(kept, f"{password}\n".encode(), durable=True)  # before the row: a kill in between loses nothing
    await bootstrap(cloud.ctx, password or secrets.token_urlsafe(18))
    await offer_services(cloud)
    return password


async def offer_services(cloud: Cloud) -> None:
    """See to it that the catalogue offers what this cloud has. What an operator changed in it stays.

    What a new cloud begins with is made with the service's first entry: what an operator deletes of it stays away.
    """
    for kind, name, path in CATALOGUE:
        if kind in SEEDS:
            await _begin(cloud, kind, name, path)
    async with cloud.ctx.transaction() as ctx:
        for kind, name, path in CATALOGUE:
            await register_service(ctx, kind, name, path)


async def _begin(cloud: Cloud, kind: str, name: str, path: str) -> None:
    """In a transaction of its own: seeds take locks, each in an order of its own."""
    async with cloud.ctx.transaction() as ctx:
        if not await services_offered.list_(ctx, {"type": kind}):
            await SEEDS[kind](ctx)
            await register_service(ctx, kind, name, path)


async def keep_first_state(cloud: Cloud) -> None:
    """What `pileus reset` goes back to: a simulated cloud as its first start has made it."""
    if cloud.simulate_hosts:
        await checkpoints.ensure_first(cloud.ctx)
