"""What `pileus verify` looks at: what the overlay has, the rows that name it, and what quotas count of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from uuid import UUID

import sqlalchemy as sa

from pileus.engines.overlay import Overlay, Place, Seen
from pileus.kernel import verify
from pileus.kernel.context import Ctx
from pileus.kernel.errors import Unavailable
from pileus.kernel.paging import one_by_one
from pileus.kernel.verify import Difference, Looking
from pileus.services.network.floating_ips import service as floating_ips
from pileus.services.network.networks import service as networks
from pileus.services.network.overlay import controller
from pileus.services.network.ports import service as ports
from pileus.services.network.ports.rules import kind_of
from pileus.services.network.ports.service import Port
from pileus.services.network.quotas import NETWORKS, PORTS, ROUTERS, counts
from pileus.services.network.routers import service as routers
from pileus.services.network.security_groups import service as security_groups
from pileus.services.network.subnets import service as subnets

AGAIN = "Disable and enable it by its API: that says it to the overlay again. What has no row, remove with `ovn-nbctl`."
OF_GROUPS = "Add or remove a rule: that says the group to the overlay again. What has no row, remove with `ovn-nbctl`."
OF_FLOATING = "Take it from its port and give it back: that says the router to the overlay again."

Rows = Callable[[Ctx], Awaitable[Mapping[UUID, str]]]


def whole(name: str, subject: str, rows: Rows, there: Callable[[Seen], frozenset[UUID]], way_out: str) -> None:
    """Declare that the overlay has every one of these, and no other."""

    @verify.check(f"network.{name}")
    async def they_are_what_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
        host, seen = await _seen(ctx, looking)
        if seen is not None:
            for each in _there(subject, await rows(ctx), there(seen), host, way_out):
                yield each


whole("networks", "network", networks.every_project, lambda seen: seen.networks, AGAIN)
whole("routers", "router", routers.every_project, lambda seen: seen.routers, AGAIN)
whole("security_groups", "security group", security_groups.every_project, lambda seen: seen.groups, OF_GROUPS)


@verify.check("network.floating_ips")
async def floating_ips_are_what_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """A router of the overlay translates every floating IP that stands for something, and no other."""
    host, seen = await _seen(ctx, looking)
    if seen is not None:
        wanted = await floating_ips.on_routers(ctx)
        for each in _there("floating ip", wanted, seen.floating, host, OF_FLOATING):
            router_id = wanted.get(UUID(each.subject_id))
            yield verify.beside(each, router_id)


@verify.check("network.ports")
async def ports_are_what_the_rows_say(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """The overlay has every port, up, bound and with addresses as the rows say, and no other."""
    host, seen = await _seen(ctx, looking)
    if seen is not None:
        wanted = {port.id: _said(port.up, _place(port)) async for port in one_by_one(ports.in_pages(ctx))}
        found = {port_id: _said(up, seen.places.get(port_id)) for port_id, up in seen.ports.items()}
        for each in verify.compared("port", wanted, found, host=host, way_out=AGAIN):
            yield each


@verify.check("network.addresses")
async def addresses_are_of_ports(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Whatever address is taken is one of a port; what a port has given up is free as soon as the overlay knows."""
    async for rows in ports.astray(ctx, subnets.every_id()):
        for port_id, address, number in rows:
            cause = f"{number} of its addresses ({address}) are kept out of use, and no operation is at work that frees them."
            yield Difference(subject="port", subject_id=str(port_id), cause=f"{cause} {AGAIN}")


@verify.check("network.quotas")
async def quotas_count_what_is_there(ctx: Ctx, looking: Looking) -> AsyncIterator[Difference]:
    """Of each project: quotas count as many networks, routers and ports as the overlay has of it."""
    _, seen = await _seen(ctx, looking)
    if seen is None:
        return
    whose = {port.id: port.project_id async for port in one_by_one(ports.in_pages(ctx))}
    for kind, projects, there in (
        (NETWORKS, await networks.every_project(ctx), seen.networks),
        (ROUTERS, await routers.every_project(ctx), seen.routers),
        (PORTS, whose, seen.ports.keys()),
    ):
        missing = projects.keys() - there
        has = Counter(projects[id_] for id_ in projects.keys() & there)
        for project_id in sorted(set(projects.values())):
            counted = (await ctx.execute(sa.select(counts[kind.resource]([project_id]).scalar_subquery()))).scalar()
            if counted != has[project_id]:
                cause = f"Its quota counts {counted} of {kind.resource}, and the overlay has {has[project_id]}: the other checks say which."
                found = Difference(subject="project", subject_id=project_id, cause=cause)
                yield verify.beside(found, *(id_ for id_ in sorted(missing) if projects[id_] == project_id))


def _there(
    subject: str, wanted: Mapping[UUID, object], seen: frozenset[UUID], host: str, way_out: str
) -> Iterator[Difference]:
    return verify.compared(subject, dict.fromkeys(wanted, True), dict.fromkeys(seen, True), host=host, way_out=way_out)


def _place(port: Port) -> Place | None:
    if kind_of(port.device_owner) != "vif":
        return None
    return Place(port.host, frozenset(each.address for each in port.fixed))


def _said(up: bool, place: Place | None) -> str:
    state = "up" if up else "down"
    if place is None:
        return state
    return f"{state} on {place.host or 'no host'} with {', '.join(sorted(place.addresses)) or 'no address'}"


async def _seen(ctx: Ctx, looking: Looking) -> tuple[str, Seen | None]:
    try:
        host = await controller(ctx)
    except Unavailable:  # no host yet: nothing can be anywhere
        return "", None
    return host, await looking.at(Overlay.KIND, host)
