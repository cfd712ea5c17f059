"""The catalogue as a token shows it, as bytes that are made once."""

from __future__ import annotations

import msgspec

from pileus.kernel.context import Ctx
from pileus.kernel.recent import Recent
from pileus.services.identity.endpoint_filters import service as endpoint_filters
from pileus.services.identity.endpoints import service as endpoints
from pileus.services.identity.regions import service as regions
from pileus.services.identity.revision import service as revision
from pileus.services.identity.revision.service import Revision
from pileus.services.identity.services import service as services

__all__ = ["now", "of", "register_service"]

PROJECT, USER = "\ue000project\ue000", "\ue000user\ue000"  # private code points: no URL has them
BASES = 64  # addresses for which the catalogue is kept; more are only made up by somebody
PROJECTS = 1024  # projects of which it is known what they are shown

Shown = frozenset[str] | None
"""The ids of the endpoints that a catalogue is narrowed to; None when it is not."""


class Catalogs(msgspec.Struct):
    """The catalogue per address, kind of token and what is shown, at one revision: the pieces between the project's ids."""

    revision: Revision | None = None
    made: Recent[tuple[str, bool, Shown], list[bytes]] = msgspec.field(default_factory=lambda: Recent(2 * BASES))
    filtered: bool | None = None  # whether any project is given endpoints; None until somebody has looked
    shown: Recent[str, tuple[Shown]] = msgspec.field(default_factory=lambda: Recent(PROJECTS))


async def of(ctx: Ctx, at: Revision, *, base: str, user_id: str, project_id: str | None) -> msgspec.Raw:
    """The catalogue for a token, as JSON; `base` is the address under which this cloud was reached.

    Without a project, endpoints that have one in their URL are left out.
    """
    kept: Catalogs = ctx.world.memory.setdefault(Catalogs, Catalogs())
    if kept.revision != at:
        kept = ctx.world.memory[Catalogs] = Catalogs(at)
    shown = await _shown(ctx, kept, project_id)
    key = (base, project_id is not None, shown)
    made = kept.made.get(key)
    if made is None:
        made = await _made(ctx, *key)
        kept.made.put(key, made)
    whole = (project_id or "").encode().join(made)
    return msgspec.Raw(whole.replace(USER.encode(), user_id.encode()))


async def now(ctx: Ctx, *, base: str, user_id: str, project_id: str) -> msgspec.Raw:
    """The catalogue as it is now. See `of`."""
    return await of(ctx, await revision.current(ctx), base=base, user_id=user_id, project_id=project_id)


async def _shown(ctx: Ctx, kept: Catalogs, project_id: str | None) -> Shown:
    """What the project is shown. Where nobody is given endpoints, one look says so for all."""
    everything = None if ctx.world.config.identity.return_all_endpoints_if_no_filter else frozenset[str]()
    if kept.filtered is None:
        kept.filtered = await endpoint_filters.any_share(ctx)
    if not kept.filtered or project_id is None:
        return everything
    found = kept.shown.get(project_id)
    if found is None:
        found = (await endpoint_filters.visible(ctx, project_id),)
        kept.shown.put(project_id, found)
    return everything if found[0] is None else found[0]


async def _made(ctx: Ctx, base: str, with_project: bool, shown: Shown) -> list[bytes]:
    values = {"public_endpoint": base, "user_id": USER}
    if with_project:
        values |= {"project_id": PROJECT, "tenant_id": PROJECT}
    async with ctx.read() as ctx:
        offered = await services.list_(ctx, {"enabled": True})
        reached = await endpoints.list_(ctx, {"enabled": True})
    places: dict[str, list[dict[str, str | None]]] = {service.id: [] for service in offered}
    for each in reached:
        url = endpoints.rendered_url(each, values)
        if url is not None and each.service_id in places and (shown is None or each.id in shown):
            places[each.service_id].append(
                {
                    "id": each.id,
                    "interface": each.interface,
                    "region_id": each.region_id,
                    "url": url,
                    "region": each.region_id,
                }
            )
    catalog = [
        {"endpoints": places[s.id], "id": s.id, "type": s.type, "name": s.name}
        for s in offered
        if shown is None or places[s.id]
    ]
    return msgspec.json.encode(catalog).split(PROJECT.encode())


async def register_service(ctx: Ctx, type_: str, name: str, path: str, *, region: str = "") -> None:
    """See to it that the catalogue offers a service of this cloud. Idempotent; what an operator changed stays.

    `path`: below this cloud's address, as `/compute/v2.1` or `/volume/v3/$(project_id)s`; or a whole URL. `region`: the
    configured one, if empty.
    """
    region = region or ctx.world.config.api.region
    async with ctx.transaction() as ctx:
        await regions.ensure(ctx, region)
        service = await services.ensure(ctx, type_, name)
        await endpoints.ensure(ctx, service.id, region, path)
